using Slirp.Wire;

namespace Slirp.Core.Flows;

/// <summary>The guest's view of a conversation: its own endpoint and the one it talks to, before any translation.</summary>
/// <remarks>Each protocol has a table of its own. A UDP mapping is endpoint-independent (RFC 4787 REQ-1), so its key has
/// no remote side.</remarks>
public readonly record struct FlowKey(IpEndpoint Guest, IpEndpoint Remote)
{
    public override string ToString() => $"{Guest} <-> {Remote}";
}

/// <summary>A keyed hash of flow keys: without the secret a guest cannot aim its flows at one bucket.</summary>
/// <remarks>Multiply-and-fold over 64-bit words. Only the choice of buckets depends on the secret; initial sequence
/// numbers have one of their own (<c>InitialSequence</c>).</remarks>
public readonly struct FlowHash
{
    private readonly ulong _k0, _k1;

    private FlowHash(ulong k0, ulong k1) => (_k0, _k1) = (k0 | 1, k1 | 1);

    public static FlowHash WithRandomSecret() => new(SecureRandom.NextUInt64(), SecureRandom.NextUInt64());

    public uint Of(in FlowKey key)
    {
        ulong h = Mix(key.Guest.Address.High ^ _k0, key.Guest.Address.Low ^ _k1);
        h = Mix(h ^ key.Remote.Address.High, key.Remote.Address.Low ^ _k0);
        h = Mix(h ^ ((ulong)key.Guest.Port << 16 | key.Remote.Port), _k1);
        return (uint)(h ^ h >> 32);
    }

    private static ulong Mix(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        return high ^ low;
    }
}
