using Slirp.Cli.Options;
using Slirp.Core.Network;
using Slirp.Linux;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary>The guest's side of the link, set up through a netlink socket that was born in its namespace.</summary>
internal static class GuestInterface
{
    /// <summary>The ring from the guest holds this many frames, whatever their size: with the default of 1000 a burst of
    /// small datagrams is lost there.</summary>
    private const int TransmitQueueLength = 10_000;

    /// <summary>What must be written before the interface is up: no waiting for duplicate address detection on a link that
    /// has two stations, one of which is us.</summary>
    public static IReadOnlyList<SysctlWrite> SysctlsFor(NetworkOptions network, string tapName, bool configure) =>
        network.EnableIpv6 && configure ? [new SysctlWrite($"/proc/sys/net/ipv6/conf/{tapName}/accept_dad", "0")] : [];

    /// <summary>Brings loopback and the interface up, with address and route, in the order slirp4netns does it; IPv6
    /// likewise, and at once; a guest whose kernel has none goes without.</summary>
    /// <returns>The interface as it is now.</returns>
    public static LinkInfo Configure(RouteSocket route, string tapName, NetworkOptions network, Action<string> warn)
    {
        LinkInfo loopback = route.GetLink("lo");
        route.SetUp(loopback, up: true);
        LinkInfo tap = route.GetLink(tapName);
        route.SetMtu(tap, network.Mtu);
        if (network.MacAddress is MacAddress mac) route.SetHardwareAddress(tap, mac.Value);
        tap = route.GetLink(tapName);
        NetworkPlan plan = GuestNetwork.PlanFor(network, new MacAddress(tap.HardwareAddress));
        // As slirp4netns leaves it: multicast goes no further than this interface, so nobody is told that it would.
        route.SetUpWithoutMulticast(tap);
        var guest = NetAddress.Ipv4(plan.Guest.Value);
        RemoveFormerAddress(route, tap, guest, plan.PrefixLength);
        route.AddAddress(tap, guest, plan.PrefixLength, NetAddress.Ipv4(plan.SubnetBroadcast.Value));
        route.AddDefaultRoute(tap, NetAddress.Ipv4(plan.Gateway.Value));
        if (plan.EnableIpv6) ConfigureIpv6(route, tap, plan, warn);
        return tap;
    }

    /// <summary>An interface that was there before may have an address of another time: as slirp4netns does (SIOCSIFADDR), the
    /// first one gives way, for it is the one that programs would speak from.</summary>
    private static void RemoveFormerAddress(RouteSocket route, LinkInfo tap, NetAddress guest, int prefixLength)
    {
        foreach (AddressInfo former in route.ListAddresses(SocketFamily.AF_INET))
        {
            if (former.LinkIndex != tap.Index) continue;
            if (former.Address != guest || former.PrefixLength != prefixLength) route.RemoveAddress(tap, former.Address, former.PrefixLength);
            return;
        }
    }

    public static void RaiseTransmitQueue(RouteSocket route, LinkInfo tap)
    {
        if (tap.TransmitQueueLength < TransmitQueueLength) route.SetTransmitQueueLength(tap, TransmitQueueLength);
    }

    private static void ConfigureIpv6(RouteSocket route, LinkInfo tap, NetworkPlan plan, Action<string> warn)
    {
        IpAddress address = GuestNetwork.Ipv6AddressFor(plan, new MacAddress(tap.HardwareAddress));
        try
        {
            route.AddAddress(tap, ToNetAddress(address), plan.PrefixLength6, flags: AddressFlags.IFA_F_NODAD);
            route.AddDefaultRoute(tap, ToNetAddress(plan.GatewayLinkLocal));
        }
        catch (LinuxException e)
        {
            warn($"the guest has no IPv6: {e.Message}");
        }
    }

    private static NetAddress ToNetAddress(IpAddress address) => new(address.High, address.Low);
}
