using Slirp.Core.Network;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Network;

/// <summary>Every road to the host's loopback, open and closed.</summary>
public class HostMapTests
{
    private const RouteVerdict Forward = RouteVerdict.Forward, Closed = RouteVerdict.Closed, Discard = RouteVerdict.Discard;

    private static readonly HostAddresses Own = HostAddressesTests.Of(
        "127.0.0.0/8", "::1/128", "192.0.2.1/32", "198.51.100.0/28", "2001:db8::1/128", "2001:db8:5::/64");

    [Theory]
    [InlineData("10.0.2.2", Forward, Closed, "the gateway")]
    [InlineData("fd00::2", Forward, Closed, "the gateway")]
    [InlineData("fe80::2", Forward, Closed, "the gateway")]
    [InlineData("192.0.2.1", Forward, Closed, "an address of an interface")]
    [InlineData("2001:db8::1", Forward, Closed, "an address of an interface")]
    [InlineData("198.51.100.9", Forward, Closed, "in a network declared local")]
    [InlineData("2001:db8:5::9", Forward, Closed, "in a network declared local")]
    [InlineData("64:ff9b::c000:201", Forward, Closed, "192.0.2.1 by NAT64")]
    [InlineData("64:ff9b:1::c000:201", Forward, Closed, "192.0.2.1 by a local NAT64")]
    [InlineData("2002:c000:201::1", Forward, Closed, "192.0.2.1 by 6to4")]
    [InlineData("::ffff:0:c000:201", Forward, Closed, "192.0.2.1 translated")]
    [InlineData("::c000:201", Forward, Closed, "192.0.2.1 compatible")]
    [InlineData("192.0.2.2", Forward, Forward, "a neighbour of the host")]
    [InlineData("2001:db8::2", Forward, Forward, "a neighbour of the host")]
    [InlineData("198.51.100.16", Forward, Forward, "beyond the network")]
    [InlineData("64:ff9b::c000:202", Forward, Forward, "somebody else by NAT64")]
    [InlineData("2002:c000:202::1", Forward, Forward, "somebody else by 6to4")]
    [InlineData("127.0.0.1", Discard, Discard, "the guest itself")]
    [InlineData("127.9.9.9", Discard, Discard, "the guest itself")]
    [InlineData("::1", Discard, Discard, "the guest itself")]
    [InlineData("0.0.0.0", Discard, Discard, "what Linux takes for loopback")]
    [InlineData("::", Discard, Discard, "what Linux takes for loopback")]
    [InlineData("::7f00:1", Discard, Discard, "127.0.0.1 compatible")]
    [InlineData("::ffff:0:7f00:1", Discard, Discard, "127.0.0.1 translated")]
    [InlineData("64:ff9b::7f00:1", Discard, Discard, "127.0.0.1 by NAT64")]
    [InlineData("64:ff9b::", Discard, Discard, "0.0.0.0 by NAT64")]
    [InlineData("64:ff9b:1::7f00:1", Discard, Discard, "127.0.0.1 by a local NAT64")]
    [InlineData("2002:7f00:1::1", Discard, Discard, "127.0.0.1 by 6to4")]
    public void A_road_is_open_or_closed(string destination, RouteVerdict open, RouteVerdict closed, string why)
    {
        foreach (bool isEnabled in new[] { true, false })
        {
            var map = new HostMap(FrameFactory.Plan with { EnableHostLoopback = isEnabled }) { HostAddresses = Own };
            RouteVerdict verdict = map.TryMapToHost(IpAddress.Parse(destination), out _);
            Assert.True((isEnabled ? open : closed) == verdict, $"{why}: {verdict}");
        }
    }

    [Fact]
    public void An_address_is_closed_as_soon_as_it_is_known_and_open_when_it_is_gone()
    {
        var map = new HostMap(FrameFactory.Plan with { EnableHostLoopback = false });
        IpAddress address = IpAddress.Parse("192.0.2.1");
        Assert.Equal(Forward, map.TryMapToHost(address, out _));
        map.HostAddresses = Own;
        Assert.Equal(Closed, map.TryMapToHost(address, out _));
        map.HostAddresses = HostAddresses.None;
        Assert.Equal(Forward, map.TryMapToHost(address, out IpAddress host));
        Assert.Equal(address, host);
    }
}
