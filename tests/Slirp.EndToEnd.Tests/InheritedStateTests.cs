using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>What callers hand down, and being started and ended over and over.</summary>
public class InheritedStateTests(ITestOutputHelper output)
{
    /// <summary>Descriptor 8 is a pipe that is full. (Those who write to descriptor 9 do not wait: dd leaves it so.)</summary>
    private const string Full = """
        pipe=$(mktemp -u); mkfifo "$pipe"; exec 8<>"$pipe" 9<>"$pipe"; rm "$pipe"
        dd if=/dev/zero bs=4096 count=1000 oflag=nonblock status=none >&9 2>/dev/null

        """;

    public static TheoryData<string, string> States => new()
    {
        { "descriptors 0 to 2 are closed", "exec \"$@\" <&- >&- 2>&-" },
        { "three hundred descriptors are open", "for i in {10..309}; do eval \"exec $i</dev/null\"; done; exec \"$@\"" },
        { "nobody may do anything with new files", "umask 0777; exec \"$@\"" },
        { "the environment is empty", "exec env -i \"$@\"" },
        { "there is no working directory", "d=$(mktemp -d); cd \"$d\"; rmdir \"$d\"; exec \"$@\"" },
        { "nobody reads standard output", Full + "exec \"$@\" >&8 8>&- 9>&-" },
        { "nobody reads standard error", Full + "exec \"$@\" 2>&8 8>&- 9>&-" },
        { "signals are ignored", "trap '' HUP INT TERM PIPE CHLD; exec \"$@\"" },
    };

    /// <summary>Scenarios 15 and 16.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(States))]
    public Task It_serves_whatever_it_inherits(string state, string script) =>
        GuestNetwork.WithAsync(
            new SlirpPlan { OwnHost = true, Api = true, Capture = false, Prefix = ["bash", "-c", script, "bash"] }, async network =>
            {
                Assert.NotEmpty(state);
                await using EchoFlow flow = await EchoFlow.OpenAsync(network);
                await flow.BeatAsync();
                await SlirpStatus.AskAsync(network.Api);
                Assert.InRange(network.Figures.Descriptors(), 5, 60);
                network.SlirpMayEnd();
                network.Slirp.CloseExitDescriptor();
                Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
            });

    /// <summary>Standard error is a pipe that is full, as a terminal that was stopped is: what there is to say, here that the
    /// host forbids pings, keeps nobody waiting, neither frames nor the end.</summary>
    [EndToEndFact(OtherUsers = true, SlirpnetOnly = true, Tools = "ping")]
    public Task Lines_that_nobody_reads_delay_nothing()
    {
        var plan = new SlirpPlan
        {
            OwnHost = true,
            Capture = false,
            Prefix = ["bash", "-c", Full + "exec \"$@\" 2>&8 8>&- 9>&-", "bash"],
            MoreOptions = ["--log-level=warning"],
        };
        return GuestNetwork.WithAsync(plan, async network =>
        {
            (await network.HostNamespace.RunAsync("sh", "-c", "echo '1 0' >/proc/sys/net/ipv4/ping_group_range")).Succeeded();
            Outcome ping = await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", "192.0.2.1");
            Assert.Contains("Packet filtered", ping.Stdout, StringComparison.Ordinal);
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            await flow.BeatAsync();
            network.SlirpMayEnd();
            network.Slirp.CloseExitDescriptor();
            Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
        });
    }

