using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Where a guest address is: what the guest said in ARP or neighbour discovery. As long as it has not said it, it is
/// asked, and the interface's own hardware address, where known, is a guess only: the interface may be a port of a
/// bridge.</summary>
/// <remarks>
/// <para><b>Moves.</b> A hardware address changes under a guest that runs: a bridge takes the lowest of its ports', one router
/// stands in for another. What the guest itself sends tells it, and what only the outside sends is lost until the neighbour
/// table is told (RFC 5227 section 2.3, RFC 4861 section 7.2.6) or somebody asks. Then the flows follow
/// (<see cref="IStationUser"/>).</para>
/// <para><b>Questions.</b> Who gets no answer from the guest doubts where it is; who hears nothing from it for
/// <see cref="IGuestStations.Reachable"/>, and has something for it, does too (RFC 1122 section 2.3.2.1, RFC 4861 section 7.3).</para>
/// <para><b>Limits.</b> One address is asked for at most every <see cref="AskKnownEvery"/> if it is known, and those that are
/// not known at most every <see cref="AskUnknownEvery"/> together. Flows follow at most every <see cref="FollowEvery"/>,
/// for that is a walk over all of them.</para>
/// </remarks>
public sealed class GuestStations<TWorld>(
    NeighbourTable neighbours, FrameSender<TWorld> sender, NetworkPlan plan, TimerWheel timers) : IGuestStations, IEngine
    where TWorld : struct, IWorld
{
    /// <summary>RFC 1122 section 2.3.2.1: one request a second for one destination.</summary>
    private static readonly TimeSpan AskKnownEvery = TimeSpan.FromSeconds(1);

    /// <summary>A forward waits for the first answer, so it is asked more often than that, by all destinations together.</summary>
    private static readonly TimeSpan AskUnknownEvery = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan FollowEvery = TimeSpan.FromSeconds(1);

    private static readonly EventTarget Target = new(EventKind.StationMove, 0, 0);

    private readonly List<IStationUser> _users = [];
    private Instant _mayAskAt, _mayFollowAt;
    private TimerHandle _timer;

    /// <summary>Names those whose flows follow, once they are made.</summary>
    public void Serve(params ReadOnlySpan<IStationUser> users)
    {
        _users.AddRange(users);
        neighbours.Moved = OnMoved;
    }

    public bool TryFind(IpAddress guest, Instant now, out MacAddress station)
    {
        if (neighbours.TryFind(guest, out station))
        {
            if (neighbours.MayAsk(guest, station, IGuestStations.Reachable, now)) Ask(guest);
            return true;
        }
        station = plan.GuestMac.IsMulticast ? default : plan.GuestMac;
        if (now < _mayAskAt) return false;
        _mayAskAt = now + AskUnknownEvery;
        Ask(guest);
        return false;
    }

    public void Doubt(IpAddress guest, MacAddress station, Instant now)
    {
        if (neighbours.MayAsk(guest, station, AskKnownEvery, now)) Ask(guest);
    }

    public void OnTimer(EventTarget target, Instant now)
    {
        _timer = default;
        _mayFollowAt = now + FollowEvery;
        try
        {
            foreach (IStationUser user in _users) user.FollowStations(neighbours, now);
        }
        finally
        {
            neighbours.ForgetMoves();
        }
    }

    private void OnMoved(Instant now)
    {
        if (!_timer.IsSet) timers.Schedule(ref _timer, Target, Instant.Later(now, _mayFollowAt));
    }

    private void Ask(IpAddress guest)
    {
        if (guest.IsIpv4) AskByArp(guest.Ipv4);
        else AskByNeighbourDiscovery(guest);
    }

    private void AskByArp(Ipv4Address guest) => sender.SendArp(
        MacAddress.Broadcast, new ArpFields(ArpOperation.Request, plan.OurMac, plan.Gateway, default, guest));

    private void AskByNeighbourDiscovery(IpAddress guest)
    {
        // Solicited-node address and its multicast MAC (RFC 4291 section 2.7.1, RFC 2464 section 7).
        ulong last = guest.Low & 0xff_ffff;
        var group = new IpAddress(0xff02_0000_0000_0000, 0x1_ff00_0000 | last);
        var mac = new MacAddress(0x3333_ff00_0000 | last);
        Span<byte> message = stackalloc byte[NeighborBuilder.MaxLength];
        int length = NeighborBuilder.WriteSolicitation(message, plan.Gateway6, group, guest, plan.OurMac);
        sender.SendNeighbourDiscovery(mac, plan.Gateway6, group, message[..length]);
    }
}
