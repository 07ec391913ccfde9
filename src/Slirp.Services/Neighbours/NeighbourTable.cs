using Slirp.Core;
using Slirp.Core.Network;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Which hardware address each guest address was last heard at, learnt only from what the guest says in ARP and
/// neighbour discovery, never from the source of an ordinary frame.</summary>
/// <remarks>
/// <para>At most <see cref="Capacity"/> entries; a guest that claims more loses the ones not heard for longest.</para>
/// <para>Where an address was before is kept until those who send there have looked (<see cref="ForgetMoves"/>): at most
/// <see cref="MoveCapacity"/> such places, and who moves more often than that until then is found again only by its own
/// frames.</para>
/// </remarks>
/// <param name="assumed">Where an address is taken to be as long as nobody has said; a group address if nowhere.</param>
public sealed class NeighbourTable(MacAddress assumed) : IStationMoves
{
    public const int Capacity = 256, MoveCapacity = 64;

    private readonly Dictionary<IpAddress, Entry> _entries = [];
    private readonly HashSet<(IpAddress Address, MacAddress Former)> _moves = new(MoveCapacity);

    private record struct Entry(MacAddress Mac, Instant HeardAt, Instant AskedAt);

    public int Count => _entries.Count;

    /// <summary>How many were forgotten to make room.</summary>
    public long EvictedCount { get; private set; }

    /// <summary>Told when an address is elsewhere than it was.</summary>
    public Action<Instant>? Moved { get; set; }

    public bool TryFind(IpAddress address, out MacAddress mac)
    {
        bool found = _entries.TryGetValue(address, out Entry entry);
        mac = entry.Mac;
        return found;
    }

    public void Learn(IpAddress address, MacAddress mac, Instant now)
    {
        bool isKnown = _entries.TryGetValue(address, out Entry known);
        if (_entries.Count >= Capacity && !isKnown) RemoveOldest();
        _entries[address] = new Entry(mac, now, isKnown ? known.AskedAt : now);
        MacAddress former = isKnown ? known.Mac : assumed;
        if (former == mac || former.IsMulticast || _moves.Count >= MoveCapacity || !_moves.Add((address, former))) return;
        Moved?.Invoke(now);
    }

    /// <summary>Whether it is worth asking for an address that is known, which then counts as done.</summary>
    /// <param name="mac">Where whoever asks has it: if that is elsewhere than here, this table knows no better.</param>
    /// <param name="patience">Not if it was heard or asked for so lately.</param>
    public bool MayAsk(IpAddress address, MacAddress mac, TimeSpan patience, Instant now)
    {
        if (!_entries.TryGetValue(address, out Entry known) || known.Mac != mac) return false;
        if (now - Instant.Later(known.HeardAt, known.AskedAt) < patience) return false;
        _entries[address] = known with { AskedAt = now };
        return true;
    }

    public bool TryFindMove(IpAddress guest, MacAddress from, out MacAddress to)
    {
        to = default;
        return _moves.Contains((guest, from)) && TryFind(guest, out to) && to != from;
    }

    /// <summary>Whoever sends to places that were left has been told.</summary>
    public void ForgetMoves() => _moves.Clear();

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
