using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Connections from outside to servers of the guest.</summary>
public class TcpForwardTests
{
    /// <summary>Where the client is, where it connects to, how the guest sees it.</summary>
    public static TheoryData<string, string, string> Clients => new()
    {
        { ForwardPlan.Outside, ForwardPlan.Hit, ForwardPlan.Outside },
        { "127.0.0.1", "127.0.0.1", ForwardPlan.Gateway },
        { "127.0.4.1", "127.0.0.1", ForwardPlan.Gateway },
        { "::1", "::1", ForwardPlan.Gateway },
        { ForwardPlan.Outside6, ForwardPlan.Hit6, ForwardPlan.Gateway },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Clients))]
    public Task The_guest_sees_who_connects_and_octets_go_both_ways(string from, string to, string seen) =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80"), async network =>
        {
            EndPoint? peer = null;
            (long Length, string Hash) arrived = default;
            string answered = "";
            await using var server = new TcpServer(network.Guest, IPAddress.Any, async socket =>
            {
                peer = socket.RemoteEndPoint;
                arrived = await Payload.ReceiveAsync(socket);
                answered = await Payload.SendAsync(socket, 2, 3_000_000);
            }, 80);
            using Socket client = await ForwardPlan.ConnectAsync(network, from, to, 8080);
            string sent = await Payload.SendAsync(client, 1, 3_000_000);
            client.Shutdown(SocketShutdown.Send);
            (long Length, string Hash) answer = await Payload.ReceiveAsync(client);
            await server.FinishedAsync();
            Assert.Equal((3_000_000, sent), arrived);
            Assert.Equal((3_000_000, answered), answer);
            Assert.Equal(new IPEndPoint(IPAddress.Parse(seen), ((IPEndPoint)client.LocalEndPoint!).Port), peer);
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task IPv6_keeps_its_true_source() => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        string guest = await ForwardPlan.GuestAddress6Async(network);
        Assert.Equal("""{"return":{"id":1}}""", await Api.AskAsync(
            $$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":8080,"guest_addr":"{{{guest}}}","guest_port":80}}"""));
        EndPoint? peer = null;
        await using var server = new TcpServer(network.Guest, IPAddress.IPv6Any, async socket =>
        {
            peer = socket.RemoteEndPoint;
            await TcpServer.EchoAsync(socket);
        }, 80);
        using Socket client = await ForwardPlan.ConnectAsync(network, ForwardPlan.Outside6, ForwardPlan.Hit6, 8080);
        await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
        Assert.Equal(IPAddress.Parse(ForwardPlan.Outside6), ((IPEndPoint)peer!).Address);
    });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task A_guest_that_does_not_listen_resets_the_outside(bool disableHostLoopback) =>
        GuestNetwork.WithAsync(
            ForwardPlan.With(disableHostLoopback ? ["-p", "8080:80", "--disable-host-loopback"] : ["-p", "8080:80"]),
            async network =>
            {
                // The reset may be there before the connect has looked at its outcome.
                var reset = await Assert.ThrowsAsync<SocketException>(async () =>
                {
                    using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
                    await client.ReceiveAsync(new byte[1]).WithinAsync("the reset");
                });
                Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
            });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Loopback_clients_are_served_when_the_guest_may_not_reach_loopback() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "127.0.0.1:8080:80", "--disable-host-loopback"), async network =>
        {
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
            await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            using Socket elsewhere = ForwardPlan.From(network, ForwardPlan.Outside);
            var refused = await Assert.ThrowsAsync<SocketException>(
                () => elsewhere.ConnectAsync(IPAddress.Parse(ForwardPlan.Hit), 8080).WithinAsync("the refusal"));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        });

    /// <summary>Scenario 65.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_port_on_an_address_of_127_is_on_that_address_only() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "127.0.4.1:8080:80"), async network =>
        {
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.4.1", 8080);
            await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            using Socket elsewhere = ForwardPlan.From(network, "127.0.0.1");
            var refused = await Assert.ThrowsAsync<SocketException>(
                () => elsewhere.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync("the refusal"));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        });

    /// <summary>A client may use one port of its own toward two of ours, and both lead to one of the guest's.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Two_forwards_to_one_port_keep_their_clients_apart() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80", "-p", "8081:80"), async network =>
        {
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket first = FromPort(0), second = FromPort(((IPEndPoint)first.LocalEndPoint!).Port);
            await first.ConnectAsync(IPAddress.Parse(ForwardPlan.Hit), 8080).WithinAsync("the first connection");
            await EchoFlow.BeatAsync(first, seed: 1, length: 10_000);
            await second.ConnectAsync(IPAddress.Parse(ForwardPlan.Hit), 8081).WithinAsync("the second connection");
            await EchoFlow.BeatAsync(second, seed: 2, length: 10_000);
            await EchoFlow.BeatAsync(first, seed: 3, length: 10_000);

            Socket FromPort(int port)
            {
                Socket socket = network.Host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
                socket.Bind(new IPEndPoint(IPAddress.Parse(ForwardPlan.Outside), port));
                return socket;
            }
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Clients_that_look_the_same_inside_are_told_apart() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80"), async network =>
        {
            var peers = new ConcurrentBag<EndPoint>();
            await using var server = new TcpServer(network.Guest, IPAddress.Any, async socket =>
            {
                peers.Add(socket.RemoteEndPoint!);
                await TcpServer.EchoAsync(socket);
            }, 80);
            var clients = new List<Socket>();
            foreach (string from in new[] { "127.0.0.1", "127.0.0.2", "127.0.0.3" })
            {
                Socket client = network.Host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                clients.Add(client);
                client.Bind(new IPEndPoint(IPAddress.Parse(from), 5555));
                await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"a connection from {from}");
                await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            }
            foreach (Socket client in clients) await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            Assert.Equal(3, peers.Distinct().Count());
            clients.ForEach(c => c.Dispose());
        });

    /// <summary>The interface may be a port of a bridge, and idle servers behind it nobody has heard of: they are looked for.
    /// </summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Servers_behind_a_bridge_are_found()
    {
        await using TestNamespace behind = await TestNamespace.CreateAsync(asUser: false);
        await GuestNetwork.WithAsync(WithApi(), async network =>
        {
            await network.GuestRunsAsync("ip link add br0 type bridge");
            await network.GuestRunsAsync($"ip link set {GuestNetwork.TapName} master br0");
            await network.GuestRunsAsync($"ip link add v1 type veth peer name eth0 netns {behind.Pid}");
            await network.GuestRunsAsync("ip link set v1 master br0 up");
            await network.GuestRunsAsync("ip link set br0 up");
            foreach (string command in new[]
            {
                "ip address add 10.0.2.11/24 dev eth0", "ip address add 10.0.2.12/24 dev eth0", "ip link set eth0 up",
                $"ip route add default via {ForwardPlan.Gateway}",
            }) (await behind.RunAsync(command.Split(' '))).Succeeded();
            await using var server = new TcpServer(behind, IPAddress.Any, TcpServer.EchoAsync, 80);
            await using var echo = new UdpEchoServer(behind, IPAddress.Parse("10.0.2.12"));
            Assert.Equal("""{"return":{"id":1}}""", await Api.AskAsync(
                """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8080,"guest_addr":"10.0.2.11","guest_port":80}}"""));
            Assert.Equal("""{"return":{"id":2}}""", await Api.AskAsync(
                $$$"""{"execute":"add_hostfwd","arguments":{"proto":"udp","host_port":8053,"guest_addr":"10.0.2.12","guest_port":{{{echo.Port}}}}}"""));
            using Socket client = await ForwardPlan.ConnectAsync(network, ForwardPlan.Outside, ForwardPlan.Hit, 8080);
            await EchoFlow.BeatAsync(client, seed: 11, length: 10_000);
            using Socket datagrams = ForwardPlan.From(network, ForwardPlan.Outside, SocketType.Dgram);
            byte[] question = Payload.Octets(12, 100);
            await datagrams.SendToAsync(question, new IPEndPoint(IPAddress.Parse(ForwardPlan.Hit), 8053)).WithinAsync("a question");
            Assert.Equal(question, (await ForwardPlan.ReceiveAsync(datagrams)).Octets);
        });
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_range_of_200_ports() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "127.0.0.1:9000-9199:7000-7199"), async network =>
        {
            var servers = new List<TcpServer>();
            for (int port = 7000; port < 7200; port++)
                servers.Add(new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, port));
            for (int port = 9000; port < 9200; port++)
            {
                using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", port);
                await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            }
            foreach (TcpServer server in servers) await server.DisposeAsync();
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_hundred_connections_at_once() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80"), async network =>
        {
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            var transfers = new List<Task>();
            for (int i = 0; i < 100; i++) transfers.Add(OnceAsync(network));
            await Task.WhenAll(transfers);
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(Attachment.Descriptor, false)]
    [InlineData(Attachment.Path, false)]
    [InlineData(Attachment.Pid, true)]
    public Task However_it_is_attached(object attachment, bool asUser) =>
        GuestNetwork.WithAsync(
            ForwardPlan.With("-p", "8080:80") with { Attachment = (Attachment)attachment, AsUser = asUser }, async network =>
            {
                await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
                await OnceAsync(network);
            });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_same_port_can_be_published_again_and_again() => ManyTimesAsync(10);

    /// <summary>Connections that there is no descriptor for wait in the kernel, and are served when there is one.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Running_out_of_descriptors_delays_and_does_not_end_it()
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        await using SlirpProcess slirp = SlirpProcess.Start(host.Inside(
            "prlimit", "--nofile=200:200", Machine.Binary, "-c", "-r", "3", "-e", "4", "-p", "8080:80",
            $"{guest.Pid}", GuestNetwork.TapName));
        await slirp.ReadyAsync();
        await using var server = new TcpServer(guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        var clients = new List<Socket>();
        for (int i = 0; i < 400; i++)
        {
            Socket client = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            clients.Add(client);
            await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"connection {i}");
        }
        for (int i = 0; i < clients.Count - 1; i++) clients[i].Dispose();
        await EchoFlow.BeatAsync(clients[^1], seed: 9, length: 10_000);
        clients[^1].Dispose();
        Assert.False(slirp.HasExited);
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("8080:80", "0.0.0.0:8080/tcp: address already in use")]
    [InlineData("127.0.0.1:8070-8090:8070-8090/tcp", "127.0.0.1:8080/tcp: address already in use")]
    [InlineData("203.0.113.1:80:80", "203.0.113.1:80/tcp: not an address of this host")]
    [InlineData("[2001:db8:9::9]:80:80/udp", "[2001:db8:9::9]:80/udp: not an address of this host")]
    public async Task A_port_that_cannot_be_had_is_named_and_nothing_starts(string rule, string problem)
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        using Socket taken = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Any, 8080));
        taken.Listen();
        Outcome outcome = await host.RunAsync(
            Machine.Binary, "-c", "-p", "127.0.0.1:9999:99", "-p", rule, $"{guest.Pid}", GuestNetwork.TapName);
        Assert.Equal(1, outcome.Status);
        Assert.Contains($"cannot publish {problem}\n", outcome.Stderr, StringComparison.Ordinal);
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_privileged_port_comes_with_its_remedy()
    {
        if (Machine.AsUser.Length == 0) return; // root of the only user namespace there is: nothing is privileged
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false), guest = await TestNamespace.CreateAsync(asUser: true);
        (await host.RunAsync("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=1024")).Succeeded();
        Outcome outcome = await host.RunAsync(
            [.. Machine.AsUser, Machine.Binary, "-c", "-p", "127.0.0.1:1:80", $"{guest.Pid}", GuestNetwork.TapName]);
        Assert.Equal(1, outcome.Status);
        Assert.Contains("127.0.0.1:1/tcp: a privileged port", outcome.Stderr, StringComparison.Ordinal);
        Assert.Contains("net.ipv4.ip_unprivileged_port_start", outcome.Stderr, StringComparison.Ordinal);
        Assert.Contains("CAP_NET_BIND_SERVICE", outcome.Stderr, StringComparison.Ordinal);
    }

    private static async Task ManyTimesAsync(int times)
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        for (int i = 0; i < times; i++)
        {
            await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
            await using SlirpProcess slirp = SlirpProcess.Start(host.Inside(
                Machine.Binary, "-c", "-r", "3", "-e", "4", "-p", "8080:80", $"{guest.Pid}", GuestNetwork.TapName));
            await slirp.ReadyAsync();
            await using (var server = new TcpServer(guest, IPAddress.Any, TcpServer.EchoAsync, 80))
            {
                using Socket client = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"connection {i}");
                await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
            }
            slirp.Signal(UnixSignal.Terminate);
            Assert.Equal(0, (await slirp.WaitAsync()).Status);
        }
    }

    private static readonly string ApiPath = Path.Combine(Machine.Scratch, "tcp-forward.sock");
    private static readonly ControlClient Api = new(ApiPath);

    private static SlirpPlan WithApi() => ForwardPlan.With("-a", ApiPath);

    private static async Task OnceAsync(GuestNetwork network)
    {
        using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
        await EchoFlow.BeatAsync(client, seed: 9, length: 10_000);
    }
}
