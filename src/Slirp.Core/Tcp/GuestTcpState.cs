namespace Slirp.Core.Tcp;

/// <summary>Our end of the connection with the guest: the states of RFC 9293 section 3.3.2, seen from us.</summary>
/// <remarks>
/// <list type="table">
/// <item><term><see cref="SynHeld"/></term><description>A SYN came and the host connect is under way; nothing was sent.
/// No timer but the connect's own. Left by the connect's outcome or the guest's RST.</description></item>
/// <item><term><see cref="SynReceived"/></term><description>SYN-ACK sent, retransmission timer runs. Nothing is sent
/// beyond it; data from the guest waits for its ACK.</description></item>
/// <item><term><see cref="SynSent"/></term><description>A connection from outside: SYN sent to the guest.</description></item>
/// <item><term><see cref="Established"/></term><description>Data both ways; retransmission or persist timer while
/// something is owed, keep-alive while not.</description></item>
/// <item><term><see cref="CloseWait"/></term><description>The guest's FIN came: data to the guest only.</description></item>
/// <item><term><see cref="FinWait1"/>, <see cref="FinWait2"/></term><description>Our FIN is sent, then acknowledged:
/// data from the guest only.</description></item>
/// <item><term><see cref="Closing"/>, <see cref="LastAck"/></term><description>Both FINs are out; ours waits for its
/// acknowledgment.</description></item>
/// <item><term><see cref="TimeWait"/></term><description>Only answers what is retransmitted; the table entry goes after
/// <see cref="TcpParameters.TimeWait"/>, or at once for a new connection.</description></item>
/// </list>
/// </remarks>
public enum GuestTcpState : byte
{
    Closed,
    SynHeld,
    SynReceived,
    SynSent,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// <summary>The host socket's side, as far as the kernel has told us.</summary>
[Flags]
public enum HostTcpState : byte
{
    /// <summary>No socket any more.</summary>
    Closed = 0,

    /// <summary>A connect is under way.</summary>
    Connecting = 1,

    /// <summary>More may be read: end of file was not seen.</summary>
    CanReceive = 2,

    /// <summary>More may be sent: we have not shut our half down.</summary>
    CanSend = 4,

    Open = CanReceive | CanSend,
}

/// <summary>Why a flow ends.</summary>
public enum CloseReason : byte
{
    None,

    // By both ends
    Finished,

    // By the guest
    GuestReset,
    GuestRefused,
    GuestSilent,
    GuestReusedPort,

    // By the host side
    HostRefused,
    HostUnreachable,
    HostTimedOut,
    HostReset,
    HostFailed,
    HostAddressLost,

    // By us
    EvictedHalfOpen,
    EvictedTimeWait,

    /// <summary>An exception was thrown while it was handled.</summary>
    Fault,
    Shutdown,
}
