using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The walls around the process while it serves, as the kernel shows them.</summary>
public class ConfinementTests
{
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Every_thread_has_given_up_what_serving_does_not_need(bool asUser) =>
        GuestNetwork.WithAsync(new SlirpPlan { AsUser = asUser, MoreOptions = ["-a", ApiPath] }, async network =>
        {
            string[] tasks = Directory.GetDirectories($"/proc/{network.Slirp.Pid}/task");
            Assert.True(tasks.Length > 2, "the runtime's threads are there as well");
            foreach (string[] lines in tasks.Select(StatusOf).OfType<string[]>())
            {
                Dictionary<string, string> status = lines
                    .Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());
                Assert.Equal("1", status["NoNewPrivs"]);
                Assert.Equal("2", status["Seccomp"]); // filter
                const string bindService = "0000000000000400", none = "0000000000000000";
                foreach (string set in new[] { "CapPrm", "CapEff" })
                    Assert.Equal(asUser || Machine.AsUser.Length == 0 ? status[set] == none ? none : bindService : bindService, status[set]);
                Assert.Equal(none, status["CapInh"]);
                Assert.Equal(none, status["CapAmb"]);
            }

            string answer = await new ControlClient(ApiPath).AskAsync("""{"execute":"status"}""");
            Assert.Contains($"[{Quoted(Machine.Walls)}]", answer, StringComparison.Ordinal);
        });

    /// <summary>Its threads have other numbers there than it knows them by, and so has its command.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task So_has_every_thread_where_procfs_is_another_PID_namespace_s()
    {
        await using ChildProcess child = ChildProcess.Start(
            ["unshare", "-Urpf", "--kill-child", Machine.Binary, "run", "--log-level=warning", "--", "sh", "-c", "echo up; read -r end; exit 7"], givesStdin: true);
        await child.StdoutLineAsync("up");
        string inner = (await File.ReadAllTextAsync($"/proc/{child.Pid}/task/{child.Pid}/children")).Trim();
        string[] tasks = Directory.GetDirectories($"/proc/{inner}/task");
        Assert.True(tasks.Length > 2, "the runtime's threads are there as well");
        foreach (string[] lines in tasks.Select(StatusOf).OfType<string[]>())
        {
            Assert.Contains("NoNewPrivs:\t1", lines);
            Assert.Contains("CapEff:\t0000000000000400", lines);
        }

        child.WriteStdin("end\n");
        Outcome outcome = await child.WaitAsync();
        Assert.Equal((7, ""), (outcome.Status, RunTests.WithoutWalls(outcome.Stderr)));
    }

    internal static string Quoted(string[] walls) => string.Join(',', walls.Select(wall => $"\"{wall}\""));

    /// <returns>Null for a thread that has just ended.</returns>
    private static string[]? StatusOf(string task)
    {
        try
        {
            return File.ReadAllLines($"{task}/status");
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>What --enable-sandbox gives: a plain user has it from the target's user namespace. The socket, which
    /// slirp4netns then leaves behind, is removed.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sandbox_sees_what_is_needed_and_is_left_clean(bool asUser)
    {
        var plan = new SlirpPlan { AsUser = asUser, MoreOptions = ["-a", ApiPath, "--enable-sandbox", "--enable-seccomp"] };
        await GuestNetwork.WithAsync(plan, async network =>
        {
            network.SlirpMayEnd();
            Assert.Contains(File.ReadLines($"/proc/{network.Slirp.Pid}/status"), line => line == "CapEff:\t0000000000000400");
            string seen = (await ChildProcess.RunAsync("ls", "-A", $"/proc/{network.Slirp.Pid}/root")).Succeeded();
            Assert.Equal("etc\nrun\n", seen);
            Assert.Single(Directory.GetDirectories($"/proc/{network.Slirp.Pid}/task")
                .Select(task => new FileInfo($"{task}/ns/mnt").LinkTarget).OfType<string>().Distinct());
            (await network.Guest.RunAsync("ping", "-c", "1", "-W", "50", "10.0.2.2")).Succeeded();
            if (!asUser) // root of the machine is nobody whom it knows in a plain user's namespace
            {
                string answer = await new ControlClient(ApiPath).AskAsync("""{"execute":"status"}""");
                Assert.Contains($"[{Quoted(["root", .. Machine.Walls])}]", answer, StringComparison.Ordinal);
            }

            network.Slirp.CloseExitDescriptor();
            Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
            Assert.False(File.Exists(ApiPath));
        });
    }

    /// <summary>In a user namespace without a user 0 nobody who executes a program keeps any capability: one wall less, and a
    /// network all the same.</summary>
    [EndToEndFact(OtherUsers = true, SlirpnetOnly = true)]
    public async Task A_sandbox_does_without_what_a_namespace_without_root_cannot_give()
    {
        await using ChildProcess guest = ChildProcess.Start(
            [.. Machine.AsUser, "unshare", "--user", "--map-user=1000", "--net", "sh", "-c", "echo up; exec cat"], givesStdin: true);
        await guest.StdoutLineAsync("up");
        await using SlirpProcess slirp = SlirpProcess.Start(
            [.. Machine.AsUser, Machine.Binary, "-c", "-r", "3", "-e", "4", "--enable-sandbox", "--log-level=debug", $"{guest.Pid}", GuestNetwork.TapName]);
        await slirp.ReadyAsync();
        await slirp.StderrLineAsync("sandbox: ");
        slirp.CloseExitDescriptor();
        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    /// <summary>Written, replaced, its link turned, all behind the walls; and turned to where the walls are in the way, which
    /// changes nothing.</summary>
    [EndToEndFact(OtherUsers = true, SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    public async Task A_sandbox_follows_resolv_conf_within_etc_and_run()
    {
        const string setUp = """
            set -e
            ip link set lo up
            mount -t tmpfs tmpfs /mnt
            cp -a /etc /mnt/etc
            mount --bind /mnt/etc /etc
            mkdir /etc/one /mnt/outside
            echo nameserver 127.0.0.1 >/etc/one/resolv.conf
            ln -sf one/resolv.conf /etc/resolv.conf
            for server in 1 2; do
                dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --bind-interfaces --user=root --pid-file= \
                    --listen-address=127.0.0.$server --host-record=www.example.test,192.0.2.$server --log-facility=/mnt/log &
            done
            echo up
            exec cat
            """;
        await using ChildProcess host = ChildProcess.Start(
            ["unshare", "--mount", "--propagation=private", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", setUp], givesStdin: true);
        await host.StdoutLineAsync("up");
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        string[] inHost = ["nsenter", "-t", $"{host.Pid}", "-m", "-n"];
        await using SlirpProcess slirp = SlirpProcess.Start(
            [.. inHost, Machine.Binary, "-c", "-r", "3", "-e", "4", "--enable-sandbox", $"{guest.Pid}", GuestNetwork.TapName]);
        await slirp.ReadyAsync();
        async Task ChangeAsync(string script, string answer)
        {
            (await ChildProcess.RunAsync([.. inHost, "sh", "-c", script])).Succeeded();
            while ((await guest.RunAsync("dig", "@10.0.2.3", "+short", "+tries=3", "+timeout=15", "www.example.test")).Stdout.Trim() != answer)
                await Task.Delay(20);
        }

        foreach ((string script, string answer) in new[]
        {
            ("true", "192.0.2.1"),
            ("echo nameserver 127.0.0.2 >/etc/one/resolv.conf", "192.0.2.2"),
            ("echo nameserver 127.0.0.1 >/etc/one/new; mv /etc/one/new /etc/one/resolv.conf", "192.0.2.1"),
            ("mkdir /etc/two; echo nameserver 127.0.0.2 >/etc/two/r; ln -s two/r /etc/l; mv -T /etc/l /etc/resolv.conf", "192.0.2.2"),
        }) await ChangeAsync(script, answer).WithinAsync($"{answer} after: {script}");

        (await ChildProcess.RunAsync([.. inHost, "sh", "-c",
            "echo nameserver 127.0.0.1 >/mnt/outside/r; ln -s /mnt/outside/r /etc/l; mv -T /etc/l /etc/resolv.conf"])).Succeeded();
        await slirp.StderrLineAsync("cannot be read where it is now");
        await ChangeAsync("true", "192.0.2.2").WithinAsync("the resolver that was read before");
    }

    private static string ApiPath { get; } = Path.Combine(OpenDirectory(), "confined.sock");

    private static string OpenDirectory()
    {
        string directory = Path.Combine(Machine.Scratch, "confined");
        _ = Directory.CreateDirectory(directory);
        File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
        return directory;
    }
}
