using Slirp.Linux.Namespaces;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Namespaces;

public class TerminalForegroundTests
{
    [Theory]
    [InlineData("1 (sh) S 0 5 5 34816 5 4194304 110", true)]
    [InlineData("1 (sh) S 0 5 5 34816 7 4194304 110", false)]
    [InlineData("1 (sh) S 0 5 5 0 -1 4194304 110", false)]
    [InlineData("1 (a) S 0 9 9 1 9 (b) R) S 0 5 5 34816 5 4194304 110", true)]
    [InlineData("1 (sh) S 0 5 5 34816", false)]
    [InlineData("", false)]
    public void The_foreground_group_stands_after_the_name(string stat, bool isOurs) =>
        Assert.Equal(isOurs, TerminalForeground.IsInForeground(stat));

    [Theory]
    [InlineData("1 (sh) S 0 5 5 34816 7 4194304 110", 7, true)]
    [InlineData("1 (sh) S 0 5 5 34816 5 4194304 110", 7, false)]
    [InlineData("1 (sh) S 0 5 5 0 -1 4194304 110", 7, false)]
    public void Another_group_can_be_asked_for(string stat, int group, bool isIt) =>
        Assert.Equal(isIt, TerminalForeground.IsInForeground(stat, group));

    [Fact]
    public void The_kernel_says_where_this_process_is()
    {
        var (_, output) = HelperProcess.Run("script", "-qec", HelperProcess.LineOf("foreground"), "/dev/null");
        Assert.Contains("True", output, StringComparison.Ordinal); // among what .NET tells the terminal
        Assert.Equal("False\n", HelperProcess.RunThroughShell("setsid -w", "", "foreground").Output);
    }
}
