using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class TargetOptionTests
{
    private const string MacWithoutConfigure =
        "--macaddr cannot be specified when --configure or -c is not specified";

    private static UsageFailure WithUsage(string? message) => new(message, ShowUsage: true);

    [Fact]
    public void A_pid_and_a_name_are_enough()
    {
        TargetOptions target = Argv.AttachLine("42 tap0").Target;
        var pid = new AttachTarget.ByPid(42);
        Assert.Equal(new TargetOptions(pid, "tap0", Configure: false, UsernsPath: null, ExitWithTarget: true), target);
        Assert.Equal("/proc/42/ns/user", target.UsernsToEnter);
    }

    [Theory]
    [InlineData("--netns-type=pid 42 tap0", "ByPid { Pid = 42 }")]
    [InlineData("--netns-type=path /exists/ns tap0", "ByPath { Path = /exists/ns }")]
    [InlineData("--netns-type tapfd 7 tap0", "ByTapFd { Fd = 7 }")]
    [InlineData("--netns=tapfd 0", "ByTapFd { Fd = 0 }")]
    [InlineData("--netns-type=path --netns-type=pid 2147483647 tap0", "ByPid { Pid = 2147483647 }")]
    [InlineData("--target-type=netns 42 tap0", "ByPid { Pid = 42 }")]
    [InlineData("--target-type=bess /tmp/bess.sock", "Bess { Path = /tmp/bess.sock }")]
    [InlineData("-- 42 tap0", "ByPid { Pid = 42 }")]
    public void The_first_positional_is_what_the_types_say(string line, string target)
    {
        Assert.Equal(target, Argv.AttachLine(line).Target.Target.ToString());
    }

    [Theory]
    [InlineData("--netns-type=tapfd 7", null)]
    [InlineData("--netns-type=tapfd 7 tap3", "tap3")]
    [InlineData("--target-type=bess /tmp/bess.sock", null)]
    [InlineData("42 exactly15bytes0", "exactly15bytes0")]
    public void The_second_positional_names_the_tap(string line, string? name)
    {
        Assert.Equal(name, Argv.AttachLine(line).Target.TapName);
    }

    [Theory]
    [InlineData("--userns-path=/exists/u 42 tap0", "/exists/u")]
    [InlineData("--userns-path=/exists/u --netns-type=path /exists/n tap0", "/exists/u")]
    [InlineData("--netns-type=path /exists/n tap0", null)]
    [InlineData("--netns-type=tapfd 7", null)]
    public void The_user_namespace_is_the_one_named_or_that_of_the_pid(string line, string? path)
    {
        Assert.Equal(path, Argv.AttachLine(line).Target.UsernsToEnter);
    }

    [Theory]
    [InlineData("-c 42 tap0", true, true)]
    [InlineData("--configure 42 tap0", true, true)]
    [InlineData("--no-exit-with-target 42 tap0", false, false)]
    [InlineData("42 tap0 --no-e", false, false)]
    public void Flags_of_the_target(string line, bool configure, bool exitWithTarget)
    {
        TargetOptions target = Argv.AttachLine(line).Target;
        Assert.Equal((configure, exitWithTarget), (target.Configure, target.ExitWithTarget));
    }

    [Theory]
    [InlineData("")]
    [InlineData("42")]
    [InlineData("abc")] // the count comes before the value
    [InlineData("-c")]
    [InlineData("--")]
    [InlineData("--netns-type=path /missing")]
    [InlineData("--netns-type=tapfd")]
    [InlineData("--target-type=bess")]
    [InlineData("-c --target-type=bess")]
    public void Missing_positionals_get_the_usage_and_no_message(string line)
    {
        Assert.Equal(WithUsage(null), Argv.Refused(Argv.Words(line)));
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("12x")]
    [InlineData("-")]
    [InlineData("")]
    [InlineData("4294967297")] // slirp4netns takes this for pid 1
    [InlineData("/proc/42/ns/net")]
    public void A_pid_must_be_positive(string pid)
    {
        Assert.Equal(WithUsage("PID must be a positive integer"), Argv.Refused("--", pid, "tap0"));
    }

    [Theory]
    [InlineData("x")]
    [InlineData("-1")]
    [InlineData("")]
    public void A_descriptor_must_be_a_number(string fd)
    {
        Assert.Equal(WithUsage("TAPFD must a file descriptor"), Argv.Refused("--netns-type=tapfd", "--", fd));
    }

    [Fact]
    public void A_path_must_exist()
    {
        Assert.Equal(
            WithUsage("existing path expected when --netns-type=path: No such file or directory"),
            Argv.Refused("--netns-type=path", "/missing", "tap0"));
    }

    [Fact]
    public void A_user_namespace_path_must_exist_and_is_looked_at_where_it_stands()
    {
        UsageFailure expected = WithUsage("userns path doesn't exist: /missing");
        Assert.Equal(expected, Argv.Refused("--userns-path=/missing"));
        Assert.Equal(expected, Argv.Refused("--userns-path=/missing", "--userns-path=/exists", "42", "tap0"));
        Assert.Equal(expected, Argv.Refused("--userns-path=/missing", "--bogus"));
    }

    [Theory]
    [InlineData("foo")]
    [InlineData("")]
    [InlineData("PID")]
    public void An_unknown_netns_type_is_refused_and_not_taken_for_path(string word)
    {
        Assert.Equal(
            WithUsage($"unknown --netns-type \"{word}\": must be pid, path or tapfd"),
            Argv.Refused("--netns-type", word, "/exists", "tap0"));
    }

    [Theory]
    [InlineData("--target-type=x", "--target-type must be either \"netns\" or \"bess\"")]
    [InlineData("--target-type=x a b", "--target-type must be either \"netns\" or \"bess\"")]
    [InlineData("--target-type=bess a b", "too many arguments")]
    [InlineData("-c --target-type=bess a b", "too many arguments")]
    [InlineData("-c --target-type=bess a", "--configure conflicts with --target-type=bess")]
    [InlineData("--target-type=bess --netns-type=path a", "--netns-type conflicts with --target-type=bess")]
    [InlineData("--target-type=bess --netns-type=pid a", "--netns-type conflicts with --target-type=bess")]
    [InlineData("--target-type=bess --userns-path=/exists a", "--userns-path conflicts with --target-type=bess")]
    [InlineData("--macaddress=zz 42 tap0", MacWithoutConfigure)]
    [InlineData("--macaddress=2:0:0:0:0:1", MacWithoutConfigure)]
    [InlineData("--macaddress=zz --target-type=x", MacWithoutConfigure)]
    public void Options_that_do_not_go_together_show_the_usage(string line, string message)
    {
        Assert.Equal(WithUsage(message), Argv.Refused(Argv.Words(line)));
    }

    [Fact]
    public void Surplus_positionals_warn_and_are_ignored()
    {
        CommandLine line = Argv.ReadLine("42 tap0 extra -c more");
        Assert.Equal("WARNING: too many arguments", Assert.Single(line.Warnings));
        AttachOptions options = Assert.IsType<AttachCommand>(line.Command).Options;
        Assert.Equal(("tap0", true), (options.Target.TapName, options.Target.Configure));
    }

    [Theory]
    [InlineData("sixteen-bytes-00", "TAPNAME \"sixteen-bytes-00\" is too long: an interface name has at most 15 bytes")]
    [InlineData("ääääääää", "TAPNAME \"ääääääää\" is too long: an interface name has at most 15 bytes")]
    [InlineData("", "TAPNAME \"\" is not an interface name")]
    [InlineData(".", "TAPNAME \".\" is not an interface name")]
    [InlineData("..", "TAPNAME \"..\" is not an interface name")]
    [InlineData("a/b", "TAPNAME \"a/b\" is not an interface name")]
    [InlineData("a:b", "TAPNAME \"a:b\" is not an interface name")]
    [InlineData("a b", "TAPNAME \"a b\" is not an interface name")]
    public void A_name_the_kernel_would_not_take_is_refused_and_not_cut_short(string name, string message)
    {
        Assert.Equal(new UsageFailure(message, ShowUsage: false), Argv.Refused("42", name));
    }

    [Theory]
    [InlineData("--cidr=bad abc tap0", "PID must be a positive integer")]
    [InlineData("--outbound-addr=.. --cidr=bad 42 tap0", "invalid CIDR: bad")]
    [InlineData("-c --macaddress=zz --outbound-addr=.. 42 tap0", OutboundSource.InvalidIpv4)]
    [InlineData("--cidr=bad --mtu=0 42 tap0", "MTU must be a positive integer (< 65522)")]
    [InlineData("-e x --bogus", "exit-fd must be a non-negative integer")]
    [InlineData("--bogus -e x", "slirpnet: unrecognized option '--bogus'")]
    public void Of_several_mistakes_the_one_slirp4netns_names_is_named(string line, string message)
    {
        Assert.Equal(message, Argv.Refused(Argv.Words(line)).Message);
    }
}
