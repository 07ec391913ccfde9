using System.Diagnostics;
using System.Globalization;
using Slirp.Linux.Events;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Namespaces;

public sealed class NamespaceCommandTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("slirp-command-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [NamespaceFact]
    public void The_command_starts_in_a_network_that_is_configured_already()
    {
        using NamespaceCommand command = Start($"ip -o addr show dev tap0 > {_directory}/out; ip link show dev lo >> {_directory}/out");
        using (var route = new RouteSocket(command.Netlink))
        {
            LinkInfo tap = route.GetLink("tap0");
            route.SetUp(tap, true);
            route.AddAddress(tap, NetAddress.Ipv4(0x0a000264), 24);
        }
        command.Go();
        Assert.Equal(0, command.WaitForExit());
        string output = File.ReadAllText($"{_directory}/out");
        Assert.Contains("inet 10.0.2.100/24", output, StringComparison.Ordinal);
        Assert.Contains("lo:", output, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public void It_has_not_begun_before_it_is_let_go_and_ends_unbegun_when_it_is_not()
    {
        ProcessWatch watch;
        using (NamespaceCommand command = Start($"touch {_directory}/begun"))
        {
            watch = ProcessWatch.Open(command.Pid);
            Assert.False(watch.HasEnded);
        }
        using (watch) Assert.True(watch.HasEnded);
        Assert.False(File.Exists($"{_directory}/begun"));
    }

    [NamespaceFact]
    public void Its_exit_status_is_told()
    {
        Assert.Equal(7, Run("exit 7"));
    }

    [NamespaceFact]
    public void A_signal_is_told_as_a_shell_tells_it()
    {
        Assert.Equal(128 + 15, Run("kill -TERM $$"));
    }

    [NamespaceFact]
    public void A_signal_sent_to_it_reaches_it_and_its_descriptor_tells_of_its_end()
    {
        using NamespaceCommand command = Start($"trap 'exit 42' USR1; echo > {_directory}/fifo; while :; do read line; done");
        MakeFifo($"{_directory}/fifo");
        command.Go();
        File.ReadAllText($"{_directory}/fifo"); // the trap is set
        Assert.True(command.Process.Signal(10).IsOk);
        Assert.Equal(1, Descriptor.Poll(command.Process.Fd, PollEvents.POLLIN, 10_000, out _).Raw);
        Assert.Equal(42, command.WaitForExit());
    }

    [NamespaceFact]
    public void It_has_the_standard_descriptors_those_it_is_given_and_no_others()
    {
        using OwnedFd given = Descriptor.OpenFile("/dev/zero", OpenFlags.O_RDONLY).OwnedOrThrow("open", "/dev/zero");
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest
        {
            Command = ["sh", "-c", $"exec ls -l /proc/self/fd > {_directory}/out"],
            Descriptors = [given.Value],
        });
        command.Go();
        Assert.Equal(0, command.WaitForExit());
        string[] open = [.. File.ReadAllLines($"{_directory}/out").Where(line => line.Contains(" -> ", StringComparison.Ordinal))];
        Assert.Single(open, line => line.EndsWith($" {given.Value} -> /dev/zero", StringComparison.Ordinal));
        Assert.Single(open, line => line.Contains("-> /proc/", StringComparison.Ordinal)); // the directory being listed
        Assert.Equal(5, open.Length);
    }

    [NamespaceFact]
    public void Its_signals_are_at_their_defaults_but_for_an_ignored_hang_up_and_none_is_blocked()
    {
        Assert.Equal("0000000000000000", IgnoredAfter("env --default-signal=HUP --ignore-signal=INT,QUIT,TERM,USR1"));
        Assert.Equal("0000000000000001", IgnoredAfter("env --ignore-signal=HUP,INT"));

        static string IgnoredAfter(string prefix)
        {
            var (status, output) = HelperProcess.RunThroughShell(prefix, "", "run", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status");
            Assert.Equal(0, status);
            Assert.StartsWith("SigBlk:\t0000000000000000\nSigIgn:\t", output, StringComparison.Ordinal);
            return output.Trim()[^16..];
        }
    }

    [NamespaceFact]
    public void It_is_root_inside_and_keeps_directory_group_and_environment()
    {
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest
        {
            Command = ["sh", "-c", $"(id -u; pwd; cut -d' ' -f5 /proc/self/stat; echo $PATH; echo \"$SLIRP_TEST\"; echo $1) > {_directory}/out", "sh", "one argument"],
            Environment = new Dictionary<string, string> { ["SLIRP_TEST"] = "a  b", ["PATH"] = "/bin:/usr/bin" },
        });
        string ownGroup = File.ReadAllText("/proc/self/stat").Split(") ")[1].Split(' ')[2];
        command.Go();
        Assert.Equal(0, command.WaitForExit());
        Assert.Equal(["0", Directory.GetCurrentDirectory(), ownGroup, "/bin:/usr/bin", "a  b", "one argument"], File.ReadAllLines($"{_directory}/out"));
    }

    [NamespaceFact]
    public void It_sees_the_resolv_conf_it_is_given_and_nobody_else_does()
    {
        File.WriteAllText($"{_directory}/resolv.conf", "nameserver 10.0.2.3\n");
        string before = File.Exists("/etc/resolv.conf") ? File.ReadAllText("/etc/resolv.conf") : "";
        Assert.Equal(0, Run($"cp /etc/resolv.conf {_directory}/out", $"{_directory}/resolv.conf"));
        Assert.Equal("nameserver 10.0.2.3\n", File.ReadAllText($"{_directory}/out"));
        Assert.Equal(before, File.Exists("/etc/resolv.conf") ? File.ReadAllText("/etc/resolv.conf") : "");
    }

    [RootNamespaceFact]
    public void It_sees_the_resolv_conf_where_the_machine_s_own_is_a_link_to_nothing()
    {
        Directory.CreateDirectory($"{_directory}/etc");
        Directory.CreateDirectory($"{_directory}/given");
        File.CreateSymbolicLink($"{_directory}/etc/resolv.conf", "../nowhere/resolv.conf");
        File.WriteAllText($"{_directory}/etc/hostname", "here\n");
        File.WriteAllText($"{_directory}/given/resolv.conf", "nameserver 10.0.2.3\n");
        string run = HelperProcess.LineOf("run-with-resolv", $"{_directory}/given/resolv.conf", "cat", "/etc/resolv.conf", "/etc/hostname");
        var (status, output) = HelperProcess.Run("unshare", "-m", "sh", "-c", $"mount --bind '{_directory}/etc' /etc && {run}");
        Assert.Equal("nameserver 10.0.2.3\nhere\n", output);
        Assert.Equal(0, status);
    }

    [NamespaceFact]
    public void Sys_shows_the_interfaces_of_the_new_network()
    {
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest
        {
            Command = ["sh", "-c", $"ls /sys/class/net > {_directory}/out"],
            MountSys = true,
        });
        command.Go();
        Assert.Equal(0, command.WaitForExit());
        if (command.Warnings.Count == 0)
        {
            using var fresh = new NamespaceHolder();
            Assert.Equal(fresh.FirstInterfaces.Append("tap0").Order(), File.ReadAllLines($"{_directory}/out").Order());
        }
        else
        {
            Assert.Equal(("mount(sysfs)", Errno.EPERM), (command.Warnings[0].Step, command.Warnings[0].Errno));
        }
    }

    [NamespaceFact]
    public void The_soft_limit_on_descriptors_is_what_was_asked_for()
    {
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest
        {
            Command = ["sh", "-c", $"ulimit -n > {_directory}/out"],
            DescriptorSoftLimit = 777,
        });
        command.Go();
        Assert.Equal(0, command.WaitForExit());
        Assert.Equal("777\n", File.ReadAllText($"{_directory}/out"));
    }

    [NamespaceFact]
    public void A_program_that_is_not_there_is_refused_before_anything_is_made()
    {
        var e = Assert.Throws<LinuxException>(() => NamespaceCommand.Start(new CommandRequest { Command = ["no-such-program-here"] }));
        Assert.Equal(127, NamespaceCommand.ExitStatusFor(e));
        Assert.StartsWith("execve on no-such-program-here: ENOENT (", e.Message, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public void A_path_that_cannot_be_executed_is_told_by_going()
    {
        File.WriteAllText($"{_directory}/plain", "exit 0\n");
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest { Command = [$"{_directory}/plain"] });
        var e = Assert.Throws<LinuxException>(command.Go);
        Assert.Equal((126, Errno.EACCES), (NamespaceCommand.ExitStatusFor(e), e.Errno));
    }

    [NamespaceFact]
    public void A_script_without_an_interpreter_line_is_run_by_the_shell()
    {
        File.WriteAllText($"{_directory}/script", "exit $1\n");
        File.SetUnixFileMode($"{_directory}/script", (UnixFileMode)0b111_101_101);
        using NamespaceCommand command = NamespaceCommand.Start(new CommandRequest { Command = [$"{_directory}/script", "33"] });
        command.Go();
        Assert.Equal(33, command.WaitForExit());
    }

    [RootNamespaceFact]
    public void A_plain_user_becomes_root_of_one_user()
    {
        File.SetUnixFileMode("/dev/net/tun", (UnixFileMode)0b110_110_110);
        var (status, output) = HelperProcess.RunAsNobody("run", "sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups | tr -s ' '; exit 5");
        Assert.Equal("0\n0\n 0 65534 1\ndeny\n", output);
        Assert.Equal(5, status);
    }

    [RootNamespaceFact]
    public void Root_keeps_every_user_and_may_change_groups()
    {
        var (status, output) = HelperProcess.RunAsRoot("run", "setpriv", "--reuid=1234", "--regid=1234", "--groups=7", "id", "-u");
        Assert.Equal("1234\n", output);
        Assert.Equal(0, status);
    }

    [RootNamespaceFact]
    public void It_runs_inside_a_user_namespace_with_one_user_too()
    {
        var (status, output) = HelperProcess.RunInOwnNetwork("run", "sh", "-c", "id -u; exit 4");
        Assert.Equal("0\n", output);
        Assert.Equal(4, status);
    }

    [Fact]
    public void Root_s_map_shows_each_number_as_itself()
    {
        Assert.Equal("0 0 1\n1 1 65536\n", IdMaps.IdentityOf("         0       1000          1\n         1     100000      65536\n"));
        Assert.Equal("0 0 4294967295\n", IdMaps.IdentityOf("         0          0 4294967295\n"));
        Assert.Equal("", IdMaps.IdentityOf(""));
    }

    [Fact]
    public void The_environment_is_passed_on_octet_for_octet_but_for_what_changes()
    {
        byte[] own = [.. "A=1\0B="u8, 0xff, 0, .. "PATH=/old\0=odd\0LAST=x"u8];
        List<byte[]> passed = CommandLookup.Environment(own, new Dictionary<string, string> { ["PATH"] = "/new", ["MORE"] = "" });
        byte[][] expected = [[.. "A=1\0"u8], [.. "B="u8, 0xff, 0], [.. "=odd\0"u8], [.. "LAST=x\0"u8], [.. "PATH=/new\0"u8], [.. "MORE=\0"u8]];
        Assert.Equal(expected, passed);
    }

    [Fact]
    public void A_program_is_looked_up_as_a_shell_does()
    {
        Directory.CreateDirectory($"{_directory}/a/prog");
        Directory.CreateDirectory($"{_directory}/b");
        File.WriteAllText($"{_directory}/b/prog", "");
        string path = $"{_directory}/a:{_directory}/b:/usr/bin:/bin";
        Assert.Equal(Errno.EACCES, Assert.Throws<LinuxException>(() => CommandLookup.Find("prog", path)).Errno);
        File.SetUnixFileMode($"{_directory}/b/prog", UnixFileMode.UserExecute);
        Assert.Equal($"{_directory}/b/prog", CommandLookup.Find("prog", path));
        Assert.Equal("./prog", CommandLookup.Find("./prog", path));
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => CommandLookup.Find("", path)).Errno);
    }

    [NamespaceFact]
    public void Its_status_is_known_when_the_caller_ignores_SIGCHLD()
    {
        var (status, _) = HelperProcess.RunThroughShell("trap '' CHLD;", "", "run", "sh", "-c", "exit 9");
        Assert.Equal(9, status);
    }

    [NamespaceFact]
    public void It_dies_with_its_parent()
    {
        MakeFifo($"{_directory}/fifo");
        string self = typeof(NamespaceCommandTests).Assembly.Location;
        using Process helper = Process.Start(new ProcessStartInfo("dotnet", [self, "run", "sh", "-c", $"echo $$ > {_directory}/fifo; while :; do sleep 1000; done"]))!;
        int pid = int.Parse(File.ReadAllText($"{_directory}/fifo"), CultureInfo.InvariantCulture);
        using ProcessWatch watch = ProcessWatch.Open(pid);
        Assert.False(watch.HasEnded);
        helper.Kill();
        helper.WaitForExit();
        Assert.Equal(1, Descriptor.Poll(watch.Fd, PollEvents.POLLIN, 10_000, out _).Raw);
    }

    private static void MakeFifo(string path) => Assert.Equal(0, HelperProcess.Run("mkfifo", path).Status);

    private static NamespaceCommand Start(string script) =>
        NamespaceCommand.Start(new CommandRequest { Command = ["sh", "-c", script] });

    private static int Run(string script, string? resolvConf = null)
    {
        using NamespaceCommand command = NamespaceCommand.Start(
            new CommandRequest { Command = ["sh", "-c", script], ResolvConf = resolvConf is null ? null : File.ReadAllBytes(resolvConf) });
        Assert.Empty(command.Warnings);
        command.Go();
        return command.WaitForExit();
    }
}
