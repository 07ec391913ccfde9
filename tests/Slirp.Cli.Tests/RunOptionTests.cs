using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class RunOptionTests
{
    [Theory]
    [InlineData("run", "")]
    [InlineData("run --", "")]
    [InlineData("run -6", "")]
    [InlineData("run sh", "sh")]
    [InlineData("run -- sh -c -e", "sh -c -e")]
    [InlineData("run curl --mtu=1 -6 --help", "curl --mtu=1 -6 --help")]
    [InlineData("run --mtu 1400 -- ls -- -l", "ls -- -l")]
    [InlineData("run ls -- -l", "ls -- -l")]
    [InlineData("run -- -c", "-c")]
    [InlineData("run run", "run")]
    [InlineData("run -- --help", "--help")]
    public void The_command_is_left_alone(string line, string command)
    {
        Assert.Equal(Argv.Words(command), Argv.RunLine(line).Command);
    }

    [Fact]
    public void Options_before_the_command_are_ours_and_those_behind_are_not()
    {
        RunOptions run = Argv.RunLine(
            "run -6 --mtu=9000 -p 8080:80 -e3 -r 4 --log-level=debug --enable-sa ip -6 --mtu=1 addr");
        Assert.Equal("ip -6 --mtu=1 addr", string.Join(' ', run.Command));
        Assert.Equal((9000, true), (run.Network.Mtu, run.Network.EnableIpv6));
        Assert.Equal(80, Assert.Single(run.Network.Publish).Guest.First);
        Assert.Equal(new LifecycleOptions(3, 4, null, LogLevel.Debug), run.Lifecycle);
        Assert.Equal(new ConfinementOptions(EnableSandbox: true, EnableSeccomp: false), run.Confinement);
    }

    [Fact]
    public void Defaults_are_the_same_as_for_attach()
    {
        RunOptions run = Argv.RunLine("run");
        Assert.Equal(NetworkOptions.Default, run.Network);
        Assert.Equal(LifecycleOptions.Default, run.Lifecycle);
        Assert.Equal(ConfinementOptions.Default, run.Confinement);
    }

    [Theory]
    [InlineData("run -c true")]
    [InlineData("run --configure true")]
    [InlineData("run --macaddress=2:0:0:0:0:1 true")]
    public void Configure_is_implied_and_harmless(string line)
    {
        Assert.Equal("true", Assert.Single(Argv.RunLine(line).Command));
    }

    [Theory]
    [InlineData("--netns-type=path")]
    [InlineData("--userns-path=/exists")]
    [InlineData("--target-type=bess")]
    [InlineData("--no-exit-with-target")]
    public void Options_about_a_target_are_unknown(string option)
    {
        UsageFailure failure = Argv.Refused("run", option, "true");
        Assert.Equal(new UsageFailure($"slirpnet: unrecognized option '{option}'", ShowUsage: true), failure);
    }

    [Theory]
    [InlineData("run --mtu=67 true", "MTU 67 is too small: IPv4 needs at least 68")]
    [InlineData("run --cidr=bad true", "invalid CIDR: bad")]
    [InlineData("run --macaddress=zz true", null)]
    [InlineData("run -a  true", "the specified API socket path is empty")]
    public void Values_are_checked_as_for_attach(string line, string? message)
    {
        UsageFailure failure = Argv.Refused(Argv.Words(line));
        Assert.False(failure.ShowUsage);
        if (message is not null) Assert.Equal(message, failure.Message);
        else Assert.StartsWith("\"zz\" is an invalid MAC address.", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_usage_error_shows_the_help_of_run()
    {
        CommandLineReport report = Argv.Report("run", "--bogus");
        Assert.Equal("slirpnet: unrecognized option '--bogus'\n", report.Error);
        Assert.Equal("Usage: slirpnet run [OPTION]... [--] [CMD [ARG]...]", Argv.Lines(report.Output)[0]);
        Assert.Equal(1, report.ExitStatus);
    }

    [Theory]
    [InlineData("--mtu=1500 run")]
    [InlineData("42 run")]
    [InlineData("-- run")]
    public void Only_a_first_word_is_the_subcommand(string line)
    {
        Assert.False(Argv.ReadLine(line).IsRun);
    }

    [Fact]
    public void There_is_no_subcommand_under_the_name_of_slirp4netns()
    {
        CommandLine line = CommandLine.Parse(new ProgramName("/x/slirp4netns"), ["run", "tap0"], Argv.PathCheck);
        Assert.Equal(UsageFailure.WithUsage("PID must be a positive integer"), line.Command);
    }
}
