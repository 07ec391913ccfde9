using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Slirp.Wire;

/// <summary>One run of octets received beyond a gap: [Left, Right).</summary>
public readonly record struct SackBlock(SequenceNumber Left, SequenceNumber Right);

/// <summary>Up to four SACK blocks by value, in the order they stand on the wire (RFC 2018 section 3).</summary>
public struct SackBlocks : IEquatable<SackBlocks>
{
    /// <summary>Four fill the option space; with timestamps only three fit and the last is not written.</summary>
    public const int MaxCount = 4;

    private Blocks _blocks;

    public int Count { get; private set; }

    /// <exception cref="ArgumentOutOfRangeException">Not below <see cref="Count"/>.</exception>
    public readonly SackBlock this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return _blocks[index];
        }
    }

    /// <returns>False if all four places are taken; the block is then left out.</returns>
    public bool Add(SequenceNumber left, SequenceNumber right)
    {
        if (Count == MaxCount) return false;
        _blocks[Count++] = new SackBlock(left, right);
        return true;
    }

    internal static SackBlocks Read(ReadOnlySpan<byte> value)
    {
        var blocks = new SackBlocks();
        for (int at = 0; at + 8 <= value.Length; at += 8)
        {
            uint left = BinaryPrimitives.ReadUInt32BigEndian(value[at..]);
            uint right = BinaryPrimitives.ReadUInt32BigEndian(value[(at + 4)..]);
            blocks.Add(new SequenceNumber(left), new SequenceNumber(right));
        }
        return blocks;
    }

    public readonly bool Equals(SackBlocks other)
    {
        if (Count != other.Count) return false;
        for (int i = 0; i < Count; i++)
            if (_blocks[i] != other._blocks[i]) return false;
        return true;
    }

    public override readonly bool Equals(object? obj) => obj is SackBlocks other && Equals(other);

    public override readonly int GetHashCode()
    {
        var hash = new HashCode();
        for (int i = 0; i < Count; i++) hash.Add(_blocks[i]);
        return hash.ToHashCode();
    }

    public static bool operator ==(SackBlocks left, SackBlocks right) => left.Equals(right);

    public static bool operator !=(SackBlocks left, SackBlocks right) => !left.Equals(right);

    public override readonly string ToString()
    {
        var text = new System.Text.StringBuilder("[");
        for (int i = 0; i < Count; i++)
            text.Append(i == 0 ? "" : ", ").Append(_blocks[i].Left).Append('-').Append(_blocks[i].Right);
        return text.Append(']').ToString();
    }

    [InlineArray(MaxCount)]
    private struct Blocks
    {
        private SackBlock _first;
    }
}
