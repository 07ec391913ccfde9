namespace Slirp.Core;

/// <summary>A point on a monotonic clock, in nanoseconds from an arbitrary origin. Core never reads a clock: the
/// current instant is handed in.</summary>
public readonly record struct Instant(long Nanoseconds) : IComparable<Instant>
{
    public static Instant Never => new(long.MaxValue);

    public long Milliseconds => Nanoseconds / 1_000_000;

    public static Instant operator +(Instant start, TimeSpan span) => new(start.Nanoseconds + span.Ticks * 100);

    public static TimeSpan operator -(Instant later, Instant earlier) =>
        TimeSpan.FromTicks((later.Nanoseconds - earlier.Nanoseconds) / 100);

    public static bool operator <(Instant a, Instant b) => a.Nanoseconds < b.Nanoseconds;
    public static bool operator >(Instant a, Instant b) => a.Nanoseconds > b.Nanoseconds;
    public static bool operator <=(Instant a, Instant b) => a.Nanoseconds <= b.Nanoseconds;
    public static bool operator >=(Instant a, Instant b) => a.Nanoseconds >= b.Nanoseconds;

    public static Instant Earlier(Instant a, Instant b) => a < b ? a : b;

    public static Instant Later(Instant a, Instant b) => a > b ? a : b;

    public int CompareTo(Instant other) => Nanoseconds.CompareTo(other.Nanoseconds);
}
