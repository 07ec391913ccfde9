using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>What the guest says by ICMP about connections: that it routes for others over a narrower link, and that it does not
/// want one from outside.</summary>
public class GuestErrorTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const int Length = 500_000;

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4, 1500, 1300)]
    [InlineData(V4, 65520, 700)]
    [InlineData(V6, 1500, 1300)]
    [InlineData(V6, 65520, 1280)]
    public Task Who_is_behind_a_guest_that_routes_over_a_narrower_link_receives_all(AddressFamily family, int mtu, int narrow) =>
        GuestNetwork.WithAsync(new SlirpPlan { Mtu = mtu, OwnHost = true }, async network =>
        {
            await using TestNamespace behind = await BehindAsync(network, mtu, narrow);
            string sent = "";
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket => sent = await Payload.SendAsync(socket, 7, Length));
            using Socket client = behind.CreateSocket(family, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(GuestNetwork.Gateway(family), server.Port).WithinAsync("a connect from behind the guest");
            (long length, string hash) = await Payload.ReceiveAsync(client);
            await server.FinishedAsync();
            Assert.Equal((Length, sent), (length, hash));
        });

    /// <summary>What does not pass is lost, as on any path; by the time that what was sent after it has arrived, it is known why.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4, 1500, 1400, 1452)]
    [InlineData(V6, 1500, 1400, 1452)]
    [InlineData(V6, 1500, 1280, 4000)]
    [InlineData(V6, 65520, 1400, 20_000)]
    public Task Datagrams_to_who_is_behind_it_come_in_fragments(AddressFamily family, int mtu, int narrow, int length) =>
        GuestNetwork.WithAsync(new SlirpPlan { Mtu = mtu, OwnHost = true }, async network =>
        {
            await using TestNamespace behind = await BehindAsync(network, mtu, narrow);
            using Socket server = network.Host.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            server.Bind(new IPEndPoint(GuestNetwork.Loopback(family), 0));
            using Socket client = behind.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            var asSeen = new IPEndPoint(GuestNetwork.Gateway(family), ((IPEndPoint)server.LocalEndPoint!).Port);
            await client.SendToAsync(new byte[1], asSeen);
            EndPoint mapping = (await server.ReceiveFromAsync(new byte[9], server.LocalEndPoint!).WithinAsync("a question")).RemoteEndPoint;
            if (family == V6)
            {
                await server.SendToAsync(new byte[length], mapping);
                // From another port, or both would go on as one train, and be lost as one.
                using Socket other = network.Host.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
                await other.SendToAsync(new byte[1], mapping);
                Assert.Equal(1, await client.ReceiveAsync(new byte[length]).WithinAsync("what is small"));
                await client.SendToAsync(new byte[1], asSeen);
                await server.ReceiveAsync(new byte[9]).WithinAsync("another question");
            }
            await server.SendToAsync(new byte[length], mapping);
            Assert.Equal(length, await client.ReceiveAsync(new byte[length]).WithinAsync("what is large"));
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "nft")]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public Task A_port_that_the_guest_rejects_by_ICMP_is_reset_outside(string address) =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80"), async network =>
        {
            await network.GuestRunsAsync(
                "nft add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in tcp dport 80 reject");
            // The reset may be there before the connect has looked at its outcome.
            var reset = await Assert.ThrowsAsync<SocketException>(async () =>
            {
                using Socket client = await ForwardPlan.ConnectAsync(network, address, address, 8080);
                await client.ReceiveAsync(new byte[1]).WithinAsync("the reset");
            });
            Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
        });

    /// <summary>A network behind the guest's second interface. The link is narrower on the guest's side alone, so the one
    /// behind it announces segments that do not pass.</summary>
    private static async Task<TestNamespace> BehindAsync(GuestNetwork network, int mtu, int narrow)
    {
        TestNamespace behind = await TestNamespace.CreateAsync(asUser: false);
        try
        {
            await network.GuestRunsAsync("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
            await network.GuestRunsAsync($"ip link add narrow0 mtu {narrow} type veth peer name wide0 mtu {mtu} netns {behind.Pid}");
            await network.GuestRunsAsync("ip address add 10.77.0.1/24 dev narrow0");
            await network.GuestRunsAsync("ip link set narrow0 up");
            await RunAsync("ip link set wide0 up");
            await RunAsync("ip address add 10.77.0.2/24 dev wide0");
            await RunAsync("ip route add default via 10.77.0.1");
            if (narrow < 1280) return behind;
            await network.GuestRunsAsync("ip address add fd77::1/64 dev narrow0 nodad");
            await RunAsync("ip address add fd77::2/64 dev wide0 nodad");
            await RunAsync("ip -6 route add default via fd77::1");
            return behind;
        }
        catch
        {
            await behind.DisposeAsync();
            throw;
        }

        async Task RunAsync(string command) => (await behind.RunAsync(command.Split(' '))).Succeeded();
    }
}
