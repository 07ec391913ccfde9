using System.Diagnostics;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>What was sent and is not acknowledged, [SND.UNA, SND.NXT): when each piece was sent last, what the guest says it
/// holds (RFC 2018), and what counts as lost. The ledger that RACK (RFC 8985) works on.</summary>
/// <remarks>
/// <para>Segments that left in one turn of the loop have one time, so a range covers all of them: without loss there are a
/// few ranges however much is under way, and sending or acknowledging one costs a look at either end.</para>
/// <para>Invariants: ranges are sorted and adjoin each other; <see cref="Sacked"/> and <see cref="Lost"/> are the sums of
/// their ranges' lengths; a range is not both.</para>
/// <para>Limit: <see cref="MaxRanges"/>. Beyond it reports of part of a range are ignored, which costs a spurious
/// retransmission at worst.</para>
/// </remarks>
public sealed class SentRanges
{
    public const int MaxRanges = 1024;

    private Range[] _ranges = new Range[8];
    private int _first, _count;

    private struct Range
    {
        public SequenceNumber Start, End;
        public Instant SentAt;
        public bool IsSacked, IsLost, IsResent;

        public readonly int Length => End.Since(Start);

        public readonly bool IsLike(in Range other) =>
            IsSacked == other.IsSacked && (IsSacked || SentAt == other.SentAt && IsLost == other.IsLost && IsResent == other.IsResent);
    }

    /// <summary>Octets of sequence space reported held.</summary>
    public int Sacked { get; private set; }

    /// <summary>Octets that count as lost and were not sent again yet.</summary>
    public int Lost { get; private set; }

    public int Count => _count;

    /// <summary>The guest has acknowledged up to something it reported as held in a hole: it has discarded what it held
    /// (RFC 2018 section 8), for else it would have acknowledged that as well.</summary>
    public bool HasReneged => _count > 0 && At(0).IsSacked;

    /// <summary>New octets behind all others.</summary>
    public void Sent(SequenceNumber start, SequenceNumber end, Instant now)
    {
        var range = new Range { Start = start, End = end, SentAt = now };
        if (_count > 0)
        {
            ref Range last = ref At(_count - 1);
            Debug.Assert(last.End == start, "a gap in what was sent");
            if (last.IsLike(range) || _count >= MaxRanges && !last.IsSacked && !last.IsLost)
            {
                (last.End, last.SentAt) = (end, now);
                return;
            }
        }
        MakeRoomBehind();
        _ranges[_first + _count++] = range;
    }

    /// <summary>Octets that were sent before were sent again.</summary>
    public void Resent(SequenceNumber start, SequenceNumber end, Instant now)
    {
        (int from, int to) = Carve(start, end);
        for (int i = from; i < to; i++)
        {
            ref Range range = ref At(i);
            if (range.IsSacked) continue;
            if (range.IsLost) Lost -= range.Length;
            (range.IsLost, range.IsResent, range.SentAt) = (false, true, now);
        }
        Merge(from, to);
    }

    /// <summary>The guest reports [left, right) as held; the caller has checked that it lies within (SND.UNA, SND.NXT].</summary>
    /// <returns>True if that says something new.</returns>
    public bool Sack(SequenceNumber left, SequenceNumber right, ref Delivery delivery)
    {
        (int from, int to) = Carve(left, right);
        bool isNew = false;
        for (int i = from; i < to; i++)
        {
            ref Range range = ref At(i);
            // Where there was no room to cut, a range that is held in part is not held.
            if (range.IsSacked || range.Start.IsBefore(left) || range.End.IsAfter(right)) continue;
            delivery.Note(range.End, range.SentAt, range.IsResent, isReported: true);
            if (range.IsLost) Lost -= range.Length;
            (range.IsSacked, range.IsLost) = (true, false);
            Sacked += range.Length;
            isNew = true;
        }
        Merge(from, to);
        return isNew;
    }

    /// <summary>All before <paramref name="una"/> is acknowledged.</summary>
    public void Advance(SequenceNumber una, ref Delivery delivery)
    {
        while (_count > 0)
        {
            ref Range range = ref At(0);
            if (range.Start.IsAtOrAfter(una)) break;
            SequenceNumber end = SequenceNumber.Earlier(range.End, una);
            int length = end.Since(range.Start);
            if (range.IsSacked) Sacked -= length;
            else delivery.Note(end, range.SentAt, range.IsResent, isReported: false);
            if (range.IsLost) Lost -= length;
            range.Start = end;
            if (range.Start != range.End) break;
            _first++;
            _count--;
        }
        if (_count == 0) _first = 0;
    }

