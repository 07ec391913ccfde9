using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Which hardware address each guest address was last heard at, learnt only from what the guest says in ARP and
/// neighbour discovery, never from the source of an ordinary frame.</summary>
/// <remarks>At most <see cref="Capacity"/> entries; a guest that claims more loses the ones not heard for longest.</remarks>
public sealed class NeighbourTable
{
    public const int Capacity = 256;

    private readonly Dictionary<IpAddress, Entry> _entries = [];

    private record struct Entry(MacAddress Mac, Instant HeardAt);

    public int Count => _entries.Count;

    /// <summary>How many were forgotten to make room.</summary>
    public long EvictedCount { get; private set; }

    public bool TryFind(IpAddress address, out MacAddress mac)
    {
        bool found = _entries.TryGetValue(address, out Entry entry);
        mac = entry.Mac;
        return found;
    }

    public void Learn(IpAddress address, MacAddress mac, Instant now)
    {
        if (_entries.Count >= Capacity && !_entries.ContainsKey(address)) RemoveOldest();
        _entries[address] = new Entry(mac, now);
    }

    private void RemoveOldest()
    {
        IpAddress oldest = default;
        Instant heardAt = Instant.Never;
        foreach ((IpAddress address, Entry entry) in _entries)
        {
            if (entry.HeardAt >= heardAt) continue;
            (oldest, heardAt) = (address, entry.HeardAt);
        }
        _entries.Remove(oldest);
        EvictedCount++;
    }
}
