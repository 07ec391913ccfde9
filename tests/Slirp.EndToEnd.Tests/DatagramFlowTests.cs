using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Datagrams as others see them: their sizes, their ports, and how many sockets they cost.</summary>
public class DatagramFlowTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const int LongestPayload = 65_507;

    /// <summary>Outbound and through a forward, both ways each. Every small size, those around the ends of packets and
    /// fragments, and a sample of the others.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(576)]
    [InlineData(1280)]
    [InlineData(1500)]
    [InlineData(9000)]
    [InlineData(65520)]
    [InlineData(65521)]
    public Task Every_size_passes_at_every_mtu(int mtu) =>
        GuestNetwork.WithAsync(ForwardPlan.With() with { Mtu = mtu, Ipv6 = mtu >= 1280, Api = true, Capture = false }, async network =>
        {
            foreach (AddressFamily family in mtu >= 1280 ? new[] { V4, V6 } : [V4])
            {
                await using var outside = new UdpEchoServer(network.Host, GuestNetwork.Loopback(family));
                using Socket guest = Datagrams.Connect(network, family, outside.Port);
                await Datagrams.EchoAsync(guest, Sizes(family, mtu));

                await using var inside = new UdpEchoServer(network.Guest, family == V4 ? IPAddress.Any : IPAddress.IPv6Any);
                string guestAddress = family == V4 ? ForwardPlan.Guest : await ForwardPlan.GuestAddress6Async(network);
                string any = family == V4 ? "0.0.0.0" : "::";
                Assert.StartsWith("{\"return\"", await network.Api.AskAsync(
                    $$$"""{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"{{{any}}}","host_port":8053,"guest_addr":"{{{guestAddress}}}","guest_port":{{{inside.Port}}}}}"""),
                    StringComparison.Ordinal);
                using Socket client = ForwardPlan.From(network, family == V4 ? ForwardPlan.Outside : ForwardPlan.Outside6, SocketType.Dgram);
                client.Connect(IPAddress.Parse(family == V4 ? ForwardPlan.Hit : ForwardPlan.Hit6), 8053);
                await Datagrams.EchoAsync(client, Sizes(family, mtu));
            }
        });

    /// <summary>RFC 4787 REQ-1 and REQ-8: all servers see one port, and whoever knows it may speak to the guest.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task All_servers_see_one_port_and_strangers_may_use_it(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            IPAddress other = IPAddress.Parse(family == V4 ? "192.0.2.10" : "2001:db8:5::a");
            await uplink.FarAsync($"address add {other}/{(family == V4 ? "24" : "64")} dev far0{(family == V4 ? "" : " nodad")}");
            await using var first = new Witness(uplink, Uplink.Far(family));
            await using var second = new Witness(uplink, Uplink.Far(family));
            await using var third = new Witness(uplink, other);
            using Socket guest = OutboundAddressTests.Unconnected(network, family);
            IPEndPoint seen = await Witness.HeardFromAsync(guest, new IPEndPoint(Uplink.Far(family), first.Port));
            Assert.Equal(seen, await Witness.HeardFromAsync(guest, new IPEndPoint(Uplink.Far(family), second.Port)));
            Assert.Equal(seen, await Witness.HeardFromAsync(guest, new IPEndPoint(other, third.Port)));

            using Socket stranger = uplink.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            stranger.Bind(new IPEndPoint(other, 0));
            await stranger.SendToAsync("hello"u8.ToArray(), seen);
            (byte[] octets, IPEndPoint source) = await ForwardPlan.ReceiveAsync(guest);
            Assert.Equal("hello"u8.ToArray(), octets);
            Assert.Equal(stranger.LocalEndPoint, source);

            using Socket neighbour = OutboundAddressTests.Unconnected(network, family);
            Assert.NotEqual(seen, await Witness.HeardFromAsync(neighbour, new IPEndPoint(Uplink.Far(family), first.Port)));
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task One_socket_speaks_to_a_thousand_servers() =>
        GuestNetwork.WithAsync(new SlirpPlan
        {
            OwnHost = true,
            Api = true,
            Before = network => network.HostRunsAsync("ip route add local 203.0.113.0/24 dev lo"),
        }, async network =>
        {
            const int Ports = 4, Addresses = 250;
            var servers = new List<UdpEchoServer>();
            for (int i = 0; i < Ports; i++) servers.Add(new UdpEchoServer(network.Host, IPAddress.Any));
            using Socket guest = OutboundAddressTests.Unconnected(network, V4);
            int before = network.Figures.Descriptors();
            for (int i = 0; i < Ports * Addresses; i++)
            {
                var server = new IPEndPoint(IPAddress.Parse($"203.0.113.{i / Ports + 1}"), servers[i % Ports].Port);
                await guest.SendToAsync(BitConverter.GetBytes(i), server);
                // The echo, which is bound to all addresses, answers from the host's first.
                (byte[] octets, _) = await ForwardPlan.ReceiveAsync(guest);
                Assert.Equal(BitConverter.GetBytes(i), octets);
            }

            Assert.Equal(before + 1, network.Figures.Descriptors());
            Assert.Equal(1, (await SlirpStatus.AskAsync(network.Api)).UdpMappings);
            foreach (UdpEchoServer server in servers) await server.DisposeAsync();
        });

    private static SortedSet<int> Sizes(AddressFamily family, int mtu)
    {
        var sizes = new SortedSet<int>(Enumerable.Range(0, 100));
        int headers = family == V4 ? 20 : 40, fragmentHeaders = family == V4 ? 20 : 48;
        int largestFragment = mtu - fragmentHeaders & ~7;
        for (int around = -9; around <= 9; around++)
        {
            sizes.Add(mtu - headers - 8 + around);
            for (int fragments = 1; fragments <= 3; fragments++) sizes.Add(fragments * largestFragment - 8 + around);
            foreach (int power in (int[])[512, 4096, 16_384, 32_768]) sizes.Add(power + around);
        }

        for (int size = 100; size < LongestPayload; size += 211) sizes.Add(size);
        sizes.Add(LongestPayload);
        sizes.RemoveWhere(size => size is < 0 or > LongestPayload);
        return sizes;
    }
}
