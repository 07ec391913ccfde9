using Slirp.Cli.Options;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Linux.Tap;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary>From what the user asked for to the values that the engines and the kernel take.</summary>
internal static class GuestNetwork
{
    public static NetworkPlan PlanFor(NetworkOptions options, MacAddress guestMac) => new()
    {
        Network = options.Cidr.Network,
        PrefixLength = options.Cidr.PrefixLength,
        Mtu = options.Mtu,
        OurMac = MacOf(options.Cidr),
        GuestMac = guestMac,
        EnableIpv6 = options.EnableIpv6,
        EnableDns = !options.DisableDns,
        EnableHostLoopback = !options.DisableHostLoopback,
    };

    /// <summary>A locally administered address made from the gateway's: the same at every start, so that a guest that
    /// keeps its neighbour table over a restart finds us at once.</summary>
    private static MacAddress MacOf(Ipv4Cidr cidr) => new(0x5255_0000_0000ul | (cidr.Network.Value + 2));

    public static OffloadCapabilities Wanted(Offload off)
    {
        OffloadCapabilities wanted = OffloadCapabilities.All;
        if ((off & Offload.Tso) != 0) wanted &= ~(OffloadCapabilities.Tso4 | OffloadCapabilities.Tso6 | OffloadCapabilities.TsoEcn);
        if ((off & Offload.Uso) != 0) wanted &= ~OffloadCapabilities.Uso;
        if ((off & Offload.Csum) != 0) wanted = OffloadCapabilities.None;
        return wanted;
    }

    public static LinkOffloads OffloadsOf(TapDevice tap)
    {
        if (!tap.HasVnetHeader) return LinkOffloads.None;
        LinkOffloads offloads = LinkOffloads.VirtioHeader;
        if ((tap.Offloads & OffloadCapabilities.Csum) != 0) offloads |= LinkOffloads.Checksum;
        if ((tap.Offloads & OffloadCapabilities.Tso4) != 0) offloads |= LinkOffloads.TcpSegmentation4;
        if ((tap.Offloads & OffloadCapabilities.Tso6) != 0) offloads |= LinkOffloads.TcpSegmentation6;
        if ((tap.Offloads & OffloadCapabilities.TsoEcn) != 0) offloads |= LinkOffloads.TcpSegmentationEcn;
        if ((tap.Offloads & OffloadCapabilities.Uso) != 0) offloads |= LinkOffloads.UdpSegmentation;
        return offloads;
    }

    /// <summary>The interface identifier that the guest's kernel makes itself (RFC 4291 appendix A), so that the address
    /// it forms from our advertisement is the one it has.</summary>
    public static IpAddress Ipv6AddressFor(NetworkPlan plan, MacAddress mac)
    {
        ulong upper = mac.Value >> 24, lower = mac.Value & 0xff_ffff;
        return plan.Prefix6 with { Low = (upper ^ 0x02_0000) << 40 | 0xff_fe00_0000 | lower };
    }
}
