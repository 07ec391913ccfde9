using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>More is asked for than there is of memory, listeners, associations, pings and neighbours: what runs goes on, the
/// rule says who gives way, and service returns.</summary>
public class PressureTests(ITestOutputHelper output)
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;

    /// <summary>Hundreds of flows that nobody reads want four times the memory that there is. What was taken from them
    /// arrives all the same, when somebody reads. Also where a cgroup leaves the process less than it would take: .NET's limit
    /// stands for one, in MiB.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(0)]
    [InlineData(128)]
    public Task Flows_that_nobody_reads_share_the_memory_and_lose_nothing(int limit) =>
        GuestNetwork.WithAsync(Plan with { Mtu = 65520, Before = SmallBuffersAsync, Prefix = limit == 0 ? [] : ["env", $"DOTNET_GCHeapHardLimit={limit << 20:x}"] }, async network =>
        {
            const int FlowsEachWay = 100;
            const long MaxResidentKib = 1_200_000, MaxLeftKib = 60_000;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            long before = network.Figures.ResidentKib();
            int descriptors = network.Figures.Descriptors();
            var mayRead = new TaskCompletionSource();
            await using var silent = new Stall(network.Host, mayRead.Task, sends: false);
            await using var talkative = new Stall(network.Host, mayRead.Task, sends: true);
            var guests = new List<Task<long>>();
            for (int i = 0; i < FlowsEachWay; i++)
            {
                guests.Add(Stall.RunAsync(await network.ConnectAsync(V4, silent.Port), mayRead.Task, sends: true, silent.Filled));
                guests.Add(Stall.RunAsync(await network.ConnectAsync(V4, talkative.Port), mayRead.Task, sends: false, talkative.Filled));
            }

            await silent.Filled.WaitAsync(FlowsEachWay);
            await talkative.Filled.WaitAsync(FlowsEachWay);
            long full = network.Figures.ResidentKib();
            output.WriteLine($"{2 * FlowsEachWay} flows that nobody reads: {before} KiB before, {full} KiB full, {silent.Filled.Octets >> 10} KiB sent by the guest, {talkative.Filled.Octets >> 10} KiB by the host");
            Assert.InRange(full, 0, MaxResidentKib);
            await SaysOnceAsync(network, "all memory for windows is promised");

            await neighbour.BeatAsync(100_000);
            await Transfer.BothAtOnceAsync(network, V4, 1_000_000);
            await Datagrams.EchoAsync(network, V4, 1, 1000, 9000);

            mayRead.SetResult();
            long received = 0;
            foreach (Task<long> guest in guests) received += await guest.WithinAsync("the end of a flow");
            received += await silent.FinishedAsync() + await talkative.FinishedAsync();
            Assert.Equal(silent.Filled.Octets + talkative.Filled.Octets, received);
            await network.Figures.DescriptorsFallToAsync(descriptors + 1); // the datagrams' socket is kept for a while
            await network.Figures.ResidentFallsToAsync(before + MaxLeftKib);
            await neighbour.BeatAsync();
        });

    /// <summary>A range of ports that there are no descriptors for is refused whole, and costs nobody else anything.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Listeners_beyond_the_descriptors_are_refused_and_the_others_live() =>
        GuestNetwork.WithAsync(Plan with { Prefix = ["prlimit", "--nofile=300:300"] }, async network =>
        {
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            Assert.StartsWith("{\"return\"", await AddAsync(network, 8080, 80), StringComparison.Ordinal);
            int before = network.Figures.Descriptors();
            for (int i = 0; i < 3; i++)
                Assert.StartsWith("{\"error\"", await AddAsync(network, 20_000, 20_000, count: 1000), StringComparison.Ordinal);
            await network.Figures.DescriptorsFallToAsync(before);
            await neighbour.BeatAsync();
            Assert.StartsWith("{\"return\"", await AddAsync(network, 20_000, 80), StringComparison.Ordinal);
            foreach (int port in (int[])[8080, 20_000])
            {
                using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", port);
                await EchoFlow.BeatAsync(client, port);
            }
        });

    /// <summary>More clients of a published port than are remembered: who was answered stays, and the newest is served.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_senders_to_a_forward_leaves_conversations_alone() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8053:53/udp") with { Api = true, Capture = false }, async network =>
        {
            const int Flood = 20_000, FirstPort = 20_000, Pause = 100; // the host's buffer has room for some 270
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            using Socket server = ForwardPlan.GuestDatagrams(network, 53);
            using Socket client = ForwardPlan.From(network, ForwardPlan.Outside, SocketType.Dgram);
            var published = new IPEndPoint(IPAddress.Parse(ForwardPlan.Hit), 8053);
            IPEndPoint seen = await ConverseAsync(client, published, server, null);
            int before = network.Figures.Descriptors();
            for (int i = 0; i < Flood; i++)
            {
                using Socket sender = network.Host.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
                sender.Bind(new IPEndPoint(IPAddress.Loopback, FirstPort + i));
                sender.SendTo(new byte[] { 9 }, published);
                if (i % Pause == Pause - 1) await TakenAsync(i + 1);
            }

            await network.Figures.DescriptorsFallToAsync(before);
            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.InRange(status.Counters["udp_associations_opened"], Flood, Flood + 1);
            await ConverseAsync(client, published, server, seen);
            using Socket newest = ForwardPlan.From(network, ForwardPlan.Outside, SocketType.Dgram);
            await ConverseAsync(newest, published, server, null);

            async Task TakenAsync(int senders)
            {
                await SlirpStatus.CountsAsync(network.Api, "udp_associations_opened", senders + 1); // and the client's
                await neighbour.BeatAsync(); // what slirpnet has sent to the guest is there
                while (server.Available > 0) await ForwardPlan.ReceiveAsync(server);
            }
        });

    /// <summary>More pings than there are sockets for: the idlest makes room, which one line says.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_ping_identifiers_evicts_the_idlest() => GuestNetwork.WithAsync(
        Plan with { Before = network => network.HostRunsAsync($"ip address add {ForwardPlan.Hit}/32 dev lo") }, async network =>
        {
            const int Flood = 20_000, MaxMappings = 256;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            int before = network.Figures.Descriptors();
            using RawLink link = RawLink.Open(network.Guest);
            await link.FloodAsync(Flood, neighbour, i =>
                FrameFactory.Echo(IpAddress.Parse(ForwardPlan.Guest), IpAddress.Parse(ForwardPlan.Hit), (ushort)i, 1, [1, 2, 3, 4]));
            Assert.InRange(network.Figures.Descriptors(), 0, before + MaxMappings);
            await SaysOnceAsync(network, "the table of pings is full");
            if (Machine.Has("ping")) (await network.Guest.RunAsync("ping", "-n", "-c", "2", "-i", "0.2", "-W", "50", ForwardPlan.Hit)).Succeeded();
        });

    /// <summary>Scenario E6: a hundred thousand stations claim to be there by neighbour discovery, and as many to be where others are
    /// by ARP. The guest is found all the same.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flood_of_neighbours_leaves_the_guest_reachable() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80") with { Api = true, Capture = false }, async network =>
        {
            const int Flood = 100_000;
            const long MaxGrowthKib = 10_000;
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network, AddressFamily.InterNetworkV6);
            await neighbour.BeatAsync();
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            await using var server6 = new TcpServer(network.Guest, IPAddress.IPv6Any, TcpServer.EchoAsync, 81);
            string guest6 = await ForwardPlan.GuestAddress6Async(network);
            Assert.StartsWith("{\"return\"", await network.Api.AskAsync(
                $$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":8081,"guest_addr":"{{{guest6}}}","guest_port":81}}"""),
                StringComparison.Ordinal);
            long before = network.Figures.ResidentKib();
            using RawLink link = RawLink.Open(network.Guest);
            await link.FloodAsync(Flood, neighbour, i =>
                Solicitation(new IpAddress(0xfd00_0000_0000_0000, 0x1_0000_0000 + (ulong)i), new MacAddress(0x0200_0000_0000 + (ulong)i)));
            for (int i = 0; i < Flood; i++)
            {
                // Each of the guest's neighbours is at a station of its own, and then at another.
                link.Send(link.Frame(Announcement($"10.0.2.{i % 150 + 101}", new MacAddress(0x0200_0100_0000 + (ulong)i)), EtherType.Arp));
                if (i % 1000 == 0) await neighbour.BeatAsync();
            }

            await neighbour.BeatAsync();
            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.Equal((0, 0), (status.Dropped("BadArp"), status.Dropped("BadNeighbourDiscovery")));
            Assert.InRange(network.Figures.ResidentKib(), 0, before + MaxGrowthKib);
            await SaysOnceAsync(network, "too many neighbours");
            foreach ((string at, int port) in ((string, int)[])[("127.0.0.1", 8080), ("::1", 8081)])
            {
                using Socket client = await ForwardPlan.ConnectAsync(network, at, at, port);
                await EchoFlow.BeatAsync(client, port);
            }
        });

    private static SlirpPlan Plan => new() { OwnHost = true, Api = true, Capture = false };

    /// <summary>So that what is under way is in slirpnet and not in the kernels.</summary>
    private static async Task SmallBuffersAsync(GuestNetwork network)
    {
        foreach (TestNamespace at in (TestNamespace[])[network.Guest, network.HostNamespace])
            (await at.RunAsync("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 131072", "net.ipv4.tcp_wmem=4096 131072 131072")).Succeeded();
    }

    /// <summary>A limit is named once a minute: a slow machine may be at it for longer, but nothing floods the log.</summary>
    internal static async Task SaysOnceAsync(GuestNetwork network, string words)
    {
        const int Minutes = 4;
        await network.Slirp.StderrLineAsync(words);
        Assert.InRange(network.Slirp.StderrSoFar.Split(words).Length - 1, 1, Minutes);
    }

    private static Task<string> AddAsync(GuestNetwork network, int hostPort, int guestPort, int count = 1) => network.Api.AskAsync(
        $$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":{{{hostPort}}},"host_port_end":{{{hostPort + count - 1}}},"guest_port":{{{guestPort}}},"guest_port_end":{{{guestPort + count - 1}}}}}""");

    /// <summary>A question and its answer; from whom the guest hears it, who must be the same as before.</summary>
    private static async Task<IPEndPoint> ConverseAsync(Socket client, IPEndPoint published, Socket server, IPEndPoint? expected)
    {
        await client.SendToAsync(new byte[] { 1 }, published);
        (_, IPEndPoint seen) = await ForwardPlan.ReceiveAsync(server);
        Assert.Equal(expected ?? seen, seen);
        await server.SendToAsync(new byte[] { 2 }, seen);
        (byte[] octets, _) = await ForwardPlan.ReceiveAsync(client);
        Assert.Equal([2], octets);
        return seen;
    }

    private static byte[] Announcement(string address, MacAddress mac)
    {
        var packet = new byte[ArpBuilder.Length];
        var at = Ipv4Address.Parse(address);
        ArpBuilder.Write(packet, new ArpFields(ArpOperation.Reply, mac, at, default, at));
        return packet;
    }

    private static byte[] Solicitation(IpAddress from, MacAddress mac)
    {
        IpAddress to = IpAddress.Parse("fd00::2");
        var message = new byte[NeighborBuilder.MaxLength];
        int length = NeighborBuilder.WriteSolicitation(message, from, to, to, mac);
        return FrameFactory.Packet(from, to, IpProtocol.Icmpv6, message.AsSpan(0, length), hopLimit: 255);
    }
}
