using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Slirp.Wire;

/// <summary>The one's complement checksum of IP, TCP, UDP and ICMP (RFC 1071), whole, in pieces and by difference.</summary>
/// <remarks>
/// A running sum is a <c>uint</c> that is congruent, modulo 65535, to the sum of the big-endian 16-bit words seen so
/// far; since 2^16 and 2^32 are both 1 modulo 65535, carries may be added back at any width. The sum is zero only if every
/// octet was zero, so the two zeros of one's complement are never mixed up. Pieces chain through <c>initial</c> as long
/// as each piece but the last has an even length: a piece that starts at an odd place in the message would have its
/// octets in the wrong halves of the words. Addresses in memory do not matter: any alignment is right.
/// </remarks>
public static class InternetChecksum
{
    // Below this the vector loop's set-up and final reduction cost more than they save: headers stay scalar.
    private const int VectorThreshold = 64;

    /// <summary>Adds <paramref name="octets"/> to a running sum; an odd last octet counts as the high half of a word.</summary>
    public static uint Sum(ReadOnlySpan<byte> octets, uint initial = 0)
    {
        // The sum is taken in machine order and its halves swapped once at the end (RFC 1071 section 2 (B)).
        ulong sum = 0;
        if (octets.Length >= VectorThreshold) sum = SumVectors(ref octets);
        while (octets.Length >= sizeof(ulong))
        {
            sum = AddWithCarry(sum, MemoryMarshal.Read<ulong>(octets));
            octets = octets[sizeof(ulong)..];
        }
        if (octets.Length > 0) sum = AddWithCarry(sum, ReadTail(octets));

        ushort words = FoldToWord(sum);
        if (BitConverter.IsLittleEndian) words = BinaryPrimitives.ReverseEndianness(words);
        return FoldTo32((ulong)initial + words);
    }

    /// <summary>The pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1), by family.</summary>
    /// <param name="length">Octets of upper-layer header and payload.</param>
    public static uint PseudoHeader(IpAddress source, IpAddress destination, IpProtocol protocol, int length)
    {
        ulong sum = (ulong)(uint)length + (byte)protocol;
        if (source.IsIpv4) return FoldTo32(sum + source.Ipv4.Value + destination.Ipv4.Value);
        sum += (source.High >> 32) + (uint)source.High + (source.Low >> 32) + (uint)source.Low;
        sum += (destination.High >> 32) + (uint)destination.High + (destination.Low >> 32) + (uint)destination.Low;
        return FoldTo32(sum);
    }

    /// <summary>The 16-bit sum, not complemented: what the checksum field of a NEEDS_CSUM frame carries.</summary>
    public static ushort Fold(uint sum)
    {
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }

    /// <summary>The complemented sum, ready for the field. UDP must send 0 as 0xffff (RFC 768).</summary>
    public static ushort Finish(uint sum) => (ushort)~Fold(sum);

    /// <summary>True if <paramref name="octets"/>, checksum field included, sum to minus zero.</summary>
    /// <param name="initial">The pseudo-header's sum, or zero where there is none.</param>
    public static bool IsValid(ReadOnlySpan<byte> octets, uint initial = 0) => Fold(Sum(octets, initial)) == 0xffff;

    /// <summary>The field's new value after one word under it changed (RFC 1624 equation 3).</summary>
    /// <remarks>Equal to recomputation for every message with a non-zero octet left in it.</remarks>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord) =>
        Finish((uint)(ushort)~checksum + (ushort)~oldWord + newWord);

    private static ulong SumVectors(ref ReadOnlySpan<byte> octets)
    {
        // 32-bit halves are added into 64-bit lanes, which cannot overflow before 2^32 vectors. Without AVX2 the
        // compiler splits each Vector256 in two by itself.
        ReadOnlySpan<Vector256<ulong>> vectors = MemoryMarshal.Cast<byte, Vector256<ulong>>(octets);
        Vector256<ulong> mask = Vector256.Create(0xffff_fffful), low = default, high = default;
        foreach (Vector256<ulong> vector in vectors)
        {
            low += vector & mask;
            high += vector >>> 32;
        }
        octets = octets[(vectors.Length * Vector256<byte>.Count)..];
        Vector256<ulong> halves = (low & mask) + (low >>> 32) + (high & mask) + (high >>> 32);
        return Vector256.Sum(halves);
    }

    // One to seven octets in machine order, filled up with zeros behind the last.
    private static ulong ReadTail(ReadOnlySpan<byte> octets)
    {
        Span<byte> filled = stackalloc byte[sizeof(ulong)];
        filled.Clear();
        octets.CopyTo(filled);
        return MemoryMarshal.Read<ulong>(filled);
    }

    private static ulong AddWithCarry(ulong a, ulong b)
    {
        ulong sum = a + b;
        return sum < a ? sum + 1 : sum;
    }

    private static uint FoldTo32(ulong sum)
    {
        sum = (uint)sum + (sum >> 32);
        return (uint)sum + (uint)(sum >> 32);
    }

    private static ushort FoldToWord(ulong sum) => Fold(FoldTo32(sum));
}
