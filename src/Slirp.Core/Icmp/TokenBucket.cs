namespace Slirp.Core.Icmp;

/// <summary>So many at once, so many a second after that.</summary>
public struct TokenBucket(int perSecond, int burst)
{
    private readonly long _nanosecondsPerToken = 1_000_000_000 / perSecond;
    private readonly long _capacity = 1_000_000_000L / perSecond * burst;

    // The credit is kept as time: when it would all have been used up, had it been spent evenly.
    private long _emptySince = long.MinValue;

    public bool TryTake(Instant now)
    {
        long from = Math.Max(_emptySince, now.Nanoseconds - _capacity);
        if (from + _nanosecondsPerToken > now.Nanoseconds) return false;
        _emptySince = from + _nanosecondsPerToken;
        return true;
    }
}
