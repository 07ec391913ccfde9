using System.Globalization;
using Slirp.Core.Network;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Network;

public class HostAddressesTests
{
    [Theory]
    [InlineData("192.0.2.1/32", "192.0.2.1", true)]
    [InlineData("192.0.2.1/32", "192.0.2.2", false)]
    [InlineData("192.0.2.0/25", "192.0.2.127", true)]
    [InlineData("192.0.2.0/25", "192.0.2.128", false)]
    [InlineData("0.0.0.0/0", "203.0.113.9", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("2001:db8::1/128", "2001:db8::1", true)]
    [InlineData("2001:db8::1/128", "2001:db8::2", false)]
    [InlineData("2001:db8:8000::/33", "2001:db8:ffff::1", true)]
    [InlineData("2001:db8:8000::/33", "2001:db8:7fff::1", false)]
    [InlineData("2001:db8::/64", "2001:db8::ffff:0:0:1", true)]
    [InlineData("2001:db8::/64", "2001:db8:0:1::1", false)]
    [InlineData("2001:db8:0:0:8000::/65", "2001:db8::9000:0:0:1", true)]
    [InlineData("2001:db8:0:0:8000::/65", "2001:db8::7000:0:0:1", false)]
    [InlineData("::/0", "2001:db8::1", true)]
    [InlineData("::/0", "192.0.2.1", false)]
    public void A_prefix_holds_what_begins_like_it(string prefix, string address, bool isHeld)
    {
        Assert.Equal(isHeld, Of(prefix).Contains(IpAddress.Parse(address)));
    }

    [Theory]
    [InlineData("192.0.2.1", false, "it is there")]
    [InlineData("192.0.2.2", true, "it is not")]
    [InlineData("2001:db8::1", true, "nor this")]
    [InlineData("0.0.0.0", false, "bound to none")]
    [InlineData("::", false, "bound to none")]
    [InlineData("127.0.0.1", false, "loopback does not go away")]
    [InlineData("::1", false, "loopback does not go away")]
    public void What_a_socket_speaks_from_is_lost_if_it_is_an_address_that_is_not_there(string local, bool isLost, string why)
    {
        Assert.True(isLost == Of("192.0.2.1/32").HasLost(IpAddress.Parse(local)), why);
    }

    [Fact]
    public void Order_and_repetition_make_no_difference_and_anything_missing_does()
    {
        HostAddresses all = Of("192.0.2.1/32", "127.0.0.0/8", "2001:db8::1/128");
        Assert.True(all.IsSameAs(Of("2001:db8::1/128", "127.0.0.0/8", "192.0.2.1/32", "127.0.0.0/8", "192.0.2.1/32")));
        foreach (string[] fewer in (string[][])[["192.0.2.1/32", "127.0.0.0/8"], ["192.0.2.1/32", "2001:db8::1/128"], []])
        {
            Assert.False(all.IsSameAs(Of(fewer)));
            Assert.False(Of(fewer).IsSameAs(all));
            Assert.True(all.HasAllOf(Of(fewer)));
            Assert.False(Of(fewer).HasAllOf(all));
        }
    }

    internal static HostAddresses Of(params string[] prefixes)
    {
        var list = new List<HostPrefix>();
        foreach (string prefix in prefixes)
        {
            string[] parts = prefix.Split('/');
            list.Add(new HostPrefix(IpAddress.Parse(parts[0]), int.Parse(parts[1], CultureInfo.InvariantCulture)));
        }
        return new HostAddresses(list);
    }
}
