using Xunit;

namespace Slirp.Cli.Tests;

/// <summary>Who says something never waits for who reads it.</summary>
public class BackgroundWriterTests
{
    private static readonly TimeSpan Ample = TimeSpan.FromMinutes(1);

    private readonly List<string> _written = []; // by the writer's thread; read when that has ended

    [Fact]
    public void Every_line_is_written_in_order()
    {
        var writer = new BackgroundWriter(_written.Add);
        for (int i = 0; i < BackgroundWriter.MaxWaiting; i++) writer.Write($"{i}");
        writer.Start();
        Assert.True(writer.TryFinish(Ample));
        Assert.Equal(Enumerable.Range(0, BackgroundWriter.MaxWaiting).Select(i => $"{i}"), _written);
    }

    [Fact]
    public void What_finds_no_room_is_left_out_and_counted()
    {
        var writer = new BackgroundWriter(_written.Add);
        for (int i = 0; i < BackgroundWriter.MaxWaiting + 7; i++) writer.Write("x");
        writer.Start();
        Assert.True(writer.TryFinish(Ample));
        Assert.Equal(BackgroundWriter.MaxWaiting + 1, _written.Count);
        Assert.StartsWith("7 lines were left out", _written[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_who_does_not_read_keeps_nobody()
    {
        using var isReading = new ManualResetEventSlim();
        var writer = new BackgroundWriter(line =>
        {
            isReading.Wait();
            _written.Add(line);
        });
        writer.Start();
        for (int i = 0; i < 10_000; i++) writer.Write($"{i}");
        Assert.False(writer.TryFinish(TimeSpan.Zero));
        isReading.Set();
        Assert.True(writer.TryFinish(Ample));
        Assert.Equal("0", _written[0]);
        Assert.InRange(_written.Count, BackgroundWriter.MaxWaiting + 1, BackgroundWriter.MaxWaiting + 2);
    }
}
