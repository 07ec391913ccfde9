using System.Collections.Immutable;
using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class UnsupportedTests
{
    private static readonly ImmutableArray<UnsupportedOption> List =
    [
        new("api-socket", "this build has no API"),
        new("target-type=bess", "there is no BESS link"),
        new("enable-sandbox", "no mount namespace yet"),
    ];

    [Theory]
    [InlineData("-a /s 42 tap0", "--api-socket is not supported: this build has no API")]
    [InlineData("--api=/s 42 tap0", "--api-socket is not supported: this build has no API")]
    [InlineData("--target-type=bess /s", "--target-type=bess is not supported: there is no BESS link")]
    [InlineData("--create-sandbox 42 tap0", "--enable-sandbox is not supported: no mount namespace yet")]
    [InlineData("run -a /s", "--api-socket is not supported: this build has no API")]
    public void A_listed_option_is_refused_by_name(string line, string message)
    {
        Assert.Equal(UsageFailure.MessageOnly(message), Unsupported.Refusal(Argv.ReadLine(line), List));
    }

    [Theory]
    [InlineData("42 tap0")]
    [InlineData("--target-type=netns 42 tap0")]
    [InlineData("run -- sh -a")]
    public void Other_lines_pass(string line)
    {
        Assert.Null(Unsupported.Refusal(Argv.ReadLine(line), List));
    }

    [Fact]
    public void The_list_names_declared_options_only()
    {
        var names = OptionTable.All.Select(o => o.Name).ToHashSet();
        Assert.All(Unsupported.Options, o => Assert.Contains(o.Name.Split('=')[0], names));
        Assert.All(List, o => Assert.Contains(o.Name.Split('=')[0], names));
    }
}
