using Slirp.Linux.Sockets;
using Xunit;

namespace Slirp.Linux.Tests.Sockets;

public class DatagramMessageTests
{
    [Fact]
    public void Wildcard_socket_learns_the_address_a_datagram_was_sent_to_and_answers_from_it()
    {
        using OwnedFd server = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_DGRAM).OwnedOrThrow("socket", "server");
        using OwnedFd client = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_DGRAM).OwnedOrThrow("socket", "client");
        Assert.True(Socket.Bind(server.AsSocket, SocketAddress.Ipv4Any(0)).IsOk);
        Assert.True(SocketOptions.SetReceivePacketInfo(server.AsSocket, ipv6: false, on: true).IsOk);
        Assert.True(Socket.LocalAddress(server.AsSocket, out SocketAddress bound).IsOk);
        SocketAddress alias = SocketAddress.Ipv4(0x7f000a0b, bound.Port);
        Assert.Equal(3, Socket.SendMessage(client.AsSocket, alias, [1, 2, 3], default).Raw);
        byte[] buffer = new byte[16];
        Assert.Equal(3, Socket.ReceiveMessage(server.AsSocket, buffer, default, out ReceivedMessage received).Raw);
        Assert.Equal(alias with { Port = 0 }, received.LocalAddress);
        Assert.Equal(1u, received.InterfaceIndex);
        SysResult sent = Socket.SendMessage(server.AsSocket, received.Source, [4], new SendControls { Source = received.LocalAddress });
        Assert.Equal(1, sent.Raw);
        Assert.Equal(1, Socket.ReceiveMessage(client.AsSocket, buffer, default, out ReceivedMessage answer).Raw);
        Assert.Equal(alias, answer.Source);
        Assert.Equal(Errno.EAGAIN, Socket.Receive(client.AsSocket, buffer).Errno);
    }
}
