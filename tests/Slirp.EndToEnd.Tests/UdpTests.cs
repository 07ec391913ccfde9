using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

public class UdpTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    public static TheoryData<AddressFamily, int> Networks => TcpTests.Networks;

    [EndToEndTheory]
    [InlineData(V4, 1500)]
    [InlineData(V6, 1500)]
    [InlineData(V4, 65520)]
    public Task Datagrams_within_the_mtu_keep_their_boundaries(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu },
            network => Datagrams.EchoAsync(network, family, 1, 512, 1432));

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Networks))]
    public Task Datagrams_of_every_size_keep_their_boundaries(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu },
            network => Datagrams.EchoAsync(network, family, 0, 1, 512, 1452, 1453, 1472, 1473, 9000, 65507, 0, 1));

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Networks))]
    public Task A_burst_arrives_whole_and_in_order(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu }, async network =>
        {
            await using var server = new UdpEchoServer(network.Host, GuestNetwork.Loopback(family));
            using Socket guest = Datagrams.Connect(network, family, server.Port);
            const int Count = 100;
            var buffer = new byte[100];
            // One before all: until the gateway's neighbour entry is there, the guest's own kernel reorders.
            await guest.SendAsync(new byte[1]);
            await guest.ReceiveAsync(buffer).WithinAsync("the first datagram");
            for (int number = 0; number < Count; number++) await guest.SendAsync(new byte[] { (byte)number, 7 });
            for (int number = 0; number < Count; number++)
            {
                int length = await guest.ReceiveAsync(buffer).WithinAsync($"datagram {number} of {Count}");
                Assert.Equal((2, (byte)number), (length, buffer[0]));
            }
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task A_closed_port_is_refused(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            int port = Datagrams.FreePort(network.Host, GuestNetwork.Loopback(family));
            using Socket guest = Datagrams.Connect(network, family, port);
            await guest.SendAsync(new byte[8]);
            SocketException refused = await Assert.ThrowsAsync<SocketException>(
                () => guest.ReceiveAsync(new byte[8]).WithinAsync("the error"));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        });

    /// <summary>One guest port talks with two servers; each answer comes from the address it was asked at.</summary>
    [EndToEndTheory]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Answers_come_from_where_they_were_asked(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            await using var first = new UdpEchoServer(network.Host, GuestNetwork.Loopback(family));
            await using var second = new UdpEchoServer(network.Host, GuestNetwork.Loopback(family));
            using Socket guest = network.Guest.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            guest.Bind(new IPEndPoint(family == V4 ? IPAddress.Any : IPAddress.IPv6Any, 0));
            var buffer = new byte[16];
            foreach (int port in new[] { first.Port, second.Port, first.Port })
            {
                var server = new IPEndPoint(GuestNetwork.Gateway(family), port);
                await guest.SendToAsync(new byte[3], server).WithinAsync("send");
                SocketReceiveFromResult got = await guest.ReceiveFromAsync(buffer, server).WithinAsync("the answer");
                Assert.Equal(server, got.RemoteEndPoint);
            }
        });
}
