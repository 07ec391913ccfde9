using Slirp.Core.Memory;
using Xunit;

namespace Slirp.Core.Tests.Memory;

public class MemoryBudgetTests
{
    private const long Ceiling = 8000;

    private readonly MemoryBudget _budget = new(Ceiling);

    [Theory]
    [InlineData(0, 500, 500)] // what it wants
    [InlineData(0, 5000, 1000)] // an eighth of what is left
    [InlineData(4000, 5000, 500)]
    public void A_share_is_what_is_wanted_or_an_eighth_of_the_rest(long promised, long wanted, long share)
    {
        _budget.Adjust(0, promised);
        Assert.Equal(share, _budget.FairShare(wanted, 100));
        Assert.Equal(0, _budget.OverdraftCount);
    }

    [Fact]
    public void The_least_is_given_whatever_is_left_and_counted()
    {
        _budget.Adjust(0, Ceiling - 100);
        Assert.Equal(100, _budget.FairShare(5000, 100));
        Assert.Equal(1, _budget.OverdraftCount);
        _budget.Adjust(0, 300); // that is possible: the least is promised without room for it
        Assert.Equal(0, _budget.Available);
        Assert.Equal(100, _budget.FairShare(5000, 100));
        Assert.Equal(0, _budget.FairShare(5000, 0));
        Assert.Equal(2, _budget.OverdraftCount);
    }
}
