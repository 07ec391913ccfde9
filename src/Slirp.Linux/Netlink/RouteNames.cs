namespace Slirp.Linux.Netlink;

/// <summary>Types of netlink messages (netlink(7), rtnetlink(7)).</summary>
internal enum MessageType : ushort
{
    NLMSG_NOOP = 1,
    NLMSG_ERROR = 2,
    NLMSG_DONE = 3,
    RTM_NEWLINK = 16,
    RTM_GETLINK = 18,
    RTM_SETLINK = 19,
    RTM_NEWADDR = 20,
    RTM_DELADDR = 21,
    RTM_GETADDR = 22,
    RTM_NEWROUTE = 24,
    RTM_DELROUTE = 25,
    RTM_GETROUTE = 26,
}

[Flags]
internal enum MessageFlag : ushort
{
    None = 0,
    NLM_F_REQUEST = 0x1,
    NLM_F_MULTI = 0x2,
    NLM_F_ACK = 0x4,
    NLM_F_DUMP_INTR = 0x10,
    NLM_F_REPLACE = 0x100,
    NLM_F_EXCL = 0x200,
    NLM_F_CREATE = 0x400,
    NLM_F_DUMP = 0x300,
}

/// <summary>Flags of an acknowledgement, which share numbers with those of requests.</summary>
[Flags]
internal enum AckFlag : ushort
{
    NLM_F_CAPPED = 0x100,
    NLM_F_ACK_TLVS = 0x200,
}

internal enum LinkAttribute : ushort
{
    IFLA_ADDRESS = 1,
    IFLA_IFNAME = 3,
    IFLA_MTU = 4,
    IFLA_TXQLEN = 13,
}

internal enum AddressAttribute : ushort
{
    IFA_ADDRESS = 1,
    IFA_LOCAL = 2,
    IFA_BROADCAST = 4,
    IFA_FLAGS = 8,
}

internal enum RouteAttribute : ushort
{
    RTA_DST = 1,
    RTA_OIF = 4,
    RTA_GATEWAY = 5,
    RTA_PRIORITY = 6,
    RTA_PREFSRC = 7,
    RTA_METRICS = 8,
    RTA_TABLE = 15,
}

/// <summary>Attributes inside RTA_METRICS.</summary>
internal enum RouteMetric : ushort
{
    RTAX_MTU = 2,
}

/// <summary>Attributes of an acknowledgement that say more than its errno.</summary>
internal enum AckAttribute : ushort
{
    NLMSGERR_ATTR_MSG = 1,
}

/// <summary>Flags of an interface (netdevice(7)).</summary>
[Flags]
public enum LinkFlags : uint
{
    None = 0,
    IFF_UP = 0x1,
    IFF_BROADCAST = 0x2,
    IFF_LOOPBACK = 0x8,
    IFF_POINTOPOINT = 0x10,
    IFF_RUNNING = 0x40,
    IFF_NOARP = 0x80,
    IFF_MULTICAST = 0x1000,
}

/// <summary>Flags of an address (ip-address(8)).</summary>
[Flags]
public enum AddressFlags : uint
{
    None = 0,

    /// <summary>No duplicate address detection: usable at once.</summary>
    IFA_F_NODAD = 0x02,
    IFA_F_DADFAILED = 0x08,
    IFA_F_DEPRECATED = 0x20,
    IFA_F_TENTATIVE = 0x40,
    IFA_F_PERMANENT = 0x80,
    IFA_F_NOPREFIXROUTE = 0x200,
}

/// <summary>How far an address or a route reaches.</summary>
public enum RouteScope : byte
{
    RT_SCOPE_UNIVERSE = 0,
    RT_SCOPE_SITE = 200,
    RT_SCOPE_LINK = 253,
    RT_SCOPE_HOST = 254,
}

public enum RouteKind : byte
{
    RTN_UNSPEC = 0,
    RTN_UNICAST = 1,
    RTN_LOCAL = 2,
    RTN_BROADCAST = 3,
    RTN_ANYCAST = 4,
    RTN_MULTICAST = 5,
    RTN_BLACKHOLE = 6,
    RTN_UNREACHABLE = 7,
    RTN_PROHIBIT = 8,
}
