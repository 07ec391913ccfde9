using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Flows;

/// <summary>One guest endpoint and the host socket that speaks for it (RFC 4787: a mapping). Reused after it is closed.</summary>
public abstract class DatagramMapping : IFlow
{
    public FlowKey Key { get; internal set; }
    public int Index { get; set; }
    public int Generation { get; set; }
    public HostSocket Socket { get; internal set; } = HostSocket.None;

    /// <summary>The station the guest endpoint was last seen at: where answers go.</summary>
    public MacAddress GuestMac { get; internal set; }

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

    /// <summary>Makes it as good as new for another guest endpoint.</summary>
    internal virtual void Reset(in FlowKey key)
    {
        Key = key;
        Socket = HostSocket.None;
        GuestMac = default;
        Gateway = default;
        Deadline = Instant.Never;
        Timer = default;
        TimerDue = Instant.Never;
        IsReadable = HasErrors = IsQueued = false;
    }
}
