using Slirp.Linux.Sockets;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Sockets;

public class StreamTests
{
    public static TheoryData<bool> Families => [false, true];

    [Theory]
    [MemberData(nameof(Families))]
    public void Octets_go_both_ways_and_the_end_is_seen(bool ipv6)
    {
        var (client, server) = Pair(ipv6);
        using OwnedFd c = client, s = server;
        Assert.Equal(5, Socket.Send(c.AsSocket, [1, 2], [3, 4, 5]).Raw);
        Wait.For(s.AsSocket);
        byte[] first = new byte[3], second = new byte[10];
        Assert.Equal(2, Socket.Receive(s.AsSocket, first.AsSpan(0, 2), MessageFlags.MSG_PEEK).Raw);
        Assert.Equal(5, Socket.Receive(s.AsSocket, first, second).Raw);
        Assert.Equal([1, 2, 3, 4, 5], [.. first, .. second[..2]]);
        Assert.Equal(Errno.EAGAIN, Socket.Receive(s.AsSocket, first).Errno);
        Assert.True(Socket.Shutdown(c.AsSocket, ShutdownHow.SHUT_WR).IsOk);
        Wait.For(s.AsSocket);
        Assert.Equal(new SysResult(0), Socket.Receive(s.AsSocket, first));
        Assert.Equal(1, Socket.Send(s.AsSocket, [9]).Raw);
        Wait.For(c.AsSocket);
        Assert.Equal(1, Socket.Receive(c.AsSocket, first).Raw);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Both_ends_agree_on_their_addresses(bool ipv6)
    {
        using OwnedFd listener = Listener(ipv6, out SocketAddress at);
        using OwnedFd client = Socket.Open(at.Family, SocketType.SOCK_STREAM, SocketProtocol.IPPROTO_TCP).OwnedOrThrow("socket", "client");
        _ = Socket.Connect(client.AsSocket, at);
        Wait.For(listener.AsSocket);
        using OwnedFd server = Socket.Accept(listener.AsSocket, out SocketAddress peer).OwnedOrThrow("accept", "listener");
        Assert.True(Socket.LocalAddress(client.AsSocket, out SocketAddress local).IsOk);
        Assert.True(Socket.PeerAddress(client.AsSocket, out SocketAddress remote).IsOk);
        Assert.Equal((local, at), (peer, remote));
        Assert.Equal(ipv6, !peer.IsIpv4);
        Assert.Equal(Errno.EAGAIN, Socket.Accept(listener.AsSocket, out _).Errno);
    }

    [Fact]
    public void A_dual_stack_listener_tells_an_ipv4_peer_in_mapped_form()
    {
        using OwnedFd listener = Socket.Open(SocketFamily.AF_INET6, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "listener");
        Assert.True(SocketOptions.Set(listener.AsSocket, Ipv6Option.IPV6_V6ONLY, 0).IsOk);
        Assert.True(Socket.Bind(listener.AsSocket, SocketAddress.Ipv6Any(0)).IsOk);
        Assert.True(Socket.Listen(listener.AsSocket, 1).IsOk);
        Assert.True(Socket.LocalAddress(listener.AsSocket, out SocketAddress at).IsOk);
        using OwnedFd client = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "client");
        _ = Socket.Connect(client.AsSocket, SocketAddress.Ipv4Loopback(at.Port));
        Wait.For(listener.AsSocket);
        using OwnedFd server = Socket.Accept(listener.AsSocket, out SocketAddress peer).OwnedOrThrow("accept", "listener");
        Assert.True(peer.IsIpv4);
        Assert.Equal(0x7f000001u, peer.Ipv4Value);
    }

