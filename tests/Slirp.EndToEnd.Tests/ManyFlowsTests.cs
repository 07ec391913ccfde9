using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>Many flows at once, and many one after the other.</summary>
public class ManyFlowsTests(ITestOutputHelper output)
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;

    // The far ends have descriptors of their own there: where limits are fixed this process has not enough for both.
    private const string EchoProgram =
        """
        import selectors, socket
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        print(listener.getsockname()[1], "port", flush=True)
        ready = selectors.DefaultSelector()
        ready.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is listener:
                    ready.register(listener.accept()[0], selectors.EVENT_READ)
                    continue
                octets = key.fileobj.recv(65536)
                if octets:
                    key.fileobj.sendall(octets)
                    continue
                ready.unregister(key.fileobj)
                key.fileobj.close()
        """;

    /// <summary>Twenty thousand idle flows cost little memory and no time, and each still works.</summary>
    [EndToEndFact(SlirpnetOnly = true, Tools = "python3")]
    public Task Idle_flows_cost_little_and_work() => GuestNetwork.WithAsync(Plan, async network =>
    {
        const long MaxResidentKib = 100_000, MaxTicks = 20; // of the 200 in the time watched
        int flows = Math.Min(Setting.Number("SLIRP_IDLE_FLOWS", 20_000), Machine.RaiseOpenFiles(100_000) - 1000);
        await using ChildProcess server = network.HostNamespace.Start("python3", "-c", EchoProgram);
        int port = int.Parse((await server.StdoutLineAsync("port")).Split(' ')[0], CultureInfo.InvariantCulture);
        var guests = new List<Socket>(flows);
        for (int i = 0; i < flows; i++) guests.Add(await network.ConnectAsync(V4, port));
        for (int i = 0; i < flows; i += 101) await EchoFlow.BeatAsync(guests[i], i, 5000);
        SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
        Assert.Equal(flows, status.TcpFlows);
        long before = network.Figures.CpuTicks();
        await Task.Delay(TimeSpan.FromSeconds(2)); // the time that is watched
        long ticks = network.Figures.CpuTicks() - before, resident = network.Figures.ResidentKib();
        output.WriteLine($"{flows} idle flows: {resident} KiB resident, {ticks} ticks of 200");
        Assert.InRange(resident, 0, MaxResidentKib);
        Assert.InRange(ticks, 0, MaxTicks);
        for (int i = 50; i < flows; i += 101) await EchoFlow.BeatAsync(guests[i], i, 5000);
        guests.ForEach(guest => guest.Dispose());
        await network.Figures.DescriptorsFallToAsync(100);
    });

    /// <summary>SLIRP_CONNECTIONS=100000 takes a minute or two.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Connections_one_after_the_other_leave_nothing() => GuestNetwork.WithAsync(Plan, async network =>
    {
        const long MaxGrowthKib = 10_000;
        int connections = Setting.Number("SLIRP_CONNECTIONS", 10_000);
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync);
        for (int i = 0; i < 500; i++) await OnceAsync(network, server.Port, i);
        int descriptors = network.Figures.Descriptors();
        long resident = network.Figures.ResidentKib();
        for (int i = 0; i < connections; i++) await OnceAsync(network, server.Port, i);
        output.WriteLine($"{connections} connections: {resident} KiB resident before, {network.Figures.ResidentKib()} after");
        Assert.InRange(network.Figures.ResidentKib(), 0, resident + MaxGrowthKib);
        await network.Figures.DescriptorsFallToAsync(descriptors);
        SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
        Assert.Equal(connections + 500, status.Counters["tcp_flows_opened"]);
    });

    /// <summary>Scenario 3: clients die while their server keeps its side open. Their kernel forgets them after its
    /// tcp_fin_timeout, and answers our first probe with a reset.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Flows_of_clients_that_died_are_gone_in_a_minute() => GuestNetwork.WithAsync(Plan, async network =>
    {
        const int Clients = 50;
        await network.GuestRunsAsync("sysctl -qw net.ipv4.tcp_fin_timeout=1");
        var end = new TaskCompletionSource();
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, _ => end.Task);
        int before = network.Figures.Descriptors();
        for (int i = 0; i < Clients; i++)
        {
            using Socket guest = await network.ConnectAsync(V4, server.Port); // what its death does to it: it is closed
            await guest.SendAsync(new byte[10]);
        }

        await network.Figures.DescriptorsFallToAsync(before);
        Assert.Equal(0, (await SlirpStatus.AskAsync(network.Api)).TcpFlows);
        end.SetResult();
    });

    private static SlirpPlan Plan => new()
    {
        OwnHost = true,
        Api = true,
        Capture = false,
        Prefix = ["sh", "-c", "ulimit -n 100000 2>/dev/null; exec \"$@\"", "sh"],
        Before = async network =>
        {
            // Room for ports on both sides; lingering ones are used again.
            foreach (string setting in (string[])["net.ipv4.ip_local_port_range=2000 65000", "net.ipv4.tcp_tw_reuse=1"])
            {
                (await network.HostNamespace.RunAsync("sysctl", "-qw", setting)).Succeeded();
                (await network.Guest.RunAsync("sysctl", "-qw", setting)).Succeeded();
            }
        },
    };

    private static async Task OnceAsync(GuestNetwork network, int port, int seed)
    {
        using Socket guest = await network.ConnectAsync(V4, port);
        await EchoFlow.BeatAsync(guest, seed, 100);
        guest.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await guest.ReceiveAsync(new byte[1]).WithinAsync("the server's end"));
    }
}
