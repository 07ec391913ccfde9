using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>Which of the octets we sent the guest says it holds (RFC 2018), as sorted disjoint ranges above SND.UNA.</summary>
/// <remarks>Limit: <see cref="MaxRanges"/>; a report beyond it is ignored, which costs a spurious retransmission at
/// worst.</remarks>
public sealed class SackScoreboard
{
    public const int MaxRanges = 128;

    private (SequenceNumber Left, SequenceNumber Right)[] _ranges = new (SequenceNumber, SequenceNumber)[8];
    private int _count;

    public bool IsEmpty => _count == 0;

    /// <summary>Octets reported held.</summary>
    public int Sacked { get; private set; }

    /// <summary>One past the highest octet reported held; meaningful unless empty.</summary>
    public SequenceNumber Highest => _ranges[_count - 1].Right;

    /// <summary>Adds a reported block; the caller has checked that it lies within (SND.UNA, SND.MAX].</summary>
    /// <returns>True if it said something new.</returns>
    public bool Add(SequenceNumber left, SequenceNumber right)
    {
        int i = 0;
        while (i < _count && _ranges[i].Right.IsBefore(left)) i++;
        int j = i;
        SequenceNumber mergedLeft = left, mergedRight = right;
        int covered = 0;
        for (; j < _count && _ranges[j].Left.IsAtOrBefore(right); j++)
        {
            mergedLeft = SequenceNumber.Earlier(mergedLeft, _ranges[j].Left);
            mergedRight = SequenceNumber.Later(mergedRight, _ranges[j].Right);
            covered += _ranges[j].Right.Since(_ranges[j].Left);
        }
        int gained = mergedRight.Since(mergedLeft) - covered;
        if (gained == 0) return false;
        if (i == j && !TryOpenGap(i)) return false;
        _ranges[i] = (mergedLeft, mergedRight);
        if (j > i + 1) RemoveRange(i + 1, j);
        Sacked += gained;
        return true;
    }

    /// <summary>Forgets what lies below the cumulative acknowledgment.</summary>
    public void Advance(SequenceNumber una)
    {
        int gone = 0;
        for (; gone < _count && _ranges[gone].Right.IsAtOrBefore(una); gone++)
            Sacked -= _ranges[gone].Right.Since(_ranges[gone].Left);
        RemoveRange(0, gone);
        if (_count == 0 || !_ranges[0].Left.IsBefore(una)) return;
        Sacked -= una.Since(_ranges[0].Left);
        _ranges[0].Left = una;
    }

    /// <summary>The first hole at or after <paramref name="from"/> that lies below the highest octet reported held.</summary>
    public bool TryFindHole(SequenceNumber from, out SequenceNumber start, out int length)
    {
        start = from;
        for (int i = 0; i < _count; i++)
        {
            if (start.IsBefore(_ranges[i].Left))
            {
                length = _ranges[i].Left.Since(start);
                return true;
            }
            start = SequenceNumber.Later(start, _ranges[i].Right);
        }
        length = 0;
        return false;
    }

    /// <summary>Octets in [from, to) that are not reported held.</summary>
    public int CountMissing(SequenceNumber from, SequenceNumber to)
    {
        int missing = Math.Max(0, to.Since(from));
        for (int i = 0; i < _count && missing > 0; i++)
        {
            SequenceNumber left = SequenceNumber.Later(_ranges[i].Left, from);
            SequenceNumber right = SequenceNumber.Earlier(_ranges[i].Right, to);
            if (left.IsBefore(right)) missing -= right.Since(left);
        }
        return missing;
    }

    public void Clear()
    {
        _count = 0;
        Sacked = 0;
    }

    private bool TryOpenGap(int index)
    {
        if (_count >= MaxRanges) return false;
        if (_count == _ranges.Length) Array.Resize(ref _ranges, _count * 2);
        Array.Copy(_ranges, index, _ranges, index + 1, _count - index);
        _count++;
        return true;
    }

    private void RemoveRange(int from, int to)
    {
        Array.Copy(_ranges, to, _ranges, from, _count - to);
        _count -= to - from;
    }
}
