using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class LifecycleOptionTests
{
    [Fact]
    public void Nothing_is_asked_for_by_default()
    {
        AttachOptions options = Argv.WithTarget();
        Assert.Equal(new LifecycleOptions(null, null, null, LogLevel.Info), options.Lifecycle);
        Assert.Equal(new ConfinementOptions(EnableSandbox: false, EnableSeccomp: false), options.Confinement);
    }

    [Theory]
    [InlineData("-e3 -r4", 3, 4)]
    [InlineData("--exit-fd=3 --ready-fd=4", 3, 4)]
    [InlineData("--exit 3 --r 4", 3, 4)]
    [InlineData("-ce 3 -r4", 3, 4)]
    [InlineData("-e 1 -e 0", 0, null)]
    [InlineData("-r 2147483647", null, 2147483647)]
    public void Descriptors_are_taken(string options, int? exitFd, int? readyFd)
    {
        LifecycleOptions lifecycle = Argv.WithTarget(Argv.Words(options)).Lifecycle;
        Assert.Equal((exitFd, readyFd), (lifecycle.ExitFd, lifecycle.ReadyFd));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("x")]
    [InlineData("3x")]
    [InlineData("")] // strtol makes it 0: standard input would have been polled, or closed
    [InlineData("99999999999")] // slirp4netns keeps the low 32 bits
    public void A_descriptor_must_be_a_number(string fd)
    {
        Assert.Equal(
            UsageFailure.WithUsage("exit-fd must be a non-negative integer"), Argv.Refused("-e", fd, "42", "tap0"));
        Assert.Equal(
            UsageFailure.WithUsage("ready-fd must be a non-negative integer"), Argv.Refused("-r", fd, "42", "tap0"));
    }

    [Theory]
    [InlineData("-a/run/api.sock")]
    [InlineData("-a /run/api.sock")]
    [InlineData("--api-socket=/run/api.sock")]
    [InlineData("--a=/run/api.sock")]
    public void Api_socket_is_taken(string option)
    {
        Assert.Equal("/run/api.sock", Argv.WithTarget(Argv.Words(option)).Lifecycle.ApiSocket);
    }

    [Fact]
    public void Api_socket_path_is_measured_in_octets()
    {
        string longest = new('a', 107), tooLong = new('a', 108), tooManyOctets = new('ä', 54);
        Assert.Equal(longest, Argv.WithTarget("-a", longest).Lifecycle.ApiSocket);
        var expected = new UsageFailure("the specified API socket path is too long (>= 108)", ShowUsage: false);
        Assert.Equal(expected, Argv.Refused("-a", tooLong, "42", "tap0"));
        Assert.Equal(expected, Argv.Refused("-a", tooManyOctets, "42", "tap0"));
    }

    [Fact]
    public void Api_socket_path_may_not_be_empty()
    {
        Assert.Equal(
            new UsageFailure("the specified API socket path is empty", ShowUsage: false),
            Argv.Refused("--api-socket=", "42", "tap0"));
    }

    [Theory]
    [InlineData("error", LogLevel.Error)]
    [InlineData("warning", LogLevel.Warning)]
    [InlineData("info", LogLevel.Info)]
    [InlineData("debug", LogLevel.Debug)]
    public void Log_level_is_taken(string word, LogLevel level)
    {
        Assert.Equal(level, Argv.WithTarget($"--log-level={word}").Lifecycle.LogLevel);
    }

    [Fact]
    public void An_unknown_log_level_is_refused()
    {
        Assert.Equal(
            new UsageFailure("log-level has to be error, warning, info or debug, not \"loud\"", ShowUsage: false),
            Argv.Refused("--log-level=loud", "42", "tap0"));
    }

    [Theory]
    [InlineData("--enable-sandbox", true, false)]
    [InlineData("--create-sandbox", true, false)]
    [InlineData("--enable-seccomp", false, true)]
    [InlineData("--enable-se --enable-sa", true, true)]
    public void Confinement_is_taken(string options, bool sandbox, bool seccomp)
    {
        Assert.Equal(new ConfinementOptions(sandbox, seccomp), Argv.WithTarget(Argv.Words(options)).Confinement);
    }
}