    /// <summary>What was inherited and is not named is closed; a path may name it too.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_namespace_may_be_named_through_an_inherited_descriptor()
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        await using SlirpProcess slirp = SlirpProcess.Start(
        [
            "bash", "-c", $"exec 7<{guest.NetPath} 8</dev/null; exec \"$@\"", "bash",
            Machine.Binary, "-c", "-r", "3", "-e", "4", "--netns-type=path", "/proc/self/fd/7", GuestNetwork.TapName,
        ]);
        await slirp.ReadyAsync();
        (await guest.RunAsync("ping", "-c", "1", "-W", "50", "10.0.2.2")).Succeeded();
        Assert.False(File.Exists($"/proc/{slirp.Pid}/fd/8") && File.ResolveLinkTarget($"/proc/{slirp.Pid}/fd/8", false)?.FullName == "/dev/null");
    }

    /// <summary>With a limit of 3 the loader cannot open the C library; from 4 on it is our turn to speak.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("run", "--", "true")]
    [InlineData("run", "-p", "0:80", "--", "true")]
    [InlineData("-c", "-6", "-e", "0", "-p", "0:80", "-a", "API", "--netns-type=path", "GUEST", "tap0")]
    public async Task Short_of_descriptors_it_works_or_says_so_in_one_line(params string[] options)
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        string api = Path.Combine(Machine.Scratch, "short-of-descriptors");
        string[] words = [.. options.Select(word => word.Replace("GUEST", guest.NetPath, StringComparison.Ordinal).Replace("API", api, StringComparison.Ordinal))];
        for (int limit = 4; limit <= 40; limit++) ExpectWorkOrOneLine(await ChildProcess.RunAsync(["prlimit", $"--nofile={limit}:{limit}", Machine.Binary, .. words]));
        Assert.False(File.Exists(api));
    }

    /// <summary>Threads count against the limit of a user who is not root.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Short_of_processes_it_works_or_says_so_in_one_line()
    {
        if (Machine.AsUser.Length == 0) return; // no other user here
        for (int limit = 1; limit <= 12; limit++)
        {
            Outcome outcome = await ChildProcess.RunAsync(
                ["setpriv", "--reuid=64999", "--regid=64999", "--clear-groups", "prlimit", $"--nproc={limit}", Machine.Binary, "run", "--", "true"]);
            if (outcome is { Status: 255, Stderr: "" }) continue; // the runtime itself could not begin
            ExpectWorkOrOneLine(outcome);
        }
    }

    private static void ExpectWorkOrOneLine(Outcome outcome)
    {
        if (outcome.Status == 0) return;
        Assert.True(outcome.Status == 1, $"{outcome}");
        string[] ours = [.. outcome.Stderr.Split('\n').Where(line => line.StartsWith("slirpnet: ", StringComparison.Ordinal))];
        Assert.True(ours.Length == 1 && !outcome.Stderr.Contains("   at ", StringComparison.Ordinal), $"{outcome}");
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(500)]
    [InlineData(20)]
    public async Task Run_hands_the_soft_limit_on_descriptors_on(int limit) =>
        Assert.Equal($"{limit}\n", (await ChildProcess.RunAsync(
            "prlimit", $"--nofile={limit}:", Machine.Binary, "run", "--", "sh", "-c", "ulimit -Sn")).Succeeded());

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Run_needs_no_environment() =>
        Assert.Equal(3, (await ChildProcess.RunAsync("env", "-i", Machine.Binary, "run", "--", "/bin/sh", "-c", "exit 3")).Status);

    /// <summary>Scenarios 14 and 15: no start fails, no port stays busy, nothing is left.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task It_starts_and_ends_two_hundred_times()
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false), guest = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        await using var server = new TcpServer(guest, IPAddress.Any, TcpServer.EchoAsync, 80);
        for (int i = 0; i < Setting.Number("SLIRP_STARTS", 200); i++)
        {
            await using SlirpProcess slirp = SlirpProcess.Start(host.Inside(
                Machine.Binary, "-c", "-6", "-r", "3", "-e", "4", "-p", "8080:80", $"{guest.Pid}", GuestNetwork.TapName));
            await slirp.ReadyAsync();
            using Socket client = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"connection {i}");
            await EchoFlow.BeatAsync(client, i);
            if (i % 3 == 0) slirp.Signal(UnixSignal.Terminate);
            else if (i % 3 == 1) slirp.CloseExitDescriptor();
            else slirp.Signal(UnixSignal.Kill);
            Assert.Equal(i % 3 == 2 ? 128 + (int)UnixSignal.Kill : 0, (await slirp.WaitAsync()).Status);
        }

        Assert.NotEqual(0, (await guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Status);
        using Socket port = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        port.ExclusiveAddressUse = false;
        port.Bind(new IPEndPoint(IPAddress.Any, 8080));
        port.Listen();
    }

    /// <summary>Scenario 64: a range of ten thousand ports is one request, and one removal.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Ten_thousand_ports_are_one_request() =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Api = true, Capture = false }, async network =>
        {
            int before = network.Figures.Descriptors();
            var time = Stopwatch.StartNew();
            Assert.Equal("""{"return":{"id":1}}""", await network.Api.AskAsync(
                """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"127.0.0.1","host_port":20000,"host_port_end":29999,"guest_port":30000,"guest_port_end":39999}}"""));
            output.WriteLine($"10 000 ports in {time.ElapsedMilliseconds} ms");
            foreach (int offset in (int[])[0, 1, 5000, 9999])
            {
                await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 30_000 + offset);
                using Socket client = await ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", 20_000 + offset);
                await EchoFlow.BeatAsync(client, offset);
            }

            Assert.Equal("""{"return":{}}""", await network.Api.AskAsync("""{"execute":"remove_hostfwd","arguments":{"id":1}}"""));
            await network.Figures.DescriptorsFallToAsync(before);
        });
}