    [Fact]
    public void A_refused_connection_is_told_once_by_SO_ERROR()
    {
        using OwnedFd listener = Listener(ipv6: false, out SocketAddress at);
        listener.Dispose();
        using OwnedFd client = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "client");
        SysResult connecting = Socket.Connect(client.AsSocket, at);
        Assert.Contains(connecting.Errno, new[] { Errno.EINPROGRESS, Errno.ECONNREFUSED });
        Wait.For(client.AsSocket, PollEvents.POLLOUT);
        if (connecting.Is(Errno.EINPROGRESS)) Assert.Equal(Errno.ECONNREFUSED, SocketOptions.TakeError(client.AsSocket));
        Assert.Equal(Errno.None, SocketOptions.TakeError(client.AsSocket));
    }

    [Fact]
    public void Closing_with_a_reset_is_a_reset_at_the_other_end_and_then_a_broken_pipe_without_a_signal()
    {
        var (client, server) = Pair(ipv6: false);
        using OwnedFd s = server;
        Assert.True(SocketOptions.SetResetOnClose(client.AsSocket).IsOk);
        client.Dispose();
        Wait.For(s.AsSocket);
        Assert.Equal(Errno.ECONNRESET, Socket.Receive(s.AsSocket, new byte[1]).Errno);
        Assert.Equal(Errno.EPIPE, Socket.Send(s.AsSocket, [1]).Errno);
    }

    [Fact]
    public void An_address_in_use_is_told()
    {
        using OwnedFd listener = Listener(ipv6: false, out SocketAddress at);
        using OwnedFd other = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "other");
        Assert.Equal(Errno.EADDRINUSE, Socket.Bind(other.AsSocket, at).Errno);
    }

    [Fact]
    public void Options_are_read_as_they_were_set()
    {
        using OwnedFd socket = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "tcp");
        Assert.True(SocketOptions.Set(socket.AsSocket, TcpOption.TCP_NODELAY, 1).IsOk);
        Assert.True(SocketOptions.Get(socket.AsSocket, TcpOption.TCP_NODELAY, out int noDelay).IsOk);
        Assert.True(SocketOptions.Set(socket.AsSocket, SocketOption.SO_RCVBUF, 100_000).IsOk);
        Assert.True(SocketOptions.Get(socket.AsSocket, SocketOption.SO_RCVBUF, out int buffer).IsOk);
        Assert.True(SocketOptions.SetHopLimit(socket.AsSocket, ipv6: false, 7).IsOk);
        Assert.True(SocketOptions.Get(socket.AsSocket, IpOption.IP_TTL, out int ttl).IsOk);
        Assert.True(SocketOptions.Get(socket.AsSocket, SocketOption.SO_PROTOCOL, out int protocol).IsOk);
        Assert.Equal((1, 200_000, 7, (int)SocketProtocol.IPPROTO_TCP), (noDelay, buffer, ttl, protocol)); // the kernel doubles buffers
        Assert.Equal(Errno.EINVAL, SocketOptions.SetHopLimit(socket.AsSocket, ipv6: false, 256).Errno);
        Assert.Equal(Errno.ENODEV, SocketOptions.BindToDevice(socket.AsSocket, "nosuchlink").Errno);
    }

    [Fact]
    public void A_descriptor_that_is_not_open_is_EBADF_everywhere()
    {
        var none = new SocketFd(999_999);
        Assert.Equal(Errno.EBADF, Socket.Send(none, [1]).Errno);
        Assert.Equal(Errno.EBADF, Socket.Receive(none, new byte[1]).Errno);
        Assert.Equal(Errno.EBADF, Socket.SendMessage(none, [1], default).Errno);
        Assert.Equal(Errno.EBADF, Socket.ReceiveMessage(none, new byte[1], default, out _).Errno);
        Assert.Equal(Errno.EBADF, Socket.Accept(none, out _).Errno);
        Assert.Equal(Errno.EBADF, Socket.LocalAddress(none, out _).Errno);
        Assert.Equal(Errno.EBADF, SocketOptions.TakeError(none));
    }

    internal static OwnedFd Listener(bool ipv6, out SocketAddress at)
    {
        SocketAddress any = ipv6 ? SocketAddress.Ipv6Loopback(0) : SocketAddress.Ipv4Loopback(0);
        OwnedFd listener = Socket.Open(any.Family, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "listener");
        Assert.True(Socket.Bind(listener.AsSocket, any).IsOk);
        Assert.True(Socket.Listen(listener.AsSocket, 8).IsOk);
        Assert.True(Socket.LocalAddress(listener.AsSocket, out at).IsOk);
        return listener;
    }

    internal static (OwnedFd Client, OwnedFd Server) Pair(bool ipv6)
    {
        using OwnedFd listener = Listener(ipv6, out SocketAddress at);
        OwnedFd client = Socket.Open(at.Family, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "client");
        _ = Socket.Connect(client.AsSocket, at);
        Wait.For(listener.AsSocket);
        OwnedFd server = Socket.Accept(listener.AsSocket, out _).OwnedOrThrow("accept", "listener");
        Wait.For(client.AsSocket, PollEvents.POLLOUT);
        return (client, server);
    }
}
