namespace Slirp.Linux.Tap;

/// <summary>Flags of TUNSETIFF and TUNGETIFF (linux/if_tun.h).</summary>
[Flags]
public enum TapFlags : ushort
{
    None = 0,
    IFF_TUN = 0x0001,
    IFF_TAP = 0x0002,
    IFF_MULTI_QUEUE = 0x0100,
    IFF_PERSIST = 0x0800,
    IFF_NO_PI = 0x1000,
    IFF_VNET_HDR = 0x4000,
}

/// <summary>Requests to /dev/net/tun, the same numbers on x86-64 and arm64.</summary>
internal enum TunRequest : uint
{
    TUNSETIFF = 0x400454ca,
    TUNSETPERSIST = 0x400454cb,
    TUNSETOFFLOAD = 0x400454d0,
    TUNGETIFF = 0x800454d2,
    TUNSETVNETHDRSZ = 0x400454d8,
}

/// <summary>Argument of TUNSETOFFLOAD.</summary>
[Flags]
internal enum TunOffload : uint
{
    None = 0,
    TUN_F_CSUM = 0x01,
    TUN_F_TSO4 = 0x02,
    TUN_F_TSO6 = 0x04,
    TUN_F_TSO_ECN = 0x08,
    TUN_F_USO4 = 0x20,
    TUN_F_USO6 = 0x40,
}
