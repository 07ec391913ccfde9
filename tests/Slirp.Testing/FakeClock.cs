using Slirp.Core;

namespace Slirp.Testing;

/// <summary>A clock that moves when told to. Starts well after the origin, so that no deadline is accidentally "0".</summary>
public sealed class FakeClock
{
    public Instant Now { get; private set; } = new(1_000_000_000_000);

    public Instant Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        return Now += by;
    }

    public Instant AdvanceSeconds(double seconds) => Advance(TimeSpan.FromSeconds(seconds));

    public Instant AdvanceMilliseconds(double milliseconds) => Advance(TimeSpan.FromMilliseconds(milliseconds));
}
