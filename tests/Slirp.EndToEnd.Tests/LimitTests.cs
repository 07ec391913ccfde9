using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Whoever asks for too much is shed, those who were there stay, and service returns.</summary>
public class LimitTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;

    /// <summary>An address of the host's network that never answers: a tunnel that nobody reads.</summary>
    private const string Silent = "203.0.113.5";

    private static readonly IpAddress Guest = IpAddress.Parse(ForwardPlan.Guest);

    /// <summary>Scenario 1.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Connections_beyond_the_descriptors_wait_and_the_others_live() =>
        GuestNetwork.WithAsync(Plan with { Prefix = ["prlimit", "--nofile=300:300"] }, async network =>
        {
            const int Wanted = 600, AtLeast = 200;
            // Every second, where the kernel can, and not by a back-off that comes to more than the test waits.
            await network.GuestRunsAsync("sysctl -qew net.ipv4.tcp_syn_linear_timeouts=127 net.ipv4.tcp_syn_retries=127");
            await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync);
            var sockets = new List<Socket>();
            var connects = new List<Task>();
            for (int i = 0; i < Wanted; i++)
            {
                Socket socket = network.Guest.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
                sockets.Add(socket);
                connects.Add(socket.ConnectAsync(GuestNetwork.Gateway(V4), server.Port));
            }
            await network.Slirp.StderrLineAsync("no descriptor").WithinAsync("the line that tells of it");
            while (connects.Count(connect => connect.IsCompletedSuccessfully) < AtLeast)
                await Task.WhenAny(connects.Where(connect => !connect.IsCompleted)).WithinAsync("connections that have a descriptor");
            var live = new List<Socket>();
            for (int i = 0; i < Wanted; i++)
                if (connects[i].IsCompletedSuccessfully) live.Add(sockets[i]);
            Assert.InRange(live.Count, AtLeast, 300);
            foreach (Socket socket in live) await EchoFlow.BeatAsync(socket, 1);
            // The guest cannot take what whoever commands needs.
            for (int i = 0; i < 3; i++)
                Assert.Contains("return", await network.Api.AskAsync("{\"execute\":\"list_hostfwd\"}").WithinAsync("the API's answer"), StringComparison.Ordinal);

            // The guest's kernel asks again for those that wait.
            foreach (Socket socket in live) socket.Dispose();
            Task first = await Task.WhenAny(connects.Where(connect => !connect.IsCompleted)).WithinAsync("one that waited");
            await first;
            await EchoFlow.BeatAsync(sockets[connects.IndexOf(first)], 2);
            await PressureTests.SaysOnceAsync(network, "no descriptor");
            sockets.ForEach(socket => socket.Dispose());
            await Task.WhenAll(connects.Select(connect => connect.ContinueWith(_ => { }, TaskScheduler.Default)));
        });

    /// <summary>Scenarios 5 and T7: so many connects that are never answered hold no more than the oldest lets them.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_SYNs_to_a_silent_address_leaves_the_others_alone() =>
        GuestNetwork.WithAsync(Plan with { Before = AddSilentAddressAsync }, async network =>
        {
            const int Flood = 100_000, MaxHalfOpen = 1024;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            int before = network.Figures.Descriptors();
            using RawLink link = RawLink.Open(network.Guest);
            await link.FloodAsync(Flood, neighbour, i =>
            {
                var syn = new TcpFields((ushort)(i % 60_000 + 1000), (ushort)(80 + i / 60_000), new SequenceNumber((uint)i), default, TcpFlags.Syn, 0xffff);
                return FrameFactory.Tcp(Guest, IpAddress.Parse(Silent), syn);
            });
            await PressureTests.SaysOnceAsync(network, $"{MaxHalfOpen} connections are under way already");
            Assert.InRange(network.Figures.Descriptors(), 0, before + MaxHalfOpen + 16);
            await using (EchoFlow other = await EchoFlow.OpenAsync(network)) await other.BeatAsync();
            await network.Figures.DescriptorsFallToAsync(before + 1); // the host's kernel gives up after two SYNs
            await neighbour.BeatAsync();
        });

    /// <summary>Scenario 4, through the forwarder.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Many_queries_from_as_many_ports_hold_few_sockets()
    {
        await using var resolver = new StubResolver();
        await GuestNetwork.WithAsync(
            Plan with { ResolvConf = "nameserver 127.0.0.1\n", Before = resolver.StartAsync }, async network =>
            {
                const int Queries = 3000, Sockets = 128;
                int before = network.Figures.Descriptors(), most = 0, answered = 0;
                var asking = new List<Socket>();
                for (int i = 0; i < Queries; i++)
                {
                    Socket socket = network.Guest.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
                    asking.Add(socket);
                    await socket.SendToAsync(DnsMessage.Query(i, $"n{i}.example.test"), new IPEndPoint(GuestNetwork.Forwarder(V4), 53));
                    if (i % 100 != 0) continue;
                    most = Math.Max(most, network.Figures.Descriptors());
                    await ResolverHasAsync(i - 200).WithinAsync("the queries at the resolver"); // its buffer has room for some 500
                }

                most = Math.Max(most, network.Figures.Descriptors());
                var buffer = new byte[512];
                for (int i = 0; i < Queries; i++)
                {
                    int count = await asking[i].ReceiveAsync(buffer).WithinAsync($"answer {i}, after {answered}");
                    Assert.Equal(i, BinaryPrimitives.ReadUInt16BigEndian(buffer));
                    Assert.Equal(1, DnsMessage.AnswerCount(buffer.AsSpan(0, count)));
                    answered++;
                }

                Assert.InRange(most, 0, before + Sockets);
                await network.Figures.DescriptorsFallToAsync(before);
                asking.ForEach(socket => socket.Dispose());
            });

        async Task ResolverHasAsync(int queries)
        {
            while (resolver.Queries < queries) await Task.Delay(1);
        }
    }

    /// <summary>Scenario 4, past the forwarder: each port has a socket, and an answered one goes soon.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Answered_queries_to_any_server_let_go_of_their_sockets()
    {
        await using var resolver = new StubResolver();
        await GuestNetwork.WithAsync(Plan with { Before = resolver.StartAsync }, async network =>
        {
            const int Queries = 3000;
            int before = network.Figures.Descriptors();
            using RawLink link = RawLink.Open(network.Guest);
            for (int i = 0; i < Queries; i++)
            {
                link.SendPacket(FrameFactory.Udp(new IpEndpoint(Guest, (ushort)(20_000 + i)),
                    FrameFactory.Endpoint(ForwardPlan.Gateway, 53), DnsMessage.Query(i, "www.example.test")));
            }

            await SlirpStatus.CountsAsync(network.Api, "udp_mappings_opened", Queries);
            await network.Figures.DescriptorsFallToAsync(before);
            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.Equal(Queries, status.Counters["udp_mappings_opened"]);
        });
    }

    /// <summary>Scenario U6: more ports than there may be mappings. The idlest goes, and the newest works.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Seventy_thousand_UDP_ports_evict_the_idlest() =>
        GuestNetwork.WithAsync(Plan with { Before = AddSilentAddressAsync }, async network =>
        {
            const int Ports = 70_000, MaxMappings = 4096;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            int before = network.Figures.Descriptors();
            using RawLink link = RawLink.Open(network.Guest);
            await link.FloodAsync(Ports, neighbour, i =>
            {
                // Sixty thousand of the guest's address, the others of one that it has besides.
                var from = new IpEndpoint(i < 60_000 ? Guest : IpAddress.Parse("10.0.2.101"), (ushort)(i % 60_000 + 1000));
                return FrameFactory.Udp(from, FrameFactory.Endpoint(Silent, 4000), [1, 2, 3]);
            });
            Assert.InRange(network.Figures.Descriptors(), MaxMappings, before + MaxMappings + 16);
            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.Equal(Ports, status.Counters["udp_mappings_opened"]);
            Assert.Equal(MaxMappings, status.UdpMappings);
            await PressureTests.SaysOnceAsync(network, "the table of UDP flows is full");
            await Datagrams.EchoAsync(network, V4, 1, 1000);
        });

    /// <summary>Scenario F7, in both families.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("10.0.2.100", "10.0.2.2")]
    [InlineData("fd00::100", "fd00::2")]
    public Task Fragments_that_are_never_completed_hold_little(string from, string to) =>
        GuestNetwork.WithAsync(Plan, async network =>
        {
            const int Fragments = 100_000, MaxGrowthKib = 20_000;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            long before = network.Figures.ResidentKib();
            using RawLink link = RawLink.Open(network.Guest);
            byte[] whole = FrameFactory.Udp(FrameFactory.Endpoint(from, 7), FrameFactory.Endpoint(to, 7), new byte[2000]);
            await link.FloodAsync(
                Fragments, neighbour, i => FragmentFactory.Piece(whole, 0, whole.AsSpan(40, 1400), moreFragments: true, (uint)i));
            Assert.InRange(network.Figures.ResidentKib(), 0, before + MaxGrowthKib);
            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.InRange(status.Dropped("FragmentEvicted"), Fragments - 1000, Fragments);
            await PressureTests.SaysOnceAsync(network, "too many fragmented packets");
            await Datagrams.EchoAsync(network, V4, 9000); // fragments that are completed
        });

    /// <summary>Scenario O5: connections to a forward come faster than the guest takes them.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_connections_to_a_forward_is_served_or_shed() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80") with { Api = true }, async network =>
        {
            const int Flood = 5000;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            int before = network.Figures.Descriptors();
            await using (var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80))
            {
                for (int i = 0; i < Flood; i++)
                {
                    using Socket client = network.Host.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
                    client.LingerState = new LingerOption(true, 0); // no TIME-WAIT uses up the ports of this host
                    await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"connection {i}");
                    if (i % 1000 == 0) await neighbour.BeatAsync();
                }

                using Socket last = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
                await EchoFlow.BeatAsync(last, 1);
            }

            await network.Figures.DescriptorsFallToAsync(before + 1);
            await neighbour.BeatAsync();
        });

    /// <summary>Scenario D5: the addresses are few, offers are taken back for who comes later, and who takes one has it until it is
    /// given back.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_DHCP_clients_leaves_the_others_alone() => GuestNetwork.WithAsync(Plan, async network =>
    {
        const int Clients = 100_000, MaxGrowthKib = 20_000;
        await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
        await neighbour.BeatAsync();
        long before = network.Figures.ResidentKib();
        using RawLink link = RawLink.Open(network.Guest);
        await link.FloodAsync(Clients, neighbour, i => Dhcp((uint)i, DhcpMessageType.Discover));
        Assert.InRange(network.Figures.ResidentKib(), 0, before + MaxGrowthKib);
        using RawLink hears = RawLink.Open(network.Guest, receives: true);
        await Task.Run(() => FindFewAddresses(hears, Clients));
        await neighbour.BeatAsync();
        SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
        Assert.Equal((0, 0), (status.Dropped("BadDhcp"), status.Dropped("DhcpNoAddress")));
    });

    /// <summary>What clients are given that come after all the others.</summary>
    private static void FindFewAddresses(RawLink link, uint first)
    {
        const int Addresses = 16;
        var offered = new HashSet<Ipv4Address>();
        for (uint client = first; client < first + 5 * Addresses; client++)
        {
            link.SendPacket(Dhcp(client, DhcpMessageType.Discover));
            offered.Add(DhcpAnswer(link, client, DhcpMessageType.Offer));
        }

        Assert.Equal(Addresses, offered.Count);
        uint taker = first + 1000;
        link.SendPacket(Dhcp(taker, DhcpMessageType.Discover));
        Ipv4Address address = DhcpAnswer(link, taker, DhcpMessageType.Offer);
        link.SendPacket(Dhcp(taker, DhcpMessageType.Request, address));
        Assert.Equal(address, DhcpAnswer(link, taker, DhcpMessageType.Ack));
        uint envier = taker + 1;
        for (int i = 0; i < 5 * Addresses; i++)
        {
            link.SendPacket(Dhcp(envier, DhcpMessageType.Discover, address));
            Assert.NotEqual(address, DhcpAnswer(link, envier++, DhcpMessageType.Offer));
        }

        link.SendPacket(Dhcp(taker, DhcpMessageType.Release, address));
        link.SendPacket(Dhcp(envier, DhcpMessageType.Discover, address));
        Assert.Equal(address, DhcpAnswer(link, envier, DhcpMessageType.Offer));
    }

    private static SlirpPlan Plan => new() { OwnHost = true, Api = true, Capture = false };

    private static async Task AddSilentAddressAsync(GuestNetwork network)
    {
        foreach (string command in (string[])
            [
                "ip tuntap add name silent0 mode tun", "ip link set silent0 up", "ip address add 198.51.100.9/32 dev silent0",
                $"ip route add {Silent}/32 dev silent0", "sysctl -qw net.ipv4.tcp_syn_retries=1",
            ])
            await network.HostRunsAsync(command);
    }

    /// <param name="client">Its hardware address and its transaction.</param>
    /// <param name="type">What it says.</param>
    /// <param name="address">Of what: a client that releases one speaks from it.</param>
    private static byte[] Dhcp(uint client, DhcpMessageType type, Ipv4Address? address = null)
    {
        var message = new byte[400];
        bool has = type == DhcpMessageType.Release;
        var builder = new DhcpBuilder(message, new DhcpFields(
            DhcpOperation.BootRequest, client, 0, true, has ? address!.Value : default, default, default, default,
            new MacAddress(0x0200_0000_0000ul | client)));
        builder.AddMessageType(type);
        if (!has && address is Ipv4Address wanted) builder.AddAddress(DhcpOptionCode.RequestedAddress, wanted);
        (string from, string to) = has ? ($"{address}", ForwardPlan.Gateway) : ("0.0.0.0", "255.255.255.255");
        return FrameFactory.Udp(FrameFactory.Endpoint(from, 68), FrameFactory.Endpoint(to, 67), message.AsSpan(0, builder.Finish()));
    }

    /// <returns>The address that the next answer to a client is about.</returns>
    private static Ipv4Address DhcpAnswer(RawLink link, uint client, DhcpMessageType expected)
    {
        const int Patience = 60; // seconds without a frame
        var frame = new byte[65536];
        for (int silences = 0; silences < Patience;)
        {
            int length = link.Receive(frame);
            if (length == 0) silences++;
            if (!EthernetView.TryParse(frame.AsSpan(0, length), out EthernetView ethernet) || ethernet.EtherType != EtherType.Ipv4) continue;
            if (!Ipv4View.TryParse(ethernet.Payload, out Ipv4View ip) || ip.Protocol != IpProtocol.Udp) continue;
            if (!UdpView.TryParse(ip.Payload, out UdpView udp) || udp.SourcePort != 67) continue;
            if (!DhcpView.TryParse(udp.Payload, out DhcpView answer) || answer.Xid != client) continue;
            Assert.Equal(expected, answer.MessageType);
            return answer.Yiaddr;
        }

        throw new EndToEndException($"no {expected} for client {client}");
    }
}
