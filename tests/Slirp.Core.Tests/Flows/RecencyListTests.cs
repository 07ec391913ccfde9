using Slirp.Core.Flows;
using Xunit;

namespace Slirp.Core.Tests.Flows;

public sealed class RecencyListTests
{
    [Fact]
    public void It_agrees_with_a_plain_list()
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var list = new RecencyList();
        var model = new List<int>();
        for (int step = 0; step < 50_000; step++)
        {
            int slot = random.Next(step < 20_000 ? 30 : 500);
            bool touch = random.Next(3) != 0;
            model.Remove(slot);
            if (touch) model.Add(slot);
            if (touch) list.Touch(slot);
            else list.Remove(slot);
            Assert.True(model.Count == list.Count, $"seed {seed}, step {step}");
            Assert.True((model.Count == 0 ? -1 : model[0]) == list.Oldest, $"seed {seed}, step {step}");
        }
        while (model.Count > 0)
        {
            Assert.Equal(model[0], list.Oldest);
            list.Remove(list.Oldest);
            model.RemoveAt(0);
        }
        Assert.Equal(-1, list.Oldest);
    }

    [Fact]
    public void What_was_never_there_can_be_removed()
    {
        var list = new RecencyList();
        list.Remove(5);
        list.Remove(100_000);
        Assert.Equal(0, list.Count);
        list.Touch(0);
        list.Remove(1);
        Assert.Equal(0, list.Oldest);
    }
}
