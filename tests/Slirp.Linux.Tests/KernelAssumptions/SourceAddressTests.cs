using Slirp.Linux.Sockets;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.KernelAssumptions;

/// <summary>What is taken for granted when sockets speak from an address that was asked for.</summary>
public class SourceAddressTests
{
    /// <summary>IP_BIND_ADDRESS_NO_PORT is an option of IPv4's level and works for both families: binding takes no port,
    /// and connect takes one that need only be free for its destination.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_bound_stream_socket_has_no_port_until_it_connects(bool ipv6)
    {
        SocketAddress loopback = ipv6 ? SocketAddress.Ipv6Loopback(0) : SocketAddress.Ipv4Loopback(0);
        using OwnedFd listener = Open(loopback, SocketType.SOCK_STREAM);
        Assert.True(Socket.Bind(listener.AsSocket, loopback).IsOk);
        Assert.True(Socket.Listen(listener.AsSocket, 1).IsOk);
        Assert.True(Socket.LocalAddress(listener.AsSocket, out SocketAddress target).IsOk);

        using OwnedFd client = Open(loopback, SocketType.SOCK_STREAM);
        Assert.True(SocketOptions.Set(client.AsSocket, IpOption.IP_BIND_ADDRESS_NO_PORT, 1).IsOk);
        Assert.True(Socket.Bind(client.AsSocket, loopback).IsOk);
        Assert.True(Socket.LocalAddress(client.AsSocket, out SocketAddress bound).IsOk);
        Assert.Equal(loopback, bound);
        Assert.Equal(Errno.EINPROGRESS, Socket.Connect(client.AsSocket, target).Errno);
        Assert.True(Socket.LocalAddress(client.AsSocket, out SocketAddress connected).IsOk);
        Assert.NotEqual(0, connected.Port);
    }

    /// <summary>A UDP socket that is bound to no address names none, whatever it sends and from where.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_unbound_datagram_socket_has_no_address_and_may_name_one_with_each_datagram(bool ipv6)
    {
        SocketAddress loopback = ipv6 ? SocketAddress.Ipv6Loopback(0) : SocketAddress.Ipv4Loopback(0);
        using OwnedFd receiver = Open(loopback, SocketType.SOCK_DGRAM);
        Assert.True(Socket.Bind(receiver.AsSocket, loopback).IsOk);
        Assert.True(Socket.LocalAddress(receiver.AsSocket, out SocketAddress target).IsOk);
        using OwnedFd sender = Open(loopback, SocketType.SOCK_DGRAM);
        Assert.True(Socket.Bind(sender.AsSocket, ipv6 ? SocketAddress.Ipv6Any(0) : SocketAddress.Ipv4Any(0)).IsOk);
        var controls = new SendControls { Source = loopback, IsIpv6 = ipv6 };
        Assert.Equal(1, Socket.SendMessage(sender.AsSocket, target, "x"u8, controls).Raw);
        Assert.True(Socket.LocalAddress(sender.AsSocket, out SocketAddress own).IsOk);
        Assert.True(own.IsAny);
        Wait.For(receiver.AsSocket);
        Assert.Equal(1, Socket.ReceiveMessage(receiver.AsSocket, new byte[9], MessageFlags.None, out ReceivedMessage message).Raw);
        Assert.Equal(loopback with { Port = own.Port }, message.Source);

        // An address that the host does not have is refused, rather than replaced by another.
        SocketAddress strange = ipv6 ? new SocketAddress(0x2001_0db8_ffff_0000, 1, 0) : SocketAddress.Ipv4(0xcb007109, 0);
        Assert.False(Socket.SendMessage(sender.AsSocket, target, "x"u8, controls with { Source = strange }).IsOk);
    }

    private static OwnedFd Open(SocketAddress address, SocketType type) =>
        Socket.Open(address.Family, type).OwnedOrThrow("socket", type.ToString());
}
