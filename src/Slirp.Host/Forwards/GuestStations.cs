using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Services.Neighbours;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>Where a guest address is: what the guest said in ARP or neighbour discovery. As long as it has not said it, it is
/// asked, and the interface's own hardware address, where known, is a guess only: the interface may be a port of a
/// bridge.</summary>
internal sealed class GuestStations(NeighbourTable neighbours, FrameSender<HostWorld> sender, NetworkPlan plan) : IGuestStations
{
    /// <summary>RFC 1122 section 2.3.2.1: one request a second for one destination. A forward waits for the first answer,
    /// so it is asked more often here, by all destinations together.</summary>
    private static readonly TimeSpan AskEvery = TimeSpan.FromMilliseconds(200);

    private Instant _mayAskAt;

    public bool TryFind(IpAddress guest, Instant now, out MacAddress station)
    {
        if (neighbours.TryFind(guest, out station)) return true;
        station = plan.GuestMac.IsMulticast ? default : plan.GuestMac;
        Doubt(guest, now);
        return false;
    }

    public void Doubt(IpAddress guest, Instant now)
    {
        if (now < _mayAskAt) return;
        _mayAskAt = now + AskEvery;
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
