using System.Diagnostics;
using Slirp.Core.Memory;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>Segments inside the window that came before their turn, sorted, without overlap: what came first stays.</summary>
/// <remarks>
/// <para>Invariants: every segment lies after RCV.NXT and inside the advertised window; neighbours do not overlap; the
/// queue owns one share per segment.</para>
/// <para>Limits: <see cref="MaxSegments"/> entries, so that an insertion costs at most a short memmove. A guest that
/// leaves more holes than that has the segment ignored, neither acknowledged nor reported by SACK, and sends it again
/// (RFC 2018 section 8 allows a receiver to hold less than it was sent).</para>
/// </remarks>
public sealed class OutOfOrderQueue
{
    public const int MaxSegments = 1024;

    private Segment[] _segments = new Segment[16];
    private int _count;
    private SequenceNumber _latest; // start of the most recent arrival: the first SACK block must hold it

    // Where small payloads are packed; the share in it is ours.
    private OwnedFrame _packSlot;
    private int _packEnd; // 0: no slot

    private struct Segment
    {
        public SequenceNumber Start;
        public int Length;
        public OwnedFrame Frame;
        public int Offset;

        public readonly SequenceNumber End => Start + Length;
    }

    public bool IsEmpty => _count == 0;

    /// <summary>Where the first octet held belongs; meaningful unless empty.</summary>
    public SequenceNumber First => _segments[0].Start;

    /// <summary>Behind the last octet held; meaningful unless empty.</summary>
    public SequenceNumber End => _segments[_count - 1].End;

    /// <summary>Octets held.</summary>
    public int Length { get; private set; }

    /// <summary>Keeps what of the segment is new.</summary>
    /// <returns>False if there was no room for some of it.</returns>
    public bool TryInsert(FramePool pool, SequenceNumber start, OwnedFrame frame, int offset, int length)
    {
        _latest = start;
        SequenceNumber end = start + length;
        int i = 0;
        while (i < _count && _segments[i].End.IsAtOrBefore(start)) i++;
        while (start.IsBefore(end))
        {
            // The gap before segment i, as far as the new octets reach into it.
            SequenceNumber gapEnd = i < _count ? SequenceNumber.Earlier(_segments[i].Start, end) : end;
            if (start.IsBefore(gapEnd))
            {
                int piece = gapEnd.Since(start);
                if (!TryInsertAt(i, pool, start, frame, offset, piece)) return false;
                i++;
            }
            if (i >= _count || !_segments[i].Start.IsBefore(end)) break;
            int skip = _segments[i].End.Since(start);
            offset += skip;
            start = _segments[i].End;
            i++;
        }
        return true;
    }

    /// <summary>Moves what begins at <paramref name="next"/> into the queue in order.</summary>
    /// <returns>Octets moved.</returns>
    public int TakeInOrder(FramePool pool, SequenceNumber next, ref PayloadQueue queue)
    {
        int moved = 0, taken = 0;
        for (; taken < _count; taken++)
        {
            ref Segment segment = ref _segments[taken];
            if (segment.Start != next + moved) break;
            // Packed anew, for what it was packed with may still wait for a gap to be filled.
            bool isPacked = segment.Length < PayloadQueue.PackBelow
                && queue.TryPack(pool, pool.Octets(segment.Frame).Slice(segment.Offset, segment.Length));
            if (isPacked) pool.Release(segment.Frame);
            else queue.Append(segment.Frame, segment.Offset, segment.Length);
            moved += segment.Length;
        }
        Array.Copy(_segments, taken, _segments, 0, _count - taken);
        _count -= taken;
        Length -= moved;
        if (_count == 0) DropPackSlot(pool);
        return moved;
    }

    /// <summary>The blocks to report, the one with the latest arrival first (RFC 2018 section 4).</summary>
    public void FillSack(ref SackBlocks blocks, int room)
    {
        Span<(SequenceNumber Left, SequenceNumber Right)> runs = stackalloc (SequenceNumber, SequenceNumber)[SackBlocks.MaxCount];
        int count = 0, latest = -1;
        for (int i = 0; i < _count;)
        {
            SequenceNumber left = _segments[i].Start, right = _segments[i].End;
            for (i++; i < _count && _segments[i].Start == right; i++) right = _segments[i].End;
            bool isLatest = _latest.IsAtOrAfter(left) && _latest.IsBefore(right);
            // The first runs as far as there is room; the last place is the latest arrival's if it is in none of them.
            if (count < room) runs[count++] = (left, right);
            else if (isLatest) runs[room - 1] = (left, right);
            else continue;
            if (isLatest) latest = count - 1;
        }
        if (latest >= 0) blocks.Add(runs[latest].Left, runs[latest].Right);
        for (int i = 0; i < count; i++)
            if (i != latest) blocks.Add(runs[i].Left, runs[i].Right);
    }

    public void Clear(FramePool pool)
    {
        for (int i = 0; i < _count; i++) pool.Release(_segments[i].Frame);
        _count = 0;
        Length = 0;
        DropPackSlot(pool);
    }

    private bool TryInsertAt(int index, FramePool pool, SequenceNumber start, OwnedFrame frame, int offset, int length)
    {
        if (_count >= MaxSegments) return false;
        // What is not acknowledged may be refused, and is when slots are scarce: only the filling of a gap would free them.
        if (length >= PayloadQueue.PackBelow && !pool.IsScarce)
        {
            if (!pool.TryKeep(frame)) return false;
        }
        else if (!TryPack(pool, ref frame, ref offset, length))
        {
            return false;
        }
        if (_count == _segments.Length) Array.Resize(ref _segments, _count * 2);
        Array.Copy(_segments, index, _segments, index + 1, _count - index);
        _segments[index] = new Segment { Start = start, Length = length, Frame = frame, Offset = offset };
        _count++;
        Length += length;
        Debug.Assert(index + 1 >= _count || _segments[index].End.IsAtOrBefore(_segments[index + 1].Start), "overlap");
        return true;
    }

    private bool TryPack(FramePool pool, ref OwnedFrame frame, ref int offset, int length)
    {
        if (_packEnd > 0 && pool.Size(_packSlot) - _packEnd < length) DropPackSlot(pool);
        if (_packEnd == 0 && !pool.TryRentFor(Math.Max(length, Length), out _packSlot)) return false;
        pool.Octets(frame).Slice(offset, length).CopyTo(pool.Octets(_packSlot)[_packEnd..]);
        frame = _packSlot;
        offset = _packEnd;
        _packEnd += length;
        pool.Retain(_packSlot);
        return true;
    }

    private void DropPackSlot(FramePool pool)
    {
        if (_packEnd > 0) pool.Release(_packSlot);
        _packEnd = 0;
    }
}
