using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Forwards managed while the network is up, as Podman and RootlessKit do it.</summary>
public sealed class ControlSocketTests : IDisposable
{
    private readonly string _directory = Path.Combine(Machine.Scratch, $"api-{Guid.NewGuid():N}");
    private readonly ControlClient _api;

    public ControlSocketTests()
    {
        Directory.CreateDirectory(_directory);
        File.SetUnixFileMode(_directory, (UnixFileMode)0b111_111_111);
        _api = new ControlClient(SocketPath);
    }

    private string SocketPath => Path.Combine(_directory, "net.sock");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Forwards_are_added_listed_and_removed_and_connections_stay(bool asUser) =>
        GuestNetwork.WithAsync(WithApi() with { AsUser = asUser }, async network =>
        {
            Assert.True(File.Exists(SocketPath), "ready was told before the socket was there");
            Assert.Equal("""{"return":{"id":1}}""", await _api.AskByOneReadAsync(
                """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"","guest_port":80}}"""));
            Assert.Equal("""{"return":{"id":2}}""", await _api.AskAsync(
                """{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"127.0.0.1","host_port":8053,"guest_addr":"10.0.2.100","guest_port":53}}"""));
            using (JsonDocument list = JsonDocument.Parse(await _api.AskAsync("""{"execute":"list_hostfwd"}""")))
                Assert.Equal(2, list.RootElement.GetProperty("entries").GetArrayLength());

            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket live = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
            await EchoFlow.BeatAsync(live, seed: 7);
            Assert.Equal("""{"return":{}}""", await _api.AskAsync("""{"execute":"remove_hostfwd","arguments":{"id":1}}"""));
            await EchoFlow.BeatAsync(live, seed: 7);
            using Socket late = ForwardPlan.From(network, "127.0.0.1");
            var refused = await Assert.ThrowsAsync<SocketException>(
                () => late.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync("the refusal"));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
            Assert.Equal("""{"return":{"id":3}}""", await _api.AskAsync(
                """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8080,"guest_port":80}}"""));
            using Socket again = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
            await EchoFlow.BeatAsync(again, seed: 7);
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_port_in_use_is_refused_and_said_why() => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        using Socket taken = ForwardPlan.From(network, "127.0.0.1");
        taken.Listen();
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        Assert.Equal(
            $$$"""{"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed","detail":"127.0.0.1:{{{port}}}/tcp: address already in use"}}""",
            await _api.AskAsync($$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":{{{port}}},"guest_port":80}}"""));
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Two_hundred_forwards_one_by_one_and_a_port_of_the_kernels_choice() => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        for (int id = 1; id <= 200; id++)
        {
            Assert.Equal($$$"""{"return":{"id":{{{id}}}}}""", await _api.AskAsync(
                $$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":{{{20_000 + id}}},"guest_port":80}}"""));
            using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 20_000 + id);
            await EchoFlow.BeatAsync(client, seed: 7);
        }
        using JsonDocument chosen = JsonDocument.Parse(await _api.AskAsync(
            """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":0,"guest_port":80}}"""));
        int port = chosen.RootElement.GetProperty("return").GetProperty("host_port").GetInt32();
        using Socket last = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", port);
        await EchoFlow.BeatAsync(last, seed: 7);
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Silent_clients_do_not_delay_traffic_or_others() => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        var silent = new List<Socket>();
        for (int i = 0; i < 100; i++)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            silent.Add(socket);
            socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
        }
        Assert.Equal("""{"return":{"id":1}}""", await _api.AskAsync(
            """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8080,"guest_port":80}}"""));
        await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
        await EchoFlow.BeatAsync(client, seed: 7);
        silent.ForEach(s => s.Dispose());
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Status_tells_what_goes_on() => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        Assert.Equal("""{"return":{"id":1}}""", await _api.AskAsync(
            """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":8080,"guest_port":80}}"""));
        await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080);
        await EchoFlow.BeatAsync(client, seed: 7);
        using JsonDocument reply = JsonDocument.Parse(await _api.AskAsync("""{"execute":"status"}"""));
        JsonElement status = reply.RootElement.GetProperty("return");
        Assert.Equal(1, status.GetProperty("forwards").GetInt32());
        Assert.Equal(1, status.GetProperty("flows").GetProperty("tcp").GetInt32());
        Assert.Equal(1, status.GetProperty("counters").GetProperty("tcp_forwarded").GetInt64());
        Assert.True(status.GetProperty("offloads").GetArrayLength() > 0);
    });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData((int)UnixSignal.Terminate)]
    [InlineData((int)UnixSignal.Interrupt)]
    public Task The_socket_goes_with_the_process(int signal) => GuestNetwork.WithAsync(WithApi(), async network =>
    {
        network.SlirpMayEnd();
        network.Slirp.Signal((UnixSignal)signal);
        Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
        Assert.False(File.Exists(SocketPath));
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_socket_that_cannot_be_made_is_told()
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        Outcome outcome = await ChildProcess.RunAsync(
            Machine.Binary, "-c", "-a", Path.Combine(_directory, "no", "such.sock"), $"{guest.Pid}", GuestNetwork.TapName);
        Assert.Equal(1, outcome.Status);
        Assert.Contains("api_bindlisten: bind", outcome.Stderr, StringComparison.Ordinal);
        Assert.Contains("No such file or directory", outcome.Stderr, StringComparison.Ordinal);
    }

    private SlirpPlan WithApi() => ForwardPlan.With("-a", SocketPath);
}
