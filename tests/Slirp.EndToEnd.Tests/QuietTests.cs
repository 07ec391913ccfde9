using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Who waits costs nothing. A loop that spins takes all of a processor; these may take a quarter of one.</summary>
public class QuietTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;
    private const int MaxTicks = 50; // of the 200 in the time watched
    private static readonly byte[] Chunk = new byte[1 << 16];
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(2);

    /// <summary>Scenario 8: the server reads nothing, and the guest has filled all that there is to fill.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flow_whose_server_does_not_read_costs_nothing() => GuestNetwork.WithAsync(Plan, async network =>
    {
        var end = new TaskCompletionSource();
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, _ => end.Task);
        using Socket guest = await network.ConnectAsync(V4, server.Port);
        await Payload.FillAsync(guest, Chunk);
        await StaysQuietAsync(network);
        end.SetResult();
    });

    /// <summary>Scenario 8, the other way.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_flow_whose_guest_does_not_read_costs_nothing() => GuestNetwork.WithAsync(Plan, async network =>
    {
        var filled = new TaskCompletionSource();
        var end = new TaskCompletionSource();
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, async socket =>
        {
            await Payload.FillAsync(socket, Chunk);
            filled.SetResult();
            await end.Task;
        });
        using Socket guest = await network.ConnectAsync(V4, server.Port);
        await filled.Task.WithinAsync("the end of all buffers");
        await StaysQuietAsync(network);
        end.SetResult();
    });

    /// <summary>Scenario 9: ends that were told and are not answered.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(true)]
    [InlineData(false)]
    public Task Half_closed_flows_cost_nothing(bool byHost) => GuestNetwork.WithAsync(Plan, async network =>
    {
        const int Flows = 100;
        var end = new TaskCompletionSource();
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, async socket =>
        {
            if (byHost) socket.Shutdown(SocketShutdown.Send);
            else Assert.Equal(0, await socket.ReceiveAsync(new byte[1]));
            await end.Task;
        });
        var guests = new List<Socket>();
        for (int i = 0; i < Flows; i++)
        {
            Socket guest = await network.ConnectAsync(V4, server.Port);
            guests.Add(guest);
            if (byHost) Assert.Equal(0, await guest.ReceiveAsync(new byte[1]).WithinAsync("the host's end"));
            else guest.Shutdown(SocketShutdown.Send);
        }

        await StaysQuietAsync(network);
        end.SetResult();
        guests.ForEach(guest => guest.Dispose());
    });

    /// <summary>Scenario 8: the sender of datagrams floods a guest that does not read.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task After_a_flood_of_datagrams_it_is_quiet() => GuestNetwork.WithAsync(Plan, async network =>
    {
        await using var server = new UdpEchoServer(network.Host, IPAddress.Loopback);
        using Socket guest = Datagrams.Connect(network, V4, server.Port);
        for (int i = 0; i < 20_000; i++) await guest.SendAsync(new byte[1000]);
        await StaysQuietAsync(network);
    });

    /// <summary>A process that was stopped finds all its timers due at once when it goes on.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task After_a_stop_there_is_no_storm_of_timers() => GuestNetwork.WithAsync(Plan, async network =>
    {
        await using EchoFlow flow = await EchoFlow.OpenAsync(network);
        await flow.BeatAsync();
        network.Slirp.Signal(UnixSignal.Stop);
        Task beat = flow.BeatAsync(); // what the guest sends meanwhile is sent again by it
        using Socket waiting = network.Guest.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
        Task connecting = waiting.ConnectAsync(flow.Remote);
        await Task.Delay(Watched); // time passing is what this is about
        network.Slirp.Signal(UnixSignal.Continue);
        await beat;
        await connecting.WithinAsync("the connection begun while nobody was there");
        await EchoFlow.BeatAsync(waiting, 1);
        await StaysQuietAsync(network);
    });

    /// <summary>The same with flows of every kind: what was under way goes on, and what came meanwhile is served.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task After_a_stop_everything_goes_on() => GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80") with { Capture = false }, async network =>
    {
        const int Flows = 100;
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync);
        await using var inside = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        await using var witness = new Witness(network.Host, IPAddress.Loopback);
        var asked = new IPEndPoint(GuestNetwork.Gateway(V4), witness.Port);
        using Socket datagrams = OutboundAddressTests.Unconnected(network, V4);
        IPEndPoint seen = await Witness.HeardFromAsync(datagrams, asked);
        var guests = new List<Socket>();
        for (int i = 0; i < Flows; i++) guests.Add(await network.ConnectAsync(V4, server.Port));
        using Socket outside = await ForwardPlan.ConnectAsync(network, ForwardPlan.Outside, ForwardPlan.Hit, 8080);
        await EchoFlow.BeatAsync(outside, 1);
        Task transfer = Transfer.BothAtOnceAsync(network, V4, 64 << 20);

        network.Slirp.Signal(UnixSignal.Stop);
        var beats = new List<Task>();
        for (int i = 0; i < Flows; i++) beats.Add(EchoFlow.BeatAsync(guests[i], i, 20_000));
        beats.Add(EchoFlow.BeatAsync(outside, 2, 100_000));
        using Socket late = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 8080); // the kernel answers for a listener
        beats.Add(EchoFlow.BeatAsync(late, 3));
        Task<IPEndPoint> question = Witness.HeardFromAsync(datagrams, asked);
        await Task.Delay(Watched); // time passing is what this is about
        network.Slirp.Signal(UnixSignal.Continue);
        await Task.WhenAll(beats);
        Assert.Equal(seen, await question);
        await transfer.WithinAsync("a transfer that was under way");
        guests.ForEach(guest => guest.Dispose());
        await StaysQuietAsync(network);
    });

    private static SlirpPlan Plan => new() { OwnHost = true, Capture = false };

    private static async Task StaysQuietAsync(GuestNetwork network)
    {
        await using (EchoFlow flow = await EchoFlow.OpenAsync(network)) await flow.BeatAsync();
        long before = network.Figures.CpuTicks();
        await Task.Delay(Watched);
        Assert.InRange(network.Figures.CpuTicks() - before, 0, MaxTicks);
        await using EchoFlow after = await EchoFlow.OpenAsync(network);
        await after.BeatAsync();
    }
}
