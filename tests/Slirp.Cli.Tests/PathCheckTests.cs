using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

public class PathCheckTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/proc/self/ns/net")]
    [InlineData("/proc/self/ns/user")]
    [InlineData("/dev/null")]
    public void What_is_there_is_found(string path)
    {
        Assert.Null(PathChecks.Exists(path));
    }

    [Theory]
    [InlineData("/nonexistent/ns")]
    [InlineData("/dev/null/ns")]
    [InlineData("")]
    public void What_is_not_there_is_not(string path)
    {
        Assert.Equal("No such file or directory", PathChecks.Exists(path));
    }
}
