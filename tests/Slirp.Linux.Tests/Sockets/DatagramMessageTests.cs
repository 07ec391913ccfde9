using Slirp.Linux.Sockets;
using Slirp.Linux.Tests.Support;
using Slirp.Testing;
using Xunit;

namespace Slirp.Linux.Tests.Sockets;

public class DatagramMessageTests
{
    public static TheoryData<bool> Families => [false, true];

    [Fact]
    public void A_wildcard_socket_learns_the_address_a_datagram_was_sent_to_and_answers_from_it()
    {
        using OwnedFd server = Bound(SocketAddress.Ipv4Any(0), out SocketAddress bound);
        using OwnedFd client = Bound(SocketAddress.Ipv4Any(0), out _);
        Assert.True(SocketOptions.SetReceivePacketInfo(server.AsSocket, ipv6: false, on: true).IsOk);
        SocketAddress alias = SocketAddress.Ipv4(0x7f000a0b, bound.Port);
        Assert.Equal(3, Socket.SendMessage(client.AsSocket, alias, [1, 2, 3], default).Raw);
        byte[] buffer = new byte[16];
        Wait.For(server.AsSocket);
        Assert.Equal(3, Socket.ReceiveMessage(server.AsSocket, buffer, default, out ReceivedMessage received).Raw);
        Assert.Equal((true, alias with { Port = 0 }, 1u), (received.HasLocalAddress, received.LocalAddress, received.InterfaceIndex));
        SysResult sent = Socket.SendMessage(server.AsSocket, received.Source, [4], new SendControls { Source = received.LocalAddress });
        Assert.Equal(1, sent.Raw);
        Wait.For(client.AsSocket);
        Assert.Equal(1, Socket.ReceiveMessage(client.AsSocket, buffer, default, out ReceivedMessage answer).Raw);
        Assert.Equal(alias, answer.Source);
        Assert.Equal(Errno.EAGAIN, Socket.Receive(client.AsSocket, buffer).Errno);
    }