    /// <summary>RFC 8985 section 6.2, step 5: what was sent before the latest that arrived, and long enough ago, is lost.</summary>
    /// <param name="latest">When the latest segment that arrived was sent.</param>
    /// <param name="latestEnd">Where that segment ends, which decides among those sent at one time.</param>
    /// <param name="patience">How long a segment may take at most, from when it was sent.</param>
    /// <param name="lookAgain">When something that is not lost yet may be.</param>
    /// <param name="lostAgainAt">When what is lost now for the second time was sent last, the latest of it; default if nothing is.</param>
    /// <returns>True if something was found lost.</returns>
    public bool MarkLost(
        Instant latest, SequenceNumber latestEnd, TimeSpan patience, Instant now, out Instant lookAgain, out Instant lostAgainAt)
    {
        (lookAgain, lostAgainAt) = (Instant.Never, default);
        bool found = false;
        for (int i = 0; i < _count; i++)
        {
            ref Range range = ref At(i);
            if (range.IsSacked || range.IsLost) continue;
            if (range.SentAt > latest || range.SentAt == latest && !range.End.IsBefore(latestEnd)) continue;
            Instant deadline = range.SentAt + patience;
            if (deadline > now)
            {
                lookAgain = lookAgain == Instant.Never || deadline > lookAgain ? deadline : lookAgain;
                continue;
            }
            range.IsLost = found = true;
            Lost += range.Length;
            if (range.IsResent && range.SentAt > lostAgainAt) lostAgainAt = range.SentAt;
        }
        return found;
    }

    /// <summary>The first octets are lost: where only repeated acknowledgments tell (RFC 6582).</summary>
    public void MarkFirstLost(int length)
    {
        if (_count == 0) return;
        SequenceNumber start = At(0).Start;
        (int from, int to) = Carve(start, SequenceNumber.Earlier(start + length, At(_count - 1).End));
        for (int i = from; i < to; i++) BeLost(ref At(i));
    }

    /// <summary>Nothing came back in time: all that is not held counts as lost (RFC 6298 section 5.4, RFC 8985 section 6.3).</summary>
    public void MarkAllLost()
    {
        for (int i = 0; i < _count; i++) BeLost(ref At(i));
        Merge(0, _count);
    }

    /// <summary>Nothing was lost after all: the answer was late.</summary>
    public void MarkNoneLost()
    {
        for (int i = 0; i < _count; i++) At(i).IsLost = false;
        Lost = 0;
        Merge(0, _count);
    }

    /// <summary>What was reported held may have been discarded.</summary>
    public void ForgetSacks()
    {
        for (int i = 0; i < _count; i++) At(i).IsSacked = false;
        Sacked = 0;
    }

    /// <summary>The first octets that count as lost.</summary>
    public bool TryFindLost(out SequenceNumber start, out int length)
    {
        if (Lost > 0)
        {
            for (int i = 0; i < _count; i++)
            {
                ref Range range = ref At(i);
                if (!range.IsLost) continue;
                (start, length) = (range.Start, range.Length);
                return true;
            }
        }
        (start, length) = (default, 0);
        return false;
    }

    private void BeLost(ref Range range)
    {
        if (range.IsSacked || range.IsLost) return;
        range.IsLost = true;
        Lost += range.Length;
    }

    /// <summary>Cuts ranges so that some cover [left, right) exactly, as far as there is room for more of them.</summary>
    /// <returns>The ranges that have some of it.</returns>
    private (int From, int To) Carve(SequenceNumber left, SequenceNumber right)
    {
        int from = 0;
        while (from < _count && At(from).End.IsAtOrBefore(left)) from++;
        if (from < _count && At(from).Start.IsBefore(left) && TryCut(from, left)) from++;
        int to = from;
        while (to < _count && At(to).Start.IsBefore(right)) to++;
        if (to > from && At(to - 1).End.IsAfter(right)) TryCut(to - 1, right);
        return (from, to);
    }

    private bool TryCut(int index, SequenceNumber at)
    {
        if (_count >= MaxRanges) return false;
        MakeRoomBehind();
        Array.Copy(_ranges, _first + index, _ranges, _first + index + 1, _count - index);
        _count++;
        At(index).End = at;
        At(index + 1).Start = at;
        return true;
    }

    /// <summary>Joins what has become alike among [from, to) and its neighbours.</summary>
    private void Merge(int from, int to)
    {
        int kept = Math.Max(0, from - 1), end = Math.Min(_count, to + 1);
        for (int i = kept + 1; i < end; i++)
        {
            if (At(kept).IsLike(At(i))) At(kept).End = At(i).End;
            else if (++kept != i) At(kept) = At(i);
        }
        int gone = end - kept - 1;
        if (gone <= 0) return;
        Array.Copy(_ranges, _first + end, _ranges, _first + kept + 1, _count - end);
        _count -= gone;
    }

    private void MakeRoomBehind()
    {
        if (_first + _count < _ranges.Length) return;
        Range[] target = _count > _ranges.Length / 2 ? new Range[_ranges.Length * 2] : _ranges;
        Array.Copy(_ranges, _first, target, 0, _count);
        (_ranges, _first) = (target, 0);
    }

    private ref Range At(int index) => ref _ranges[_first + index];
}
