using System.Collections.Concurrent;
using System.Globalization;
using Slirp.Core.World;
using Slirp.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.Simulation.Tests;

/// <summary>Seeds in bulk. A failure names its seed; SLIRP_SEED=n replays it alone, with every segment in the output.
/// SLIRP_SEEDS=from-to runs others than the usual ones.</summary>
public abstract class SeededTests(ITestOutputHelper output)
{
    /// <summary>How many runs met each of what there is to meet.</summary>
    protected Dictionary<Happenings, int> Met { get; } = [];

    /// <returns>True if these were the usual seeds.</returns>
    protected bool RunSeeds(int first, int count, Func<SimulationPlan, SimulationPlan> adjust)
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("SLIRP_SEED"), CultureInfo.InvariantCulture, out int one))
        {
            SimulationPlan plan = adjust(SimulationPlan.FromSeed(one));
            output.WriteLine(plan.ToString());
            new TcpSimulation(plan, output.WriteLine).Run();
            return false;
        }
        (int from, int to) = (first, first + count - 1);
        bool isUsual = true;
        if (Environment.GetEnvironmentVariable("SLIRP_SEEDS")?.Split('-') is [string a, string b])
            (isUsual, from, to) = (false, int.Parse(a, CultureInfo.InvariantCulture), int.Parse(b, CultureInfo.InvariantCulture));
        var failures = new ConcurrentQueue<string>();
        Parallel.For(from, to + 1, (seed, loop) =>
        {
            string? failure = Try(seed, adjust(SimulationPlan.FromSeed(seed)));
            if (failure is null) return;
            failures.Enqueue(failure);
            if (failures.Count >= 5) loop.Stop();
        });
        foreach ((Happenings what, int runs) in Met) output.WriteLine($"{what}: {runs}");
        Assert.True(failures.IsEmpty, string.Join('\n', failures));
        return isUsual;
    }

    /// <returns>What is wrong with that seed and how to see it again, if anything is.</returns>
    private string? Try(int seed, SimulationPlan plan)
    {
        var simulation = new TcpSimulation(plan);
        try
        {
            simulation.Run();
        }
        catch (Exception e)
        {
            return $"seed {seed} failed (replay: SLIRP_SEED={seed} dotnet test tests/Slirp.Simulation.Tests --filter {GetType().Name})\n{plan}\n{e}";
        }
        lock (Met)
        {
            foreach (Happenings what in Enum.GetValues<Happenings>())
                if (what != Happenings.None && (simulation.Met & what) != 0) Met[what] = Met.GetValueOrDefault(what) + 1;
        }
        return null;
    }
}

public sealed class AnyWeather(ITestOutputHelper output) : SeededTests(output)
{
    private const int Seeds = 5000;

    [Fact]
    public void Both_streams_arrive_whole()
    {
        if (!RunSeeds(1, Seeds, plan => plan)) return;
        // What the seeds are for, each of them met by one run in fifty at least.
        foreach (Happenings what in Enum.GetValues<Happenings>())
            if (what != Happenings.None) Assert.True(Met.GetValueOrDefault(what) >= Seeds / 50, $"only {Met.GetValueOrDefault(what)} runs met {what}");
    }

    [Fact]
    public void Every_size_of_packet_is_among_them()
    {
        var mtus = new SortedSet<int>();
        for (int seed = 1; seed <= Seeds; seed++) mtus.Add(SimulationPlan.FromSeed(seed).Mtu);
        Assert.Equal((68, 65_535), (mtus.Min, mtus.Max));
        Assert.True(mtus.Count > Seeds / 4, $"{mtus.Count} sizes");
    }
}

public sealed class BadWeather(ITestOutputHelper output) : SeededTests(output)
{
    private const int Seeds = 3000;

    [Fact]
    public void Both_streams_arrive_whole_however_bad_the_link() => RunSeeds(100_001, Seeds, plan => plan with
    {
        Ending = Ending.InOrder,
        SplitsOnLink = true,
        Link = plan.Link with { Loss = 0.05, Reordering = 0.1, Duplication = 0.05 },
        LinkFromGuest = null,
    });
}
