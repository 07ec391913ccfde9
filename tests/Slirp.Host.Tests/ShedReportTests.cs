using Slirp.Core;
using Xunit;

namespace Slirp.Host.Tests;

public class ShedReportTests
{
    private readonly List<string> _said = [];
    private readonly ShedReport _report;
    private long _first, _second;

    public ShedReportTests() =>
        _report = new ShedReport(_said.Add, [new("first", () => _first), new("second", () => _second)]);

    [Fact]
    public void Nothing_shed_is_nothing_said()
    {
        _report.Look(At(0));
        Assert.Empty(_said);
    }

    [Fact]
    public void Each_limit_is_told_once_a_minute()
    {
        for (int second = 0; second < 60; second++)
        {
            _first++;
            _report.Look(At(second));
        }

        _second++;
        _report.Look(At(59));
        Assert.Equal(["first", "second"], _said);
        _report.Look(At(61));
        Assert.Equal(2, _said.Count);
        _first++;
        _report.Look(At(62));
        Assert.Equal(["first", "second", "first"], _said);
    }

    private static Instant At(int seconds) => new(seconds * 1_000_000_000L);
}
