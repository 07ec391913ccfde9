namespace Slirp.Linux.Sockets;

/// <summary>What came with a received datagram. Fields whose option is not set on the socket keep their default.</summary>
public struct ReceivedMessage
{
    /// <summary>Who sent it; from the error queue, where the failed datagram was going.</summary>
    public SocketAddress Source { readonly get; internal set; }

    /// <summary>The address it was sent to, or the host's own where that was a network's broadcast address, port 0 (IP_PKTINFO, IPV6_RECVPKTINFO); <see cref="HasLocalAddress"/> tells if known.</summary>
    public SocketAddress LocalAddress { readonly get; internal set; }

    public bool HasSource { readonly get; internal set; }
    public bool HasLocalAddress { readonly get; internal set; }

    /// <summary>The interface it came in by (with <see cref="LocalAddress"/>), else 0.</summary>
    public uint InterfaceIndex { readonly get; internal set; }

    /// <summary>MSG_TRUNC (datagram cut), MSG_CTRUNC (controls cut), MSG_ERRQUEUE.</summary>
    public MessageFlags Flags { readonly get; internal set; }

    /// <summary>Octets of each datagram but the last in a merged payload (UDP_GRO); 0 when there is one datagram only.</summary>
    public int SegmentSize { readonly get; internal set; }

    /// <summary>TOS or traffic class octet, or -1 (IP_RECVTOS, IPV6_RECVTCLASS).</summary>
    public int TrafficClass { readonly get; internal set; }

    /// <summary>TTL or hop limit, or -1 (IP_RECVTTL, IPV6_RECVHOPLIMIT).</summary>
    public int HopLimit { readonly get; internal set; }

    /// <summary>The extended error of a message from the error queue; its errno is None on other messages.</summary>
    public ExtendedError Error { readonly get; internal set; }

    public readonly bool IsTruncated => (Flags & MessageFlags.MSG_TRUNC) != 0;
}

/// <summary>Where an extended error was raised.</summary>
public enum ErrorOrigin : byte
{
    SO_EE_ORIGIN_NONE = 0,
    SO_EE_ORIGIN_LOCAL = 1,
    SO_EE_ORIGIN_ICMP = 2,
    SO_EE_ORIGIN_ICMP6 = 3,
    SO_EE_ORIGIN_TXSTATUS = 4,
    SO_EE_ORIGIN_ZEROCOPY = 5,
}

/// <summary>sock_extended_err (ip(7), IP_RECVERR).</summary>
/// <param name="Errno">The error the send would have had.</param>
/// <param name="Origin">Local, ICMP or ICMPv6.</param>
/// <param name="Type">ICMP type.</param>
/// <param name="Code">ICMP code.</param>
/// <param name="Info">The next hop's MTU where the error is EMSGSIZE.</param>
/// <param name="Offender">Who sent the ICMP message, if <paramref name="HasOffender"/>; port 0.</param>
/// <param name="HasOffender">False for an error raised on this machine.</param>
public readonly record struct ExtendedError(
    Errno Errno, ErrorOrigin Origin, byte Type, byte Code, uint Info, SocketAddress Offender, bool HasOffender);
