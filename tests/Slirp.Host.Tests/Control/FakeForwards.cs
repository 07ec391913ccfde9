using Slirp.Host.Forwards;
using Slirp.Linux;

namespace Slirp.Host.Tests.Control;

/// <summary>Forwards that bind nothing: what the control socket asks for is remembered.</summary>
internal sealed class FakeForwards : IForwards
{
    private readonly SortedDictionary<int, ForwardInfo> _standing = [];
    private int _lastId;

    /// <summary>The next Add fails with this.</summary>
    public string? Problem { get; set; }

    /// <summary>Every Add ends in it.</summary>
    public Exception? Fault { get; set; }

    public ForwardResult Add(ForwardRequest request)
    {
        if (Fault is not null) throw Fault;
        if (Problem is not null) return new ForwardResult(null, Problem, Errno.EADDRINUSE);
        var info = new ForwardInfo(++_lastId, request.HostPort == 0 ? request with { HostPort = 40001 } : request);
        _standing.Add(info.Id, info);
        return new ForwardResult(info, null, Errno.None);
    }

    public bool Remove(int id) => _standing.Remove(id);

    public ForwardInfo[] List() => [.. _standing.Values];
}
