using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Xunit;
using IPAddress = System.Net.IPAddress;

namespace Slirp.Linux.Tests.Sockets;

public class SocketAddressTests
{
    [Theory]
    [InlineData("::ffff:10.0.2.100", 80, 0u, "10.0.2.100:80")]
    [InlineData("::ffff:255.255.255.255", 65535, 0u, "255.255.255.255:65535")]
    [InlineData("::1", 53, 0u, "[::1]:53")]
    [InlineData("fd00::2", 0, 0u, "[fd00::2]:0")]
    [InlineData("fe80::2", 1, 3u, "[fe80::2%3]:1")]
    public void Octets_come_back_and_text_is_the_usual_one(string address, int port, uint scope, string text)
    {
        byte[] octets = IPAddress.Parse(address).GetAddressBytes();
        SocketAddress one = SocketAddress.FromOctets(octets, (ushort)port, scope);
        byte[] back = new byte[16];
        one.WriteOctets(back);
        Assert.Equal(octets, back);
        Assert.Equal(text, one.ToString());
        Assert.Equal(address.StartsWith("::ffff:", StringComparison.Ordinal), one.IsIpv4);
    }

    [Fact]
    public void Addresses_without_a_port_convert()
    {
        NetAddress four = NetAddress.Ipv4(0x0a000264), six = new(0xfe80_0000_0000_0000, 1);
        Assert.Equal(SocketAddress.Ipv4(0x0a000264, 7), four.WithPort(7));
        Assert.Equal(("10.0.2.100", "fe80::1"), (four.ToString(), six.ToString()));
        Assert.Equal((false, true), (four.IsLinkLocal, six.IsLinkLocal));
        Assert.True(NetAddress.Ipv4(0xa9fe0101).IsLinkLocal);
    }
}
