using Slirp.Wire;

namespace Slirp.Core.Link;

/// <summary>Which guest addresses lie behind a link that is narrower than ours: a guest that routes for others has said so.</summary>
/// <remarks>
/// <para>Of IPv6 alone, where only the source of a packet may fragment it (RFC 8200 section 5), and for datagrams alone: a TCP
/// flow has its segment size.</para>
/// <para>Limits: <see cref="Capacity"/> addresses, of which the one known longest makes room; each is forgotten after
/// <see cref="Lifetime"/>, for the path may have become wider (RFC 8201 section 5.3). No path is narrower than
/// <see cref="SmallestMtu"/>, whatever is said.</para>
/// </remarks>
internal sealed class NarrowPaths
{
    /// <summary>RFC 8200 section 5.</summary>
    public const int SmallestMtu = 1280;

    private const int Capacity = 64;

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private readonly Dictionary<IpAddress, Entry> _entries = [];

    private readonly record struct Entry(int Mtu, Instant Until);

    public bool IsEmpty => _entries.Count == 0;

    /// <returns>The largest int if nothing is known.</returns>
    public int MtuTo(IpAddress guest, Instant now)
    {
        if (!_entries.TryGetValue(guest, out Entry entry)) return int.MaxValue;
        if (now < entry.Until) return entry.Mtu;
        _entries.Remove(guest);
        return int.MaxValue;
    }

    public void Learn(IpAddress guest, int mtu, Instant now)
    {
        if (_entries.Count >= Capacity && !_entries.ContainsKey(guest)) RemoveOldest();
        _entries[guest] = new Entry(Math.Max(mtu, SmallestMtu), now + Lifetime);
    }

    private void RemoveOldest()
    {
        IpAddress oldest = default;
        Instant until = Instant.Never;
        foreach ((IpAddress guest, Entry entry) in _entries)
        {
            if (entry.Until < until) (oldest, until) = (guest, entry.Until);
        }
        _entries.Remove(oldest);
    }
}
