using System.Runtime.CompilerServices;
using Slirp.Core.Flows;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>A guest UDP endpoint and its host socket.</summary>
public sealed class UdpMapping : DatagramMapping
{
    private RemoteCache _remotes;
    private int _nextRemote;

    /// <summary>Somebody has answered.</summary>
    public bool IsAnswered { get; internal set; }

    /// <summary>The guest went on speaking after it was answered: a conversation, not a question.</summary>
    public bool IsStream { get; internal set; }

    /// <summary>Every datagram so far went to port 53.</summary>
    public bool IsDnsOnly { get; internal set; }

    /// <summary>Questions to port 53 without an answer yet.</summary>
    internal int OpenQuestions { get; set; }

    /// <summary>Where a destination of the guest lies on the host, if the gate was asked about it lately.</summary>
    internal bool TryFindRemote(IpEndpoint remote, out IpEndpoint host)
    {
        foreach (ref readonly Remote known in (ReadOnlySpan<Remote>)_remotes)
        {
            if (known.AsGuestSees != remote || remote.Port == 0) continue;
            host = known.OnHost;
            return true;
        }
        host = default;
        return false;
    }

    internal void RememberRemote(IpEndpoint remote, IpEndpoint host)
    {
        _remotes[_nextRemote] = new Remote(remote, host);
        _nextRemote = (_nextRemote + 1) % RemoteCache.Length;
    }

    internal override void Reset(in FlowKey key)
    {
        base.Reset(key);
        _remotes = default;
        _nextRemote = 0;
        IsAnswered = IsStream = false;
        IsDnsOnly = true;
        OpenQuestions = 0;
    }

    private readonly record struct Remote(IpEndpoint AsGuestSees, IpEndpoint OnHost);

    /// <summary>Four: a resolver asks two or three servers in turn, and nearly every other socket knows one peer.</summary>
    [InlineArray(Length)]
    private struct RemoteCache
    {
        public const int Length = 4;
        private Remote _first;
    }
}
