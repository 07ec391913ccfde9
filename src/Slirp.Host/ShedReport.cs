using Slirp.Core;

namespace Slirp.Host;

/// <summary>Says which limit makes the service refuse or evict, once, and again no sooner than a minute later.</summary>
/// <remarks>Looked at once in each turn of the loop; what is counted only grows, so a look costs a comparison each.</remarks>
internal sealed class ShedReport(Action<string> warn, ShedReport.Limit[] limits)
{
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(1);

    /// <param name="Words">The line.</param>
    /// <param name="Count">How often the limit was met so far.</param>
    internal sealed record Limit(string Words, Func<long> Count)
    {
        internal long Seen;
        internal Instant QuietUntil;
    }

    public void Look(Instant now)
    {
        foreach (Limit limit in limits)
        {
            long count = limit.Count();
            if (count == limit.Seen) continue;
            limit.Seen = count;
            if (now < limit.QuietUntil) continue;
            limit.QuietUntil = now + Silence;
            warn(limit.Words);
        }
    }
}
