namespace Slirp.Linux.Sockets;

/// <summary>What a datagram is sent with beyond its payload and destination; default asks for nothing.</summary>
public readonly record struct SendControls
{
    /// <summary>The address to send from (IP_PKTINFO, IPV6_PKTINFO); its port is not used: that is the socket's own.</summary>
    public SocketAddress? Source { get; init; }

    /// <summary>The interface to send through; 0 leaves it to the routes.</summary>
    public uint InterfaceIndex { get; init; }

    /// <summary>Cuts the payload into datagrams of this many octets (UDP_SEGMENT); 0 sends it whole.</summary>
    public ushort SegmentSize { get; init; }

    /// <summary>TOS or traffic class octet, DSCP and ECN together.</summary>
    public byte? TrafficClass { get; init; }

    /// <summary>TTL or hop limit, 1 to 255.</summary>
    public byte? HopLimit { get; init; }

    /// <summary>For a connected AF_INET6 socket that sends without a destination: which family's messages to write.
    /// Otherwise the destination or <see cref="Source"/> tells.</summary>
    public bool IsIpv6 { get; init; }

    internal bool IsEmpty => Source is null && InterfaceIndex == 0 && SegmentSize == 0 && TrafficClass is null && HopLimit is null;
}
