namespace Slirp.Core;

/// <summary>Why a frame, packet or segment went no further. Each is a counter that <c>status</c> shows by this name.</summary>
/// <remarks>Names are printed and stay; add at the end of a group, never reuse one for something else.</remarks>
public enum DropReason
{
    None,

    // Link
    FrameTooShort,
    UnknownEtherType,
    BadVirtioHeader,
    BadSourceMac,
    NotForUs,

    // IP
    BadIpv4Header,
    BadIpv4Checksum,
    BadIpv6Header,
    BadIpv6Extension,
    BadSourceAddress,
    BadDestinationAddress,
    HopLimitExceeded,
    UnknownProtocol,

    // Fragments
    FragmentMalformed,
    FragmentOverlap,
    FragmentExpired,
    FragmentEvicted,

    // TCP
    BadTcpHeader,
    BadTcpChecksum,
    BadTcpFlags,
    TcpNoFlow,
    TcpOutsideWindow,
    TcpOldTimestamp,
    TcpBadAcknowledgment,
    TcpBadReset,
    TcpTooManyHoles,
    TcpFlowLimit,
    TcpNoDescriptor,

    /// <summary>The host's kernel could not even begin to connect: it has no memory or no port now.</summary>
    TcpConnectFailed,

    /// <summary>A connection from outside has the endpoints of one that lives.</summary>
    TcpFlowExists,

    // UDP and ICMP
    BadUdpHeader,
    BadUdpChecksum,
    UdpHostSendFailed,
    UdpFlowLimit,
    BadIcmp,
    BadIcmpChecksum,
    IcmpNotSupported,
    PingUnavailable,

    // Services
    BadArp,
    BadNeighbourDiscovery,
    BadDhcp,
    BadDhcpv6,
    BadDns,
    DnsNoResolver,
    DnsMismatch,
    DnsTableFull,
    DhcpNoAddress,

    // Policy
    RefusedByGate,

    // Forwards
    ForwardLoop,
    GuestStationUnknown,
    ForwardPortExhausted,

    // Toward the guest
    LinkDown,
    LinkBusy,
    NoMemory,

    /// <summary>More than an IP packet can hold.</summary>
    PacketTooBig,
}
