using System.Net.Sockets;
using System.Text;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>What a service manager hears (sd_notify(3)), with the test in its place.</summary>
public sealed class ServiceManagerTests : IDisposable
{
    // The tests may run below a service themselves.
    private const string Clean = "unset SYSTEMD_EXEC_PID WATCHDOG_PID WATCHDOG_USEC;";

    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public void Dispose() => _manager.Dispose();

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Ready_when_the_network_is_and_stopping_when_it_ends(bool isAbstract) =>
        GuestNetwork.WithAsync(Plan(isAbstract), async network =>
        {
            Assert.Equal("READY=1", await HearAsync());
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            await flow.BeatAsync();
            await StopAsync(network);
            Assert.Equal("STOPPING=1", await HearAsync());
            Assert.Equal(0, _manager.Available);
        });

    /// <summary>Half of its time is for the unit test of the same name; were it many times as much, this would hang.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("")]
    [InlineData("export WATCHDOG_PID=$$; ")] // slirpnet takes the place of the shell
    [InlineData("export WATCHDOG_PID=$$ SYSTEMD_EXEC_PID=$$; ")]
    public Task The_watchdog_is_fed_again_and_again(string also) =>
        GuestNetwork.WithAsync(Plan(false, $"export WATCHDOG_USEC=200000; {also}"), async network =>
        {
            Assert.Equal("READY=1", await HearAsync());
            await HearOfLifeAsync(20).WithinAsync("twenty words, a tenth of a second apart");
            await StopAsync(network);
            string last = await HearAsync();
            while (last == "WATCHDOG=1") last = await HearAsync();
            Assert.Equal("STOPPING=1", last);
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_watchdog_of_another_process_is_its_own_affair() =>
        GuestNetwork.WithAsync(Plan(false, "export WATCHDOG_USEC=2000 WATCHDOG_PID=1; "), async network =>
        {
            Assert.Equal("READY=1", await HearAsync());
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            for (int i = 0; i < 100; i++) await flow.BeatAsync();
            await StopAsync(network);
            Assert.Equal("STOPPING=1", await HearAsync());
        });

    /// <summary>A runtime that a unit started is the service, and not the network of one of its containers.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Below_another_s_service_nothing_is_said() =>
        GuestNetwork.WithAsync(Plan(false, "export SYSTEMD_EXEC_PID=1; "), async network =>
        {
            await StopAsync(network);
            Assert.Equal(0, _manager.Available);
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("/nowhere/notify")]
    [InlineData("@slirpnet-nobody-has-this-name")]
    [InlineData("relative")]
    public Task A_manager_that_is_not_there_is_told_and_not_needed(string socket) =>
        GuestNetwork.WithAsync(PlanFor(socket), async network =>
        {
            await network.Slirp.StderrLineAsync("NOTIFY_SOCKET");
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            await flow.BeatAsync();
        });

    private SlirpPlan Plan(bool isAbstract, string script = "")
    {
        string name = Path.Combine(Machine.Scratch, $"notify-{Guid.NewGuid():N}");
        _manager.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name : name));
        return PlanFor(isAbstract ? "@" + name : name, script);
    }

    private static SlirpPlan PlanFor(string socket, string script = "") => new()
    {
        Capture = false,
        Prefix = ["sh", "-c", $"{Clean} export NOTIFY_SOCKET={socket}; {script} exec \"$@\"", "sh"],
    };

    private async Task<string> HearAsync()
    {
        var buffer = new byte[200];
        int count = await _manager.ReceiveAsync(buffer).WithinAsync("a word to the service manager");
        return Encoding.ASCII.GetString(buffer, 0, count);
    }

    private async Task HearOfLifeAsync(int times)
    {
        for (int i = 0; i < times; i++) Assert.Equal("WATCHDOG=1", await HearAsync());
    }

    private static async Task StopAsync(GuestNetwork network)
    {
        network.SlirpMayEnd();
        network.Slirp.Signal(UnixSignal.Terminate);
        Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
    }
}
