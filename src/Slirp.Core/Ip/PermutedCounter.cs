using System.Numerics;

namespace Slirp.Core.Ip;

/// <summary>Identifiers for packets that we fragment: none comes back before all others have been used, and without the
/// key the next one cannot be told from those seen (RFC 6864 section 4.3, RFC 7739 section 5.3).</summary>
/// <remarks>A counter seen through a keyed Feistel network of four rounds, which is a permutation whatever its round
/// function does. That asks of an observer more than a fragment is worth; it is not meant as a cipher.</remarks>
public struct PermutedCounter
{
    private const int Rounds = 4;

    private readonly int _halfBits;
    private readonly ulong _key;
    private uint _count;

    /// <param name="bits">Width of the identifiers: 16 for IPv4, 32 for IPv6.</param>
    public PermutedCounter(int bits)
    {
        _halfBits = bits / 2;
        Span<byte> secret = stackalloc byte[12];
        SecureRandom.Fill(secret);
        _key = BitConverter.ToUInt64(secret);
        _count = BitConverter.ToUInt32(secret[8..]);
    }

    public uint Next()
    {
        uint mask = (1u << _halfBits) - 1;
        uint left = _count >> _halfBits & mask, right = _count & mask;
        _count++;
        for (int round = 0; round < Rounds; round++)
        {
            // Every bit of half and key reaches the top of the product, and from there, folded down, the top again.
            ulong mixed = (right ^ BitOperations.RotateLeft(_key, round * 16)) * 0x9e37_79b9_7f4a_7c15;
            mixed = (mixed ^ mixed >> 32) * 0xd6e8_feb8_6659_fd93;
            (left, right) = (right, left ^ (uint)(mixed >> 40) & mask);
        }
        return left << _halfBits | right;
    }
}
