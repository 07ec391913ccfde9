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
    private const int SeedsPerRun = 1000;

    protected void RunSeeds(int first, Func<SimulationPlan, SimulationPlan> adjust)
    {
        (int from, int to) = (first, first + SeedsPerRun - 1);
        bool isReplay = int.TryParse(Environment.GetEnvironmentVariable("SLIRP_SEED"), CultureInfo.InvariantCulture, out int one);
        if (isReplay) (from, to) = (one, one);
        else if (Environment.GetEnvironmentVariable("SLIRP_SEEDS")?.Split('-') is [string a, string b])
            (from, to) = (int.Parse(a, CultureInfo.InvariantCulture), int.Parse(b, CultureInfo.InvariantCulture));
        for (int seed = from; seed <= to; seed++)
        {
            SimulationPlan plan = adjust(SimulationPlan.FromSeed(seed));
            try
            {
                if (isReplay) output.WriteLine(plan.ToString());
                new TcpSimulation(plan, isReplay ? output.WriteLine : null).Run();
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed} failed (replay: SLIRP_SEED={seed} dotnet test tests/Slirp.Simulation.Tests --filter {GetType().Name})\n{plan}\n{e}");
            }
        }
    }
}

public sealed class AnyWeather(ITestOutputHelper output) : SeededTests(output)
{
    [Fact]
    public void Both_streams_arrive_whole() => RunSeeds(1, plan => plan);
}

public sealed class BadWeather(ITestOutputHelper output) : SeededTests(output)
{
    [Fact]
    public void Both_streams_arrive_whole_however_bad_the_link() => RunSeeds(100_001, plan => plan with
    {
        Ending = Ending.InOrder,
        SplitsOnLink = true,
        Link = plan.Link with { Loss = 0.05, Reordering = 0.1, Duplication = 0.05 },
    });
}
