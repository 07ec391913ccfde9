using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Tests.Netlink;

/// <summary>Looks at addresses that come and go, in a namespace of its own (the test runs it under unshare).</summary>
internal static class AddressesProgram
{
    private static readonly NetAddress Four = NetAddress.Ipv4(0xc6336401), Six = new(0x2001_0db8_0005_0000, 1);

    /// <returns>The number of the step that went wrong, or 0.</returns>
    public static int Run()
    {
        using AddressWatch watch = AddressWatch.Open();
        using RouteSocket route = RouteSocket.Open();
        LinkInfo lo = route.GetLink("lo");
        if (watch.TakeEvents()) return 1; // nothing has happened
        route.SetUp(lo, up: true);
        if (!watch.TakeEvents()) return 2; // 127.0.0.1 came with it
        if (watch.TakeEvents()) return 3; // told once
        // The kernel queues IPv4's notice before it acknowledges the request; IPv6's comes from a queue of work.
        route.AddAddress(lo, Four, 32);
        if (!watch.TakeEvents()) return 4;
        route.AddAddress(lo, Six, 128, flags: AddressFlags.IFA_F_NODAD);
        if (Descriptor.Poll(watch.Fd, PollEvents.POLLIN, 30_000, out _).Raw != 1 || !watch.TakeEvents()) return 5;
        if (!Has(route.ListLocalRoutes(SocketFamily.AF_INET), Four, 32)) return 6;
        if (!Has(route.ListLocalRoutes(SocketFamily.AF_INET), NetAddress.Ipv4(0x7f000000), 8)) return 7;
        // Its route may come after the notice.
        if (!SpinWait.SpinUntil(() => Has(route.ListLocalRoutes(SocketFamily.AF_INET6), Six, 128), TimeSpan.FromSeconds(30))) return 8;
        // Of a flood that nobody reads, it is told that something was lost.
        for (int i = 0; i < 4000; i++) route.AddAddress(lo, NetAddress.Ipv4(0xcb007100u + (uint)i), 32);
        return watch.TakeEvents() && !watch.TakeEvents() ? 0 : 9;
    }

    private static bool Has(IReadOnlyList<RouteInfo> routes, NetAddress destination, int length)
    {
        foreach (RouteInfo route in routes)
            if (route.Destination == destination && route.PrefixLength == length) return route.Kind == RouteKind.RTN_LOCAL;
        return false;
    }
}
