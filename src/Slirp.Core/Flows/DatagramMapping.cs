using System.Runtime.CompilerServices;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Flows;

/// <summary>One guest endpoint and the host socket that speaks for it (RFC 4787: a mapping). Reused after it is closed.</summary>
public abstract class DatagramMapping : IFlow
{
    private RemoteCache _remotes;
    private int _remoteCount, _nextRemote;

    public FlowKey Key { get; internal set; }
    public int Index { get; set; }
    public int Generation { get; set; }
    public HostSocket Socket { get; internal set; } = HostSocket.None;

    /// <summary>The station the guest endpoint was last seen at, or said since that it is at: where answers go.</summary>
    public MacAddress GuestMac { get; internal set; }

    /// <summary>When the guest is to be asked whether it is still there, if it has said nothing until then.</summary>
    internal Instant DoubtAt { get; set; }

    /// <summary>Which of its addresses the gateway answers from: the one the guest last used.</summary>
    public IpAddress Gateway { get; internal set; }

    /// <summary>When it is given up unless used before.</summary>
    public Instant Deadline { get; internal set; }

    internal TimerHandle Timer { get; set; }

    /// <summary>When <see cref="Timer"/> fires; may be earlier than <see cref="Deadline"/>, never later.</summary>
    internal Instant TimerDue { get; set; }

    internal bool IsReadable { get; set; }

    internal bool HasErrors { get; set; }

    internal bool IsQueued { get; set; }

    public bool IsIpv4 => Key.Guest.Address.IsIpv4;

    /// <summary>Where a destination of the guest lies on the host, if the gate was asked about it lately.</summary>
    internal bool TryFindRemote(IpEndpoint remote, out IpEndpoint host)
    {
        foreach (ref readonly Remote known in ((ReadOnlySpan<Remote>)_remotes)[.._remoteCount])
        {
            if (known.AsGuestSees != remote) continue;
            host = known.OnHost;
            return true;
        }
        host = default;
        return false;
    }

    /// <summary>Keeps the gate's answer, in the place of the oldest.</summary>
    internal void RememberRemote(IpEndpoint remote, IpEndpoint host)
    {
        _remotes[_nextRemote] = new Remote(remote, host);
        _nextRemote = (_nextRemote + 1) % RemoteCache.Length;
        _remoteCount = Math.Min(_remoteCount + 1, RemoteCache.Length);
    }

    /// <summary>The guest endpoint has spoken, so it is there.</summary>
    internal void Hear(MacAddress source, Instant now) => (GuestMac, DoubtAt) = (source, now + IGuestStations.Reachable);

    internal void ForgetRemotes() => _remoteCount = _nextRemote = 0;

    /// <summary>Makes it as good as new for another guest endpoint.</summary>
    internal virtual void Reset(in FlowKey key)
    {
        Key = key;
        Socket = HostSocket.None;
        GuestMac = default;
        DoubtAt = Instant.Never;
        Gateway = default;
        Deadline = Instant.Never;
        Timer = default;
        TimerDue = Instant.Never;
        IsReadable = HasErrors = IsQueued = false;
        _remotes = default;
        _remoteCount = _nextRemote = 0;
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
