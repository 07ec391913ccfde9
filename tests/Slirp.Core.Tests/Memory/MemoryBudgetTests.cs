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
        Assert.Equal(share, _budget.FairShare(wanted));
    }

    [Fact]
    public void Of_what_is_promised_beyond_the_ceiling_nothing_is_left()
    {
        _budget.Adjust(0, Ceiling + 200); // that is possible: what comes from a host is held without room for it
        Assert.Equal(0, _budget.Available);
        Assert.Equal(0, _budget.FairShare(5000));
    }
}
