using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Slirp.Linux.Tap;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Netlink;

public class RouteSocketTests
{
    private static readonly NetAddress Guest = NetAddress.Ipv4(0x0a000264), Gateway = NetAddress.Ipv4(0x0a000202);
    private static readonly NetAddress Guest6 = new(0xfd00_0000_0000_0000, 0x64), Gateway6 = new(0xfd00_0000_0000_0000, 2);

    [Fact]
    public void The_loopback_interface_of_this_namespace_is_found()
    {
        using RouteSocket route = RouteSocket.Open();
        LinkInfo lo = route.GetLink("lo");
        Assert.Equal(1, lo.Index);
        Assert.True(lo.IsLoopback);
        Assert.Equal(65536, lo.Mtu);
        Assert.Contains(lo, route.ListLinks());
        Assert.Equal(NetAddress.Ipv4(0x7f000001), route.FindAddressOf("lo", SocketFamily.AF_INET));
    }

    [Theory]
    [InlineData("nosuchlink")]
    [InlineData("a_name_that_is_far_too_long")]
    [InlineData("")]
    public void An_interface_that_does_not_exist_is_null_and_getting_it_names_it(string name)
    {
        using RouteSocket route = RouteSocket.Open();
        Assert.Null(route.FindLink(name));
        Assert.Null(route.FindAddressOf(name, SocketFamily.AF_INET));
        var e = Assert.Throws<LinuxException>(() => route.GetLink(name));
        Assert.StartsWith($"RTM_GETLINK on {name}: ENODEV (", e.Message, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public void Configures_an_interface_inside_a_namespace_from_outside()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace attached = Attach(holder);
        using var route = new RouteSocket(attached.Netlink);
        route.SetUp(route.GetLink("lo"), true);
        LinkInfo tap = route.GetLink("tap0");
        Assert.False(tap.IsUp);
        route.SetMtu(tap, 65520);
        route.SetHardwareAddress(tap, 0x02_11_22_33_44_55);
        route.SetTransmitQueueLength(tap, 4321);
        route.SetUp(tap, true);
        route.AddAddress(tap, Guest, 24, NetAddress.Ipv4(0x0a0002ff));
        route.AddAddress(tap, Guest6, 64, flags: AddressFlags.IFA_F_NODAD);
        route.AddDefaultRoute(tap, Gateway);
        route.AddDefaultRoute(tap, Gateway6, source: Guest6, mtu: 1400);

        tap = route.GetLink("tap0");
        Assert.Equal((65520, 4321, 0x02_11_22_33_44_55ul, true), (tap.Mtu, tap.TransmitQueueLength, tap.HardwareAddress, tap.IsUp));
        Assert.True(route.GetLink("lo").IsUp);
        Assert.Equal(Guest, route.FindAddressOf("tap0", SocketFamily.AF_INET));
        AddressInfo six = Assert.Single(route.ListAddresses(SocketFamily.AF_INET6), one => one.Address == Guest6);
        Assert.Equal(64, six.PrefixLength);
        Assert.Equal(AddressFlags.None, six.Flags & AddressFlags.IFA_F_TENTATIVE);
        RouteInfo v4 = Assert.Single(route.ListRoutes(SocketFamily.AF_INET), one => one.IsDefault);
        Assert.Equal((Gateway, tap.Index, RouteSocket.MainTable), (v4.Gateway!.Value, v4.LinkIndex, v4.Table));
        RouteInfo v6 = Assert.Single(route.ListRoutes(SocketFamily.AF_INET6), one => one.IsDefault);
        Assert.Equal((Gateway6, Guest6, 1400), (v6.Gateway!.Value, v6.Source!.Value, v6.Mtu));
    }

    [NamespaceFact]
    public void What_ip_says_agrees()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace attached = Attach(holder);
        using var route = new RouteSocket(attached.Netlink);
        LinkInfo tap = route.GetLink("tap0");
        route.SetUp(tap, true);
        route.AddAddress(tap, Guest, 24, NetAddress.Ipv4(0x0a0002ff));
        route.AddDefaultRoute(tap, Gateway, source: Guest, mtu: 1300);
        var (_, addresses) = HelperProcess.Run("nsenter", $"--net={holder.NetworkPath}", "ip", "-4", "-o", "address", "show", "tap0");
        Assert.Contains("inet 10.0.2.100/24 brd 10.0.2.255 scope global tap0", addresses, StringComparison.Ordinal);
        var (_, routes) = HelperProcess.Run("nsenter", $"--net={holder.NetworkPath}", "ip", "-4", "route");
        Assert.Contains("default via 10.0.2.2 dev tap0 src 10.0.2.100 mtu 1300", routes, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public void A_refusal_names_the_step_and_gives_the_kernel_s_words()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace attached = Attach(holder);
        using var route = new RouteSocket(attached.Netlink);
        LinkInfo tap = route.GetLink("tap0");
        var mtu = Assert.Throws<LinuxException>(() => route.SetMtu(tap, 67));
        Assert.StartsWith("RTM_SETLINK (mtu 67) on tap0: EINVAL (", mtu.Message, StringComparison.Ordinal);
        Assert.Contains("mtu less than device minimum", mtu.Message, StringComparison.Ordinal);
        var multicast = Assert.Throws<LinuxException>(() => route.SetHardwareAddress(tap, 0x01_00_5e_00_00_01));
        Assert.Equal(Errno.EADDRNOTAVAIL, multicast.Errno);
        var gateway = Assert.Throws<LinuxException>(() => route.AddDefaultRoute(tap, Gateway));
        Assert.StartsWith("RTM_NEWROUTE on tap0 (default via 10.0.2.2): ", gateway.Message, StringComparison.Ordinal);
        route.SetUp(tap, true); // and the conversation goes on
        Assert.True(route.GetLink("tap0").IsUp);
    }

    [NamespaceFact]
    public void Addresses_and_local_routes_are_followed_in_a_namespace_of_its_own()
    {
        Assert.Equal((0, ""), HelperProcess.RunInOwnNetwork("addresses"));
    }

    private static AttachedNamespace Attach(NamespaceHolder holder) =>
        NamespaceAttach.Open(new AttachRequest
        {
            UserNamespacePath = holder.UserPath,
            NetworkNamespacePath = holder.NetworkPath,
            TapName = "tap0",
        });
}
