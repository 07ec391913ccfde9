namespace Slirp.Core.World;

/// <summary>What a polled descriptor or a timer belongs to; <see cref="Dispatcher"/> knows who serves it.</summary>
public enum EventKind : byte
{
    None,
    Link,
    Wakeup,
    TcpFlow,
    UdpMapping,
    PingMapping,
    Forward,
    DnsUpstream,
    Service,
    FragmentExpiry,

    /// <summary>A timer of what forwards keep: stalled accepts, UDP associations.</summary>
    ForwardUpkeep,

    /// <summary>Time to look for flows whose host-side address has vanished.</summary>
    HostAddressCheck,

    /// <summary>A timer: memory that was not used for a while goes back to the system.</summary>
    PoolTrim,

    /// <summary>A timer: a guest address is at another station, and flows follow it.</summary>
    StationMove,
}

/// <summary>A typed, generation-checked reference, the 64 bits that epoll hands back:
/// <code>
///  63      56 55                32 31                 0
/// |   kind   |     generation     |       index        |
/// </code>
/// An event for something that has died meanwhile carries an old generation and is dropped.</summary>
public readonly record struct EventTarget(EventKind Kind, int Index, int Generation)
{
    public const int GenerationMask = 0xff_ffff;

    public ulong Packed => (ulong)Kind << 56 | (ulong)(uint)(Generation & GenerationMask) << 32 | (uint)Index;

    public static EventTarget Unpack(ulong packed) =>
        new((EventKind)(packed >> 56), (int)(uint)packed, (int)(packed >> 32) & GenerationMask);
}

/// <summary>What happened to a polled descriptor. Reported once per edge, so the handler remembers it.</summary>
[Flags]
public enum HostEvents : byte
{
    None = 0,
    Readable = 1,
    Writable = 2,

    /// <summary>The peer has shut down its sending half: reads reach end of file.</summary>
    ReadClosed = 4,

    /// <summary>An error waits in SO_ERROR, or, for datagram sockets, in the error queue.</summary>
    Error = 8,

    /// <summary>Both halves are closed.</summary>
    HangUp = 16,

    /// <summary>An urgent mark (TCP) lies in what can be read: reads stop short at it though more is behind it.</summary>
    Urgent = 32,
}