    [Fact]
    public void A_dual_stack_socket_answers_an_ipv4_guest_from_the_address_it_asked()
    {
        using OwnedFd server = Socket.Open(SocketFamily.AF_INET6, SocketType.SOCK_DGRAM).OwnedOrThrow("socket", "server");
        Assert.True(SocketOptions.Set(server.AsSocket, Ipv6Option.IPV6_V6ONLY, 0).IsOk);
        Assert.True(Socket.Bind(server.AsSocket, SocketAddress.Ipv6Any(0)).IsOk);
        Assert.True(Socket.LocalAddress(server.AsSocket, out SocketAddress bound).IsOk);
        Assert.True(SocketOptions.SetReceivePacketInfo(server.AsSocket, ipv6: true, on: true).IsOk);
        using OwnedFd client = Bound(SocketAddress.Ipv4Loopback(0), out SocketAddress own);
        SocketAddress alias = SocketAddress.Ipv4(0x7f000a0c, bound.Port);
        Assert.Equal(1, Socket.SendMessage(client.AsSocket, alias, [1], default).Raw);
        byte[] buffer = new byte[16];
        Wait.For(server.AsSocket);
        Assert.Equal(1, Socket.ReceiveMessage(server.AsSocket, buffer, default, out ReceivedMessage received).Raw);
        Assert.Equal((own, alias with { Port = 0 }), (received.Source, received.LocalAddress));
        Assert.Equal(1, Socket.SendMessage(server.AsSocket, received.Source, [2], new SendControls { Source = received.LocalAddress }).Raw);
        Wait.For(client.AsSocket);
        _ = Socket.ReceiveMessage(client.AsSocket, buffer, default, out ReceivedMessage answer);
        Assert.Equal(alias, answer.Source);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Traffic_class_and_hop_limit_arrive_as_they_were_sent(bool ipv6)
    {
        using OwnedFd server = Bound(Loopback(ipv6), out SocketAddress at);
        using OwnedFd client = Bound(Loopback(ipv6), out _);
        if (ipv6)
        {
            Assert.True(SocketOptions.Set(server.AsSocket, Ipv6Option.IPV6_RECVTCLASS, 1).IsOk);
            Assert.True(SocketOptions.Set(server.AsSocket, Ipv6Option.IPV6_RECVHOPLIMIT, 1).IsOk);
        }
        else
        {
            Assert.True(SocketOptions.Set(server.AsSocket, IpOption.IP_RECVTOS, 1).IsOk);
            Assert.True(SocketOptions.Set(server.AsSocket, IpOption.IP_RECVTTL, 1).IsOk);
        }
        Assert.True(Socket.SendMessage(client.AsSocket, at, [1], [2], new SendControls { TrafficClass = 0xb9, HopLimit = 33 }).IsOk);
        Wait.For(server.AsSocket);
        Assert.Equal(2, Socket.ReceiveMessage(server.AsSocket, new byte[8], default, out ReceivedMessage message).Raw);
        Assert.Equal((0xb9, 33, false), (message.TrafficClass, message.HopLimit, message.HasLocalAddress));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_train_of_datagrams_leaves_in_one_call_and_arrives_in_one(bool ipv6)
    {
        using OwnedFd server = Bound(Loopback(ipv6), out SocketAddress at);
        using OwnedFd client = Bound(Loopback(ipv6), out _);
        Assert.True(SocketOptions.Set(server.AsSocket, UdpOption.UDP_GRO, 1).IsOk);
        byte[] payload = new byte[3500];
        Random.Shared.NextBytes(payload);
        Assert.True(Socket.Connect(client.AsSocket, at).IsOk);
        Assert.Equal(3500, Socket.SendMessage(client.AsSocket, payload, new SendControls { SegmentSize = 1000, IsIpv6 = ipv6 }).Raw);
        var buffer = new byte[65536];
        int total = 0;
        while (total < payload.Length)
        {
            Wait.For(server.AsSocket);
            SysResult received = Socket.ReceiveMessage(server.AsSocket, buffer.AsSpan(total), default, out ReceivedMessage message);
            Assert.True(message.SegmentSize is 0 or 1000);
            Assert.True(message.SegmentSize == 1000 || received.Raw <= 1000);
            total += received.Raw;
        }
        Assert.Equal(payload, buffer[..total]);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_port_where_nobody_listens_comes_back_through_the_error_queue(bool ipv6)
    {
        using (Bound(Loopback(ipv6), out SocketAddress closed))
        using (OwnedFd client = Bound(Loopback(ipv6), out _))
        {
            using OwnedFd reserved = Bound(Loopback(ipv6), out closed);
            reserved.Dispose();
            Assert.True(SocketOptions.SetReceiveErrors(client.AsSocket, ipv6, on: true).IsOk);
            Assert.Equal(3, Socket.SendMessage(client.AsSocket, closed, [7, 8, 9], default).Raw);
            Wait.For(client.AsSocket, PollEvents.None);
            byte[] buffer = new byte[16];
            SysResult received = Socket.ReceiveMessage(client.AsSocket, buffer, MessageFlags.MSG_ERRQUEUE, out ReceivedMessage message);
            Assert.Equal(3, received.Raw);
            Assert.Equal([7, 8, 9], buffer[..3]);
            Assert.Equal(closed, message.Source);
            Assert.True((message.Flags & MessageFlags.MSG_ERRQUEUE) != 0);
            ExtendedError expected = ipv6
                ? new(Errno.ECONNREFUSED, ErrorOrigin.SO_EE_ORIGIN_ICMP6, 1, 4, 0, SocketAddress.Ipv6Loopback(0), true)
                : new(Errno.ECONNREFUSED, ErrorOrigin.SO_EE_ORIGIN_ICMP, 3, 3, 0, SocketAddress.Ipv4Loopback(0), true);
            Assert.Equal(expected, message.Error);
            Assert.Equal(Errno.EAGAIN, Socket.ReceiveMessage(client.AsSocket, buffer, MessageFlags.MSG_ERRQUEUE, out _).Errno);
        }
    }

    [Fact]
    public void A_datagram_too_long_for_the_path_is_told_with_the_path_s_mtu()
    {
        using OwnedFd server = Bound(Loopback(false), out SocketAddress at);
        using OwnedFd client = Bound(Loopback(false), out _);
        Assert.True(SocketOptions.SetPathMtuDiscovery(client.AsSocket, ipv6: false, PathMtuDiscovery.IP_PMTUDISC_DO).IsOk);
        Assert.True(SocketOptions.SetReceiveErrors(client.AsSocket, ipv6: false, on: true).IsOk);
        Assert.True(Socket.Connect(client.AsSocket, at).IsOk);
        Assert.True(SocketOptions.GetPathMtu(client.AsSocket, ipv6: false, out int mtu).IsOk);
        Assert.Equal(65535, mtu); // of 65536 IPv4 can say no more
        Assert.Equal(Errno.EMSGSIZE, Socket.Send(client.AsSocket, new byte[65508]).Errno);
        Assert.Equal(65507, Socket.Send(client.AsSocket, new byte[65507]).Raw);
    }

    [Fact]
    public void A_datagram_that_does_not_fit_is_cut_and_marked_and_an_empty_one_is_no_end()
    {
        using OwnedFd server = Bound(Loopback(false), out SocketAddress at);
        using OwnedFd client = Bound(Loopback(false), out SocketAddress own);
        Assert.True(Socket.SendMessage(client.AsSocket, at, [1, 2, 3], default).IsOk);
        Assert.True(Socket.SendMessage(client.AsSocket, at, [], default).IsOk);
        Wait.For(server.AsSocket);
        Assert.Equal(3, Socket.ReceiveMessage(server.AsSocket, new byte[2], MessageFlags.MSG_TRUNC, out ReceivedMessage cut).Raw);
        Assert.True(cut.IsTruncated);
        Wait.For(server.AsSocket);
        Assert.Equal(new SysResult(0), Socket.ReceiveMessage(server.AsSocket, new byte[2], default, out ReceivedMessage empty));
        Assert.Equal((own, false), (empty.Source, empty.IsTruncated));
    }

    [Fact]
    public void A_socket_that_was_connected_can_be_disconnected()
    {
        using OwnedFd client = Bound(Loopback(false), out _);
        using OwnedFd server = Bound(Loopback(false), out SocketAddress at);
        Assert.True(Socket.Connect(client.AsSocket, at).IsOk);
        Assert.True(Socket.PeerAddress(client.AsSocket, out SocketAddress peer).IsOk);
        Assert.Equal(at, peer);
        Assert.True(Socket.Disconnect(client.AsSocket).IsOk);
        Assert.Equal(Errno.ENOTCONN, Socket.PeerAddress(client.AsSocket, out _).Errno);
    }

    [Fact]
    public void The_frame_path_s_calls_allocate_nothing()
    {
        using OwnedFd server = Bound(Loopback(true), out SocketAddress at);
        using OwnedFd client = Bound(Loopback(true), out _);
        Assert.True(SocketOptions.SetReceivePacketInfo(server.AsSocket, ipv6: true, on: true).IsOk);
        byte[] buffer = new byte[100];
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++) Exchange(server, client, at, buffer);
        }));
    }

    private static void Exchange(OwnedFd server, OwnedFd client, SocketAddress at, byte[] buffer)
    {
        _ = Socket.SendMessage(client.AsSocket, at, buffer, new SendControls { Source = at, HopLimit = 9, TrafficClass = 4 });
        _ = Socket.ReceiveMessage(server.AsSocket, buffer, default, out ReceivedMessage message);
        _ = Socket.SendMessage(server.AsSocket, message.Source, buffer, default);
        _ = Socket.Receive(client.AsSocket, buffer);
        _ = Socket.Receive(client.AsSocket, buffer); // EAGAIN
        _ = MonotonicClock.Nanoseconds;
    }

    private static SocketAddress Loopback(bool ipv6) => ipv6 ? SocketAddress.Ipv6Loopback(0) : SocketAddress.Ipv4Loopback(0);

    private static OwnedFd Bound(SocketAddress address, out SocketAddress bound)
    {
        OwnedFd socket = Socket.Open(address.Family, SocketType.SOCK_DGRAM).OwnedOrThrow("socket", "udp");
        Assert.True(Socket.Bind(socket.AsSocket, address).IsOk);
        Assert.True(Socket.LocalAddress(socket.AsSocket, out bound).IsOk);
        return socket;
    }
}
