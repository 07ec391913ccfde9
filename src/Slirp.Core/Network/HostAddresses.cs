using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>What the host takes as its own: a packet to one of these never leaves it, it travels over the host's loopback,
/// and a socket bound to one of these can be heard. Immutable; a new one for each change.</summary>
public sealed class HostAddresses
{
    private readonly HashSet<IpAddress> _addresses = [];
    private readonly List<HostPrefix> _prefixes = [];

    /// <param name="prefixes">In any order, repeated or not.</param>
    public HostAddresses(IEnumerable<HostPrefix> prefixes)
    {
        foreach (HostPrefix prefix in prefixes)
        {
            if (prefix.IsOneAddress) _addresses.Add(prefix.Network);
            else if (!_prefixes.Contains(prefix)) _prefixes.Add(prefix);
        }
    }

    public static HostAddresses None { get; } = new([]);

    public bool Contains(IpAddress address)
    {
        if (_addresses.Contains(address)) return true;
        foreach (HostPrefix prefix in _prefixes)
            if (prefix.Contains(address)) return true;
        return false;
    }

    /// <summary>A socket that speaks from <paramref name="local"/> speaks from an address that the host has no more. Never so
    /// of a socket that is bound to no address, or to loopback.</summary>
    public bool HasLost(IpAddress local) => !local.IsAny && !local.IsLoopback && !Contains(local);

    /// <summary>Nothing of <paramref name="earlier"/> is missing.</summary>
    public bool HasAllOf(HostAddresses earlier)
    {
        foreach (IpAddress address in earlier._addresses)
            if (!Contains(address)) return false;
        foreach (HostPrefix prefix in earlier._prefixes)
            if (!_prefixes.Contains(prefix)) return false;
        return true;
    }

    public bool IsSameAs(HostAddresses other) =>
        _addresses.SetEquals(other._addresses) && _prefixes.Count == other._prefixes.Count && HasAllOf(other);
}

/// <summary>A range of addresses, or one.</summary>
/// <param name="Network">Its first address.</param>
/// <param name="Length">Leading bits that count, of the address as it is written: 0 to 32 or 0 to 128.</param>
public readonly record struct HostPrefix(IpAddress Network, int Length)
{
    private const int MappedBits = 96; // in front of an IPv4 address in its mapped form

    public bool IsOneAddress => Length == Network.Length * 8;

    public bool Contains(IpAddress address)
    {
        if (address.IsIpv4 != Network.IsIpv4) return false;
        int bits = Network.IsIpv4 ? MappedBits + Length : Length;
        ulong high = bits >= 64 ? ulong.MaxValue : bits == 0 ? 0 : ulong.MaxValue << 64 - bits;
        ulong low = bits <= 64 ? 0 : ulong.MaxValue << 128 - bits;
        return ((address.High ^ Network.High) & high) == 0 && ((address.Low ^ Network.Low) & low) == 0;
    }
}
