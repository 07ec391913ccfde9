using System.Numerics;
using Slirp.Core.Flows;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>Initial sequence numbers that nobody outside can guess and that rise for one address pair (RFC 6528):
/// ISN = M + F(guest, remote, secret), M a 4 microsecond clock, F SipHash-2-4 under a 128-bit key of this process.</summary>
public readonly struct InitialSequence
{
    private readonly ulong _k0, _k1;

    private InitialSequence(ulong k0, ulong k1) => (_k0, _k1) = (k0, k1);

    public static InitialSequence WithRandomSecret() => new(SecureRandom.NextUInt64(), SecureRandom.NextUInt64());

    public SequenceNumber For(in FlowKey key, Instant now) =>
        new((uint)(now.Nanoseconds >> 12) + (uint)Hash(key, 0));

    /// <summary>The origin of a flow's timestamp clock: differs by flow, so that it does not tell our uptime (RFC 7323 section 5.4).</summary>
    public uint TimestampOffset(in FlowKey key) => (uint)Hash(key, 1);

    private ulong Hash(in FlowKey key, ulong purpose)
    {
        ulong v0 = _k0 ^ 0x736f6d6570736575, v1 = _k1 ^ 0x646f72616e646f6d;
        ulong v2 = _k0 ^ 0x6c7967656e657261, v3 = _k1 ^ 0x7465646279746573;
        Absorb(ref v0, ref v1, ref v2, ref v3, key.Guest.Address.High);
        Absorb(ref v0, ref v1, ref v2, ref v3, key.Guest.Address.Low);
        Absorb(ref v0, ref v1, ref v2, ref v3, key.Remote.Address.High);
        Absorb(ref v0, ref v1, ref v2, ref v3, key.Remote.Address.Low);
        Absorb(ref v0, ref v1, ref v2, ref v3, purpose << 32 | (ulong)key.Guest.Port << 16 | key.Remote.Port);
        Absorb(ref v0, ref v1, ref v2, ref v3, 40UL << 56); // message length, SipHash's last word
        v2 ^= 0xff;
        for (int i = 0; i < 4; i++) Round(ref v0, ref v1, ref v2, ref v3);
        return v0 ^ v1 ^ v2 ^ v3;
    }

    private static void Absorb(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3, ulong word)
    {
        v3 ^= word;
        Round(ref v0, ref v1, ref v2, ref v3);
        Round(ref v0, ref v1, ref v2, ref v3);
        v0 ^= word;
    }

    private static void Round(ref ulong v0, ref ulong v1, ref ulong v2, ref ulong v3)
    {
        v0 += v1;
        v1 = BitOperations.RotateLeft(v1, 13) ^ v0;
        v0 = BitOperations.RotateLeft(v0, 32);
        v2 += v3;
        v3 = BitOperations.RotateLeft(v3, 16) ^ v2;
        v0 += v3;
        v3 = BitOperations.RotateLeft(v3, 21) ^ v0;
        v2 += v1;
        v1 = BitOperations.RotateLeft(v1, 17) ^ v2;
        v2 = BitOperations.RotateLeft(v2, 32);
    }
}
