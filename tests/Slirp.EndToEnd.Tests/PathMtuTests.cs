using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Scenario 43: a path narrower than the guest's link. Who forbids fragments is told the MTU of the path, as on the
/// host; who does not has his datagrams carried whole.</summary>
public class PathMtuTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const int Headers4 = 20 + 8, Headers6 = 40 + 8;

    /// <summary>Family, MTU of the path, of the guest's interface, whether the host knows it before.</summary>
    public static TheoryData<AddressFamily, int, int, bool> Paths => new()
    {
        { V4, 1000, 1500, false },
        { V4, 1000, 1500, true },
        { V4, 1000, 65520, false },
        { V4, 1000, 65520, true },
        { V6, 1280, 1500, false },
        { V6, 1280, 1500, true },
        { V6, 1280, 65520, false },
        { V6, 1280, 65520, true },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Paths))]
    public Task A_datagram_that_may_not_be_fragmented_is_told_the_mtu(AddressFamily family, int pathMtu, int guestMtu, bool isKnown) =>
        WithPathAsync(pathMtu, guestMtu, isKnown, [], async (network, path) =>
        {
            await using var server = new UdpEchoServer(path, NarrowPath.Far(family));
            using Socket guest = Connected(network, new IPEndPoint(NarrowPath.Far(family), server.Port));
            PathMtu.Forbid(guest);
            int headers = family == V4 ? Headers4 : Headers6;
            await guest.SendAsync(new byte[1400]); // on its way already when its error comes
            SocketException told = await Assert.ThrowsAsync<SocketException>(() => guest.ReceiveAsync(new byte[1]).WithinAsync("the error"));
            Assert.Equal((SocketError.MessageSize, pathMtu), (told.SocketErrorCode, PathMtu.Of(guest)));
            await EchoesAsync(guest, pathMtu - headers);
            Assert.Equal(SocketError.MessageSize, Assert.Throws<SocketException>(() => guest.Send(new byte[pathMtu - headers + 1])).SocketErrorCode);
            Assert.Equal(SocketError.MessageSize, Assert.Throws<SocketException>(() => guest.Send(new byte[1400])).SocketErrorCode);
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Paths))]
    public Task A_datagram_that_may_be_fragmented_arrives_whole(AddressFamily family, int pathMtu, int guestMtu, bool isKnown) =>
        WithPathAsync(pathMtu, guestMtu, isKnown, [], async (network, path) =>
        {
            await using var server = new UdpEchoServer(path, NarrowPath.Far(family));
            using Socket guest = Connected(network, new IPEndPoint(NarrowPath.Far(family), server.Port));
            PathMtu.Allow(guest);
            if (family == V6)
            {
                // In IPv6 only senders fragment: the first datagram is lost to the discovery, as it is on any host.
                await guest.SendAsync(new byte[1400]);
                await PathMtu.IsAsync(guest, pathMtu);
            }

            foreach (int size in new[] { 1, 972, 973, 1400, 1472, 1473, 9000, 65507, 0 }) await EchoesAsync(guest, size);
        });

    /// <summary>The answers of a server in the guest to a client at the end of the path. Nobody tells slirpnet the MTU of a
    /// client's path, so the guest feels its way down.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(1500)]
    [InlineData(65520)]
    public Task An_answer_through_a_forward_finds_its_way_down(int guestMtu) =>
        WithPathAsync(1000, guestMtu, isKnown: false, ["-p", "8053:53/udp"], async (network, path) =>
        {
            using Socket server = ForwardPlan.GuestDatagrams(network, 53);
            using Socket client = path.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
            await client.SendToAsync(new byte[1], new IPEndPoint(IPAddress.Parse(Uplink.First4), 8053));
            (_, IPEndPoint asker) = await ForwardPlan.ReceiveAsync(server);
            server.Connect(asker);
            PathMtu.Forbid(server);
            for (int size = Math.Min(guestMtu, 1500) - Headers4; ; size = PathMtu.Of(server) - Headers4)
            {
                byte[] answer = Payload.Octets(size, size);
                Task<(byte[] Octets, IPEndPoint)> arriving = ForwardPlan.ReceiveAsync(client);
                int before = PathMtu.Of(server);
                while (!arriving.IsCompleted && PathMtu.Of(server) == before)
                {
                    try
                    {
                        await server.SendAsync(answer);
                        await Task.Delay(10);
                    }
                    catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
                    {
                        // told meanwhile: shorter then
                    }
                }

                if (!arriving.IsCompleted) continue;
                Assert.Equal(answer, (await arriving).Octets);
                Assert.InRange(size + Headers4, 400, 1000);
                return;
            }
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Paths))]
    public Task Connections_carry_every_octet_both_ways(AddressFamily family, int pathMtu, int guestMtu, bool isKnown) =>
        WithPathAsync(pathMtu, guestMtu, isKnown, ["-p", "8080:80"], async (network, path) =>
        {
            var far = new IPEndPoint(NarrowPath.Far(family), 0);
            await Transfer.BothAtOnceAsync(network.Guest, path, far, 4 << 20);
            await Transfer.BothAtOnceAsync(path, network.Guest, new IPEndPoint(IPAddress.Any, 80), 4 << 20,
                new IPEndPoint(IPAddress.Parse(Uplink.First(family)), 8080));
        });

    /// <summary>What ping says on a host, it says in the guest.</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "ping")]
    [InlineData(V4, 1000, "-M do -s 1400", false, "(mtu = 1000)")]
    [InlineData(V4, 1000, "-M do -s 972", true, "980 bytes from")]
    [InlineData(V4, 1000, "-M dont -s 1400", true, "1408 bytes from")]
    [InlineData(V6, 1280, "-M do -s 1400", false, "Packet too big: mtu=1280")]
    [InlineData(V6, 1280, "-M do -s 1232", true, "1240 bytes from")]
    [InlineData(V4, 1000, "-t 1", false, "From 10.0.2.2 icmp_seq=1 Time to live exceeded")]
    [InlineData(V4, 1000, "-t 2", false, "From 192.0.2.9 icmp_seq=1 Time to live exceeded")]
    [InlineData(V4, 1000, "-t 3", true, "64 bytes from 198.51.100.9")]
    [InlineData(V6, 1280, "-t 1", false, "From fd00::2 icmp_seq=1 Time exceeded: Hop limit")]
    [InlineData(V6, 1280, "-t 2", false, "From 2001:db8:5::9 icmp_seq=1 Time exceeded: Hop limit")]
    [InlineData(V6, 1280, "-t 3", true, "64 bytes from 2001:db8:6::9")]
    public Task Ping_is_told_what_routers_say(AddressFamily family, int pathMtu, string options, bool isAnswered, string said) =>
        WithPathAsync(pathMtu, 1500, isKnown: false, [], async (network, _) =>
        {
            Outcome ping = await network.Guest.RunAsync(["ping", "-n", "-c", "1", "-W", "50", .. options.Split(' '), $"{NarrowPath.Far(family)}"]);
            Assert.Contains(said, ping.Stdout + ping.Stderr, StringComparison.Ordinal);
            Assert.Equal(isAnswered ? 0 : 1, ping.Status);
        });

    private static Task WithPathAsync(int pathMtu, int guestMtu, bool isKnown, string[] options, Func<GuestNetwork, NarrowPath, Task> test)
    {
        NarrowPath? path = null;
        return OutboundAddressTests.WithUplinkAsync(options, async (network, _) =>
        {
            await using NarrowPath narrow = path!;
            await test(network, narrow);
        }, before: async uplink => path = await NarrowPath.CreateAsync(uplink, pathMtu, isKnown), mtu: guestMtu);
    }

    private static Socket Connected(GuestNetwork network, IPEndPoint server)
    {
        Socket socket = network.Guest.CreateSocket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Connect(server);
        return socket;
    }

    private static async Task EchoesAsync(Socket guest, int size)
    {
        byte[] sent = Payload.Octets(size, size), got = new byte[65536];
        await guest.SendAsync(sent);
        int length = await guest.ReceiveAsync(got).WithinAsync($"the echo of {size} octets");
        Assert.Equal(Convert.ToHexString(sent), Convert.ToHexString(got, 0, length));
    }
}
