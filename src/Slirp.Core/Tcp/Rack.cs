using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>What one flow knows of the order in which its segments arrive (RFC 8985 section 5.3). A mutable struct that
/// lives in its flow.</summary>
internal struct Rack
{
    /// <summary>The timer of ours is no finer, and a report often follows the segment it overtook at once.</summary>
    private static readonly TimeSpan SmallestWindow = TimeSpan.FromMilliseconds(1);

    private const int MaxMultiplier = 20;

    private SequenceNumber _highestDelivered;
    private bool _hasDelivered;
    private bool _hasReordering;
    private int _multiplier;

    /// <summary>When the latest segment that arrived was sent.</summary>
    public Instant SentAt { get; private set; }

    /// <summary>Where it ends.</summary>
    public SequenceNumber End { get; private set; }

    /// <summary>How long it took to be acknowledged.</summary>
    public TimeSpan Rtt { get; private set; }

    /// <summary>RFC 8985 section 6.2, steps 1 to 3.</summary>
    public void Update(in Delivery delivery)
    {
        if (!delivery.HasAny) return;
        if (delivery.HasLatest && (!_hasDelivered || delivery.SentAt > SentAt || delivery.SentAt == SentAt && delivery.End.IsAfter(End)))
            (SentAt, End, Rtt) = (delivery.SentAt, delivery.End, delivery.Now - delivery.SentAt);
        if (_hasDelivered && delivery.HasOriginal && delivery.FirstOriginalEnd.IsBefore(_highestDelivered)) _hasReordering = true;
        if (!_hasDelivered || delivery.HighestEnd.IsAfter(_highestDelivered)) _highestDelivered = delivery.HighestEnd;
        _hasDelivered = true;
    }

    /// <summary>What we sent again had arrived (RFC 2883): be more patient.</summary>
    public void OnSpuriousRetransmission() => _multiplier = Math.Min(_multiplier + 1, MaxMultiplier);

    /// <summary>RFC 8985 section 6.2, step 4: how much later than others a segment may arrive and not be lost.</summary>
    public readonly TimeSpan ReorderingWindow(bool isCertain, TimeSpan minimumRtt, TimeSpan smoothedRtt)
    {
        if (!_hasReordering && isCertain) return TimeSpan.Zero;
        TimeSpan window = minimumRtt / 4 * (1 + _multiplier);
        if (window > smoothedRtt) window = smoothedRtt;
        return window > SmallestWindow ? window : SmallestWindow;
    }
}

/// <summary>What one acknowledgment says has arrived for the first time.</summary>
/// <param name="now">When the acknowledgment came.</param>
/// <param name="echo">The sending time, in milliseconds of <paramref name="timestampOffset"/>'s clock, that it echoes.</param>
/// <param name="minimumRtt">Faster than this nothing can have been answered.</param>
public ref struct Delivery(Instant now, TimeSpan minimumRtt, uint? echo, uint timestampOffset)
{
    public Instant Now { get; } = now;
    public bool HasAny { get; private set; }

    /// <summary>Something arrived of which it is clear which of its copies did.</summary>
    public bool HasLatest { get; private set; }
    public Instant SentAt { get; private set; }
    public SequenceNumber End { get; private set; }
    public SequenceNumber HighestEnd { get; private set; }

    /// <summary>Something arrived that was sent once.</summary>
    public bool HasOriginal { get; private set; }
    public SequenceNumber FirstOriginalEnd { get; private set; }

    /// <summary>The guest has received something twice (RFC 2883).</summary>
    public bool HasDuplicate { get; set; }

    /// <param name="isReported">It lies behind a hole: the timestamp that is echoed is not its own (RFC 7323 section 4.3).</param>
    internal void Note(SequenceNumber end, Instant sentAt, bool isResent, bool isReported)
    {
        if (!HasAny || end.IsAfter(HighestEnd)) HighestEnd = end;
        HasAny = true;
        if (!isResent && (!HasOriginal || end.IsBefore(FirstOriginalEnd))) FirstOriginalEnd = end;
        HasOriginal |= !isResent;
        if (isResent && IsOfAnEarlierCopy(sentAt, isReported)) return;
        if (HasLatest && (sentAt < SentAt || sentAt == SentAt && end.IsBefore(End))) return;
        (HasLatest, SentAt, End) = (true, sentAt, end);
    }

    private readonly bool IsOfAnEarlierCopy(Instant sentAt, bool isReported)
    {
        if (!isReported && echo is uint milliseconds && (int)(milliseconds - ((uint)sentAt.Milliseconds + timestampOffset)) < 0) return true;
        return Now - sentAt < minimumRtt;
    }
}
