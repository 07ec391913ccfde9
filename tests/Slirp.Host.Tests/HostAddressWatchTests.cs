using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host.Tests;

/// <summary>On the network the tests run in, of which only loopback is sure to be there.</summary>
public class HostAddressWatchTests
{
    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("127.99.99.99", true)] // a network declared local
    [InlineData("203.0.113.77", false)]
    [InlineData("2001:db8:ffff::77", false)]
    public void Loopback_is_the_host_s_and_addresses_for_documentation_are_not(string address, bool isOwn)
    {
        using var watch = new HostAddressWatch();
        Assert.Equal(isOwn, watch.Current.Contains(IpAddress.Parse(address)));
    }

    [Fact]
    public void Without_a_change_there_is_no_update()
    {
        var outbound = new OutboundAddresses(IpAddress.Parse("127.0.0.1"), default);
        using var watch = new HostAddressWatch(outbound, new OutboundInterfaces("lo", null));
        Assert.False(watch.TryUpdate());
        Assert.Equal(outbound, watch.Outbound);
    }

    [Fact]
    public void An_interface_that_is_not_there_has_no_address()
    {
        using RouteSocket route = RouteSocket.Open();
        Assert.Null(HostAddressWatch.FindAddressOf(route, "nosuch0", SocketFamily.AF_INET));
        Assert.Equal(IpAddress.Parse("127.0.0.1"), HostAddressWatch.FindAddressOf(route, "lo", SocketFamily.AF_INET));
    }

    [Theory]
    [InlineData("198.51.100.9", 80, "192.0.2.1", "its family's")]
    [InlineData("2001:db8::9", 53, "2001:db8:5::1", "its family's")]
    [InlineData("127.0.0.1", 80, "192.0.2.1", "host loopback is no exception")]
    [InlineData("::1", 80, "2001:db8:5::1", "host loopback is no exception")]
    [InlineData("127.0.0.53", 53, null, "a resolver on loopback may answer loopback alone")]
    [InlineData("::1", 53, null, "a resolver on loopback may answer loopback alone")]
    public void A_destination_has_the_outbound_address_of_its_family(string destination, int port, string? expected, string why)
    {
        var outbound = new OutboundAddresses(IpAddress.Parse("192.0.2.1"), IpAddress.Parse("2001:db8:5::1"));
        var endpoint = new IpEndpoint(IpAddress.Parse(destination), (ushort)port);
        bool isFound = outbound.TryFind(endpoint, out IpAddress source);
        Assert.True((isFound ? source.ToString() : null) == expected, why);
        Assert.False(OutboundAddresses.Unset.TryFind(endpoint, out _));
    }
}
