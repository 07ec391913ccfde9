using Slirp.Core.Memory;

namespace Slirp.Core.Tcp;

/// <summary>Octets in order, as shares in pool slots: what waits for the host socket, or what the guest has not
/// acknowledged. A mutable struct that lives in its flow and is never copied.</summary>
/// <remarks>
/// <para>Large pieces are kept in the slot they came in; small ones are packed behind each other, so that a slot does not
/// hold 64 KiB for a hundred octets. Packing is the only copy there is. A slot whose front has been used up is given back
/// for a smaller one when its queue is stuck (<see cref="Compact"/>).</para>
/// <para>Invariants: chunk lengths are positive and add up to <see cref="Length"/>; the queue owns one share per chunk;
/// an empty queue holds no slot.</para>
/// </remarks>
public struct PayloadQueue
{
    /// <summary>Below this, packing costs less than the slot it saves (a quarter of a slot; 16 KiB copy in about 1 us).</summary>
    public const int PackBelow = 16 << 10;

    private const int FirstCapacity = 8;

    private Chunk[]? _chunks; // ring, capacity a power of two
    private int _first, _count;
    private int _tailEnd; // where the next packed payload goes in the last chunk's slot; 0: that slot is not ours to extend

    private struct Chunk
    {
        public OwnedFrame Frame;
        public int Offset, Length;
    }

    /// <summary>Octets held.</summary>
    public int Length { get; private set; }

    public readonly bool IsEmpty => Length == 0;

    /// <summary>Takes over the caller's share in <paramref name="frame"/>.</summary>
    public void Append(OwnedFrame frame, int offset, int length)
    {
        Push(new Chunk { Frame = frame, Offset = offset, Length = length });
        _tailEnd = 0;
    }

    /// <summary>Keeps octets of a slot the caller goes on using: by a share of its own, or packed if they are few.</summary>
    /// <returns>False if the pool has no room for them.</returns>
    public bool TryKeep(FramePool pool, OwnedFrame frame, int offset, int length)
    {
        bool isPacked = length < PackBelow || pool.IsScarce;
        if (isPacked && TryPack(pool, pool.Octets(frame).Slice(offset, length))) return true;
        if (!pool.TryKeep(frame)) return false;
        Append(frame, offset, length);
        return true;
    }

    /// <summary>Copies a small payload behind the last one.</summary>
    /// <returns>False if no slot was to be had.</returns>
    public bool TryPack(FramePool pool, ReadOnlySpan<byte> octets)
    {
        if (_tailEnd > 0 && TryExtendTail(pool, octets)) return true;
        // As large as what is held already: few slots for much, a small one for little.
        if (!pool.TryRentFor(Math.Max(octets.Length, Length), out OwnedFrame frame)) return false;
        octets.CopyTo(pool.Octets(frame));
        Push(new Chunk { Frame = frame, Offset = 0, Length = octets.Length });
        _tailEnd = octets.Length;
        return true;
    }

    /// <summary>The octets from <paramref name="offset"/> on that lie in one piece; borrowed until the queue changes.</summary>
    public readonly ReadOnlySpan<byte> Peek(FramePool pool, int offset)
    {
        if (offset >= Length) return default;
        int i, start;
        if (offset <= Length / 2)
        {
            for (i = 0, start = 0; offset >= start + At(i).Length; i++) start += At(i).Length;
        }
        else
        {
            i = _count - 1;
            for (start = Length - At(i).Length; offset < start; start -= At(i).Length) i--;
        }
        ref Chunk chunk = ref At(i);
        return pool.Octets(chunk.Frame).Slice(chunk.Offset + offset - start, chunk.Length - (offset - start));
    }

    /// <summary>Lets go of the first <paramref name="length"/> octets.</summary>
    public void Discard(FramePool pool, int length)
    {
        Length -= length;
        while (length > 0)
        {
            ref Chunk chunk = ref At(0);
            if (chunk.Length > length)
            {
                chunk.Offset += length;
                chunk.Length -= length;
                return;
            }
            length -= chunk.Length;
            pool.Release(chunk.Frame);
            _first = (_first + 1) & (_chunks!.Length - 1);
            _count--;
        }
        if (_count == 0) _tailEnd = 0;
    }

    /// <summary>Moves what is left in the first slot to a smaller one, if it is little. For a queue that will not move soon.</summary>
    public void Compact(FramePool pool)
    {
        if (_count == 0) return;
        ref Chunk chunk = ref At(0);
        if (chunk.Length >= PackBelow || chunk.Length * 4 > pool.Size(chunk.Frame)) return;
        if (!pool.TryRentFor(chunk.Length, out OwnedFrame frame)) return;
        if (pool.Size(frame) >= pool.Size(chunk.Frame))
        {
            pool.Release(frame);
            return;
        }
        pool.Octets(chunk.Frame).Slice(chunk.Offset, chunk.Length).CopyTo(pool.Octets(frame));
        pool.Release(chunk.Frame);
        if (_count == 1) _tailEnd = chunk.Length;
        (chunk.Frame, chunk.Offset) = (frame, 0);
    }

    public void Clear(FramePool pool)
    {
        Discard(pool, Length);
        _chunks = null;
        _first = 0;
    }

    private bool TryExtendTail(FramePool pool, ReadOnlySpan<byte> octets)
    {
        ref Chunk tail = ref At(_count - 1);
        if (pool.Size(tail.Frame) - _tailEnd < octets.Length) return false;
        octets.CopyTo(pool.Octets(tail.Frame)[_tailEnd..]);
        tail.Length += octets.Length;
        _tailEnd += octets.Length;
        Length += octets.Length;
        return true;
    }

    private void Push(in Chunk chunk)
    {
        _chunks ??= new Chunk[FirstCapacity];
        if (_count == _chunks.Length) Grow();
        _chunks[(_first + _count) & (_chunks.Length - 1)] = chunk;
        _count++;
        Length += chunk.Length;
    }

    private void Grow()
    {
        var bigger = new Chunk[_chunks!.Length * 2];
        for (int i = 0; i < _count; i++) bigger[i] = At(i);
        _chunks = bigger;
        _first = 0;
    }

    private readonly ref Chunk At(int index) => ref _chunks![(_first + index) & (_chunks.Length - 1)];
}
