using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary><c>slirpnet run -- CMD</c>: the command lives in a network of its own and is otherwise where it was.</summary>
public class RunTests
{
    public static TheoryData<bool, string, int> Endings => new()
    {
        { false, "exit 0", 0 },
        { false, "exit 3", 3 },
        { true, "exit 3", 3 },
        { false, "kill -KILL $$", 137 },
        { false, "kill -TERM $$", 143 },
        { true, "kill -TERM $$", 143 },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Endings))]
    public async Task Its_status_is_the_command_s(bool asUser, string script, int status) =>
        Assert.Equal(status, (await RunAsync(asUser, "sh", "-c", script)).Status);

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_command_that_is_not_there_is_named()
    {
        Outcome outcome = await RunAsync(false, "no-such-command-here");
        Assert.Equal(127, outcome.Status);
        Assert.Contains("no-such-command-here", outcome.Stderr, StringComparison.Ordinal);
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Input_output_and_arguments_pass_through(bool asUser)
    {
        await using ChildProcess child = Start(asUser, "sh", "-c", "cat; echo \"[$1][$2]\"; echo err >&2", "sh", "a  b", "");
        child.WriteStdin("one\ntwo\n");
        child.CloseStdin();
        Outcome outcome = await child.WaitAsync();
        Assert.Equal("one\ntwo\n[a  b][]\n", outcome.Succeeded());
        Assert.Equal("err\n", WithoutWalls(outcome.Stderr));
    }

    /// <summary>File names need not be UTF-8, and nothing is written anywhere.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Arguments_are_octets_and_no_place_for_files_is_needed()
    {
        string line = $"TMPDIR=/nonexistent {Machine.Binary} run -- sh -c 'printf %s \"$1\" | od -An -tx1; grep -c nameserver /etc/resolv.conf' sh \"$(printf 'caf\\351')\"";
        Outcome outcome = await ChildProcess.RunAsync("bash", "-c", line);
        Assert.Equal(" 63 61 66 e9\n2\n", outcome.Succeeded());
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData((int)UnixSignal.Terminate, "TERM")]
    [InlineData((int)UnixSignal.Hangup, "HUP")]
    public async Task A_signal_is_passed_on(int signal, string name)
    {
        await using ChildProcess child = Start(false, "bash", "-c", $"trap 'exit 7' {name}; echo up; read -r never");
        await child.StdoutLineAsync("up");
        child.Signal((UnixSignal)signal);
        Assert.Equal(7, (await child.WaitAsync()).Status);
    }

    /// <summary>A terminal sends these to the whole group: the command gets it once, and slirpnet lives on for it.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("\x03", "INT")]
    [InlineData("\x1c", "QUIT")]
    public async Task What_is_typed_at_the_terminal_is_the_command_s(string key, string name)
    {
        // exec: the shell that script(1) starts would take the key too, and die of it or not by its kind.
        string line = $"exec {Machine.Binary} run -- bash -c 'trap \"echo got\" {name}; echo up; read -r end; exit 7'";
        await using ChildProcess child = ChildProcess.Start(["script", "-qec", line, "/dev/null"], givesStdin: true);
        await child.StdoutLineAsync("up");
        child.WriteStdin(key);
        await child.StdoutLineAsync("got");
        child.WriteStdin("end\n");
        Outcome outcome = await child.WaitAsync();
        Assert.Equal(7, outcome.Status);
        Assert.Equal(2, outcome.Stdout.Split("got").Length);
    }

    /// <summary>As with su: the shell outside sees its job stopped, and continues both.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_shell_that_suspends_itself_suspends_slirpnet_at_a_terminal()
    {
        string line = $"set -m; {Machine.Binary} run -- bash --norc -ic 'suspend; echo on; exit 7'; echo back $?; fg; echo end $?";
        Outcome outcome = await ChildProcess.RunAsync("env", "SHELL=/bin/bash", "script", "-qec", line, "/dev/null");
        string said = outcome.Stdout.ReplaceLineEndings("\n");
        Assert.Contains("back 147\n", said, StringComparison.Ordinal); // 128 and SIGSTOP
        Assert.Contains("\non\n", said, StringComparison.Ordinal);
        Assert.EndsWith("end 7\n", said, StringComparison.Ordinal);
    }

    /// <summary>Who stops and continues a command from elsewhere (cpulimit) does not know of slirpnet, whose network goes on.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_command_that_is_stopped_leaves_slirpnet_alone()
    {
        string line = $"set -m; {Machine.Binary} run -- bash -c '(kill -STOP $$; until grep -q \"^State:.T\" /proc/$$/status; do :; done;"
            + " ping -c 1 -W 50 10.0.2.2 >/dev/null && echo alive; kill -CONT $$) & wait; echo on; exit 7'; echo end $?";
        Outcome outcome = await ChildProcess.RunAsync("env", "SHELL=/bin/bash", "script", "-qec", line, "/dev/null");
        Assert.EndsWith("alive\non\nend 7\n", outcome.Stdout.ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    /// <summary>Slirpnet is in the terminal's foreground, but it is not the terminal that signals.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("INT")]
    [InlineData("QUIT")]
    public async Task What_a_process_sends_to_slirpnet_alone_is_passed_on_at_a_terminal_too(string name)
    {
        string line = $"exec {Machine.Binary} run -- bash -c 'trap \"echo got\" {name}; kill -{name} $PPID; read -r end; exit 7'";
        await using ChildProcess child = ChildProcess.Start(["script", "-qec", line, "/dev/null"], givesStdin: true);
        await child.StdoutLineAsync("got");
        child.WriteStdin("end\n");
        Assert.Equal(7, (await child.WaitAsync()).Status);
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData((int)UnixSignal.Interrupt, "INT")]
    [InlineData((int)UnixSignal.Quit, "QUIT")]
    [InlineData(10, "USR1")]
    [InlineData(12, "USR2")]
    public async Task What_is_sent_to_slirpnet_alone_is_passed_on(int signal, string name)
    {
        await using ChildProcess child = ChildProcess.Start(
            ["setsid", Machine.Binary, "run", "--", "bash", "-c", $"trap 'echo got' {name}; echo up; read -r end; exit 7"],
            givesStdin: true);
        await child.StdoutLineAsync("up");
        child.Signal((UnixSignal)signal);
        await child.StdoutLineAsync("got");
        child.WriteStdin("end\n");
        Assert.Equal(7, (await child.WaitAsync()).Status);
    }

    /// <summary>As with env or unshare. What an option names is slirpnet's; what slirpnet opens is nobody else's.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_caller_s_descriptors_are_the_command_s()
    {
        string script = $"exec 5< <(echo five) 8>/dev/null; exec {Machine.Binary} run -r 8 -- sh -c 'cat /dev/fd/5; ls -l /proc/self/fd'";
        string said = (await ChildProcess.RunAsync("bash", "-c", script)).Succeeded();
        Assert.StartsWith("five\n", said, StringComparison.Ordinal);
        string[] open = [.. said.Split('\n').Where(line => line.Contains("->", StringComparison.Ordinal)).Select(line => line.Split(' ')[^3])];
        Assert.Contains("5", open);
        Assert.DoesNotContain("8", open);
        Assert.DoesNotContain("anon_inode:", said, StringComparison.Ordinal);
        Assert.DoesNotContain("/dev/net/tun", said, StringComparison.Ordinal);
    }

    /// <summary>Once the command has closed its end of a pipe, whoever reads the other end is told.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Slirpnet_itself_keeps_none_of_the_caller_s_descriptors()
    {
        await using ChildProcess child = ChildProcess.Start(
            ["bash", "-c", $"exec 9> >(cat; echo closed); exec {Machine.Binary} run -- sh -c 'exec 9>&-; read -r end; exit 7'"], givesStdin: true);
        await child.StdoutLineAsync("closed");
        child.WriteStdin("end\n");
        Assert.Equal(7, (await child.WaitAsync()).Status);
    }

    /// <summary>The kernel hands an ignored signal down through execve, which is how nohup works.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_command_under_nohup_outlives_a_hang_up()
    {
        await using ChildProcess child = ChildProcess.Start(
            ["setsid", "nohup", Machine.Binary, "run", "--", "sh", "-c", "echo up; read -r end; exit 7"], givesStdin: true);
        await child.StdoutLineAsync("up");
        child.SignalGroup(UnixSignal.Hangup);
        child.WriteStdin("end\n");
        Assert.Equal(7, (await child.WaitAsync()).Status);
    }

    /// <summary>A command that has not begun takes no signal but SIGKILL.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task An_exit_descriptor_that_is_not_open_ends_it_before_the_command_begins()
    {
        Outcome outcome = await ChildProcess.RunAsync(Machine.Binary, "run", "-e", "77", "--", "echo", "begun");
        Assert.Equal(137, outcome.Status);
        Assert.Equal("", outcome.Stdout);
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Without_a_command_it_is_the_user_s_shell()
    {
        await using ChildProcess child = ChildProcess.Start(["env", "SHELL=/bin/sh", Machine.Binary, "run"], givesStdin: true);
        child.WriteStdin("echo from the shell\nexit 5\n");
        child.CloseStdin();
        Outcome outcome = await child.WaitAsync();
        Assert.Contains("from the shell\n", outcome.Stdout, StringComparison.Ordinal);
        Assert.Equal(5, outcome.Status);
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_command_has_a_network_and_a_resolver(bool asUser)
    {
        string said = (await RunAsync(asUser, "sh", "-c",
            "cat /etc/resolv.conf; ip -4 -o address show; ip -6 -o address show; ip route; ip -6 route show default")).Succeeded();
        Assert.Contains("nameserver 10.0.2.3", said, StringComparison.Ordinal);
        Assert.Contains("inet 127.0.0.1/8", said, StringComparison.Ordinal);
        Assert.Contains("inet 10.0.2.100/24", said, StringComparison.Ordinal);
        Assert.Contains("inet6 fd00::", said, StringComparison.Ordinal);
        Assert.DoesNotContain("tentative", said, StringComparison.Ordinal);
        Assert.Contains("default via 10.0.2.2", said, StringComparison.Ordinal);
    }

    /// <summary>The kernel takes a mount away with the name that it lay on, and a link may be turned: as network managers do it.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Its_resolv_conf_outlasts_the_host_s(bool asUser)
    {
        string become = asUser ? string.Join(' ', Machine.AsUser) : "";
        string script = $$"""
            mount -t tmpfs tmpfs /mnt && cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc && rm -f /etc/resolv.conf
            mkdir /etc/one /etc/other && echo nameserver 192.0.2.1 | tee /etc/resolv.conf /etc/one/conf >/etc/other/conf
            exec {{become}} {{Machine.Binary}} run -- sh -c 'echo pid $$; exec cat'
            """;
        await using ChildProcess run = ChildProcess.Start(["unshare", "--mount", "--propagation=private", "sh", "-c", script], givesStdin: true);
        string command = (await run.StdoutLineAsync("pid ")).Split(' ')[1];
        string[] changes =
        [
            "cp /etc/one/conf /etc/next; mv /etc/next /etc/resolv.conf", "cp /etc/one/conf /etc/next; mv /etc/next /etc/resolv.conf",
            "ln -s one/conf /etc/next; mv -T /etc/next /etc/resolv.conf", "ln -s other/conf /etc/next; mv -T /etc/next /etc/resolv.conf",
            "cp /etc/one/conf /etc/other/next; mv /etc/other/next /etc/other/conf", "rm /etc/other/conf; cp /etc/one/conf /etc/other/conf",
            "rm /etc/resolv.conf; ln -s one/conf /etc/resolv.conf", "rm /etc/resolv.conf; cp /etc/one/conf /etc/resolv.conf",
        ];
        foreach (string change in changes)
        {
            (await ChildProcess.RunAsync("nsenter", "-t", $"{run.Pid}", "-m", "sh", "-c", change)).Succeeded();
            await SeesOursAsync(command).WithinAsync($"the command's resolv.conf after: {change}");
        }

        string mounts = await File.ReadAllTextAsync($"/proc/{command}/mountinfo");
        Assert.InRange(mounts.Split(" /resolv.conf ").Length - 1, 1, 2);
        run.CloseStdin();
        Assert.Equal(0, (await run.WaitAsync()).Status);
    }

    /// <summary>The process that keeps the file has the command's network only, and the command's root has no way into it; it ends
    /// however slirpnet does.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task What_keeps_its_resolv_conf_is_no_way_out_and_goes_with_slirpnet()
    {
        await using ChildProcess run = ChildProcess.Start([Machine.Binary, "run", "--", "sh", "-c", "echo pid $$; exec cat"], givesStdin: true);
        string command = (await run.StdoutLineAsync("pid ")).Split(' ')[1];
        string[] children = (await File.ReadAllTextAsync($"/proc/{run.Pid}/task/{run.Pid}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string keeper = Assert.Single(children, child => child != command);
        Assert.Equal(new FileInfo($"/proc/{command}/ns/net").LinkTarget, new FileInfo($"/proc/{keeper}/ns/net").LinkTarget);
        Outcome look = await ChildProcess.RunAsync("nsenter", "-t", command, "-U", "-m", "-n", "--preserve-credentials", "readlink", $"/proc/{keeper}/ns/net");
        Assert.NotEqual(0, look.Status);
        run.Signal(UnixSignal.Kill);
        await run.WaitAsync();
        await EndsAsync(keeper).WithinAsync("the end of what keeps resolv.conf");
    }

    private static async Task EndsAsync(string pid)
    {
        while (Directory.Exists($"/proc/{pid}") && !(await File.ReadAllTextAsync($"/proc/{pid}/status")).Contains("State:\tZ", StringComparison.Ordinal))
            await Task.Delay(20);
    }

    private static async Task SeesOursAsync(string pid)
    {
        // The mounts alone: what the file's owner may read is not the question.
        while (!(await ChildProcess.RunAsync("nsenter", "-t", pid, "-m", "cat", "/etc/resolv.conf")).Stdout.StartsWith("nameserver 10.0.2.3\n", StringComparison.Ordinal))
            await Task.Delay(20);
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_command_reaches_a_server_of_the_host(bool asUser)
    {
        await using var server = new TcpServer(OwnNetwork.Instance, IPAddress.Loopback, async socket =>
        {
            await socket.SendAsync("hello from the host\n"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
        });
        Outcome outcome = await RunAsync(asUser, "bash", "-c", $"cat </dev/tcp/10.0.2.2/{server.Port}");
        Assert.Equal("hello from the host\n", outcome.Succeeded());
    }

    /// <summary>Whoever has sent, closed and ended may count on what it sent, as on the host: also where the other end is slow to
    /// take it, and has taken next to nothing when the network ends.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(100_000, true)]
    [InlineData(3_000_000, false)]
    public async Task What_the_command_has_sent_arrives_after_its_end(int length, bool waits)
    {
        var ended = new TaskCompletionSource();
        var received = new TaskCompletionSource<int>();
        await using var server = new TcpServer(OwnNetwork.Instance, IPAddress.Loopback, async socket =>
        {
            if (waits) await ended.Task;
            var buffer = new byte[1 << 16];
            int sum = 0;
            for (int count; (count = await socket.ReceiveAsync(buffer)) > 0; sum += count)
                if (!waits) await Task.Delay(1);
            received.SetResult(sum);
        });
        (await RunAsync(false, "bash", "-c", $"head -c {length} /dev/zero >/dev/tcp/10.0.2.2/{server.Port}")).Succeeded();
        ended.SetResult();
        Assert.Equal(length, await received.Task.WithinAsync("the end of what was sent"));
    }

    /// <summary>As the first process of a container, which is the parent of whoever has lost his own.</summary>
    [EndToEndFact(OtherUsers = true, SlirpnetOnly = true, Tools = "ps")]
    public async Task Processes_that_are_left_to_it_are_reaped()
    {
        const string script = "for i in 1 2 3; do sh -c 'true &'; done; while ps -eo stat= | grep -q Z; do :; done; exit 7";
        Outcome outcome = await ChildProcess.RunAsync("unshare", "-pf", "--kill-child", "--mount-proc", Machine.Binary, "run", "--", "sh", "-c", script);
        Assert.Equal(7, outcome.Status);
    }

    /// <summary>Not even the file of our resolver may be written then, and the signal for that is not the command's.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Where_no_file_may_have_a_length_the_command_runs_all_the_same()
    {
        Outcome outcome = await ChildProcess.RunAsync("bash", "-c", $"ulimit -f 0; exec {Machine.Binary} run -- sh -c 'exit 7'");
        Assert.Equal(7, outcome.Status);
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_command_s_machine_is_as_it_was()
    {
        string resolvConf = await File.ReadAllTextAsync("/etc/resolv.conf");
        Assert.Equal(Directory.GetCurrentDirectory() + "\n", (await RunAsync(false, "pwd")).Succeeded());
        Assert.Equal(resolvConf, await File.ReadAllTextAsync("/etc/resolv.conf"));
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Options_before_the_command_are_ours()
    {
        string said = (await ChildProcess.RunAsync(Machine.Binary, "run", "--mtu=4000", "--cidr=10.11.0.0/16", "--",
            "ip", "address")).Succeeded();
        Assert.Contains("mtu 4000", said, StringComparison.Ordinal);
        Assert.Contains("inet 10.11.0.100/16", said, StringComparison.Ordinal);
    }

    private static ChildProcess Start(bool asUser, params string[] command) =>
        ChildProcess.Start([.. asUser ? Machine.AsUser : [], Machine.Binary, "run", "--", .. command], givesStdin: true);

    private static Task<Outcome> RunAsync(bool asUser, params string[] command) =>
        ChildProcess.RunAsync([.. asUser ? Machine.AsUser : [], Machine.Binary, "run", "--", .. command]);

    /// <summary>Without the line about the one wall that this machine may not have.</summary>
    internal static string WithoutWalls(string errors) => Machine.HasLandlock ? errors
        : string.Concat(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.Contains("landlock: ", StringComparison.Ordinal)).Select(line => line + "\n"));
}
