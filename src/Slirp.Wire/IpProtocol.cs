namespace Slirp.Wire;

/// <summary>IANA protocol numbers: IPv4 Protocol and IPv6 Next Header. Unknown values are legal input.</summary>
public enum IpProtocol : byte
{
    HopByHop = 0,
    Icmp = 1,
    Igmp = 2,
    Tcp = 6,
    Udp = 17,
    Ipv6Routing = 43,
    Ipv6Fragment = 44,
    AuthenticationHeader = 51,
    Icmpv6 = 58,
    Ipv6NoNextHeader = 59,
    Ipv6DestinationOptions = 60,
}
