using Slirp.Core;
using Slirp.Core.Network;
using Slirp.Services.Neighbours;
using Slirp.Wire;

namespace Slirp.Services.Dhcp;

/// <summary>The addresses that DHCP may give: the plan's range, and the guest's own static address for whoever asks for it.</summary>
/// <remarks>
/// <para>The static address belongs to the guest in any case. A guest that runs a DHCP client on top of its static
/// configuration asks for the address it has, and taking it away would break what was published for that address. It is
/// never offered to a client that did not ask.</para>
/// <para>An address that is nobody's here may be in use all the same: by a client of an earlier run, or by a station that was
/// given it by hand. Where it was heard of at another station (RFC 2131 section 3.1 step 2 has the server probe, for which
/// the client would wait), whoever asks for no address in particular gets one that was not, as long as there is one.</para>
/// <para>Invariants: an address has one holder at a time; a bound address goes to no other station before its lease ends. Limits:
/// as many clients as addresses. When all are taken, the oldest offer is withdrawn, because an offer promises nothing
/// (RFC 2131 section 3.1 step 2); when all are bound, the station that asks may have the one that it took or renewed longest
/// ago under another name, because a station that names itself anew at each start no longer has that one; else there is no
/// answer.</para>
/// </remarks>
internal sealed class LeasePool
{
    private readonly Lease[] _leases; // the guest's own address last
    private readonly NeighbourTable _neighbours;

    public LeasePool(NetworkPlan plan, NeighbourTable neighbours)
    {
        _neighbours = neighbours;
        int count = (int)(plan.DhcpLast.Value - plan.DhcpFirst.Value) + 1;
        _leases = new Lease[count + 1];
        for (int i = 0; i < count; i++) _leases[i] = new Lease(new Ipv4Address(plan.DhcpFirst.Value + (uint)i));
        _leases[count] = new Lease(plan.Guest);
    }

    /// <summary>What to offer to a client, in the order of RFC 2131 section 4.3.1: what it has or had, what it asks for, an
    /// unused address, the one unused for longest, one that is heard of elsewhere, another client's oldest offer, its station's
    /// oldest lease.</summary>
    public Lease? Choose(in DhcpClient client, Ipv4Address? requested, Instant now)
    {
        Lease? own = FindOf(client);
        if (own is not null && own.IsUsable(client, now)) return own;
        if (requested is Ipv4Address address && Find(address) is Lease wanted && wanted.IsUsable(client, now)) return wanted;
        Lease? best = null;
        foreach (Lease lease in _leases.AsSpan(0, _leases.Length - 1))
        {
            LeaseState state = lease.EffectiveState(now);
            if (state is LeaseState.Free or LeaseState.Offered && (best is null || IsBetter(lease, best, client.HardwareAddress, now))) best = lease;
        }
        return best ?? OldestOf(client.HardwareAddress);
    }

    private Lease? OldestOf(MacAddress station)
    {
        Lease? oldest = null;
        foreach (Lease lease in _leases.AsSpan(0, _leases.Length - 1))
            if (lease.State == LeaseState.Bound && lease.Station == station && (oldest is null || lease.Until < oldest.Until)) oldest = lease;
        return oldest;
    }

    public Lease? Find(Ipv4Address address)
    {
        foreach (Lease lease in _leases)
            if (lease.Address == address) return lease;
        return null;
    }

    public Lease? FindOf(in DhcpClient client)
    {
        foreach (Lease lease in _leases)
            if (lease.IsOf(client)) return lease;
        return null;
    }

    /// <summary>Gives an address to a client, and frees the one it had: a client has one lease.</summary>
    public void Give(Lease lease, in DhcpClient client, LeaseState state, Instant until, Instant now)
    {
        if (FindOf(client) is Lease other && other != lease) other.Forget(now);
        lease.Give(client, state, until);
    }

    private bool IsBetter(Lease lease, Lease than, MacAddress station, Instant now)
    {
        int rank = RankFor(lease, station, now), thanRank = RankFor(than, station, now);
        return rank == thanRank ? lease.Until < than.Until : rank < thanRank;
    }

    private int RankFor(Lease lease, MacAddress station, Instant now)
    {
        if (lease.EffectiveState(now) != LeaseState.Free) return 2;
        return _neighbours.TryFind(lease.Address, out MacAddress holder) && holder != station ? 1 : 0;
    }
}
