using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Answers neighbour and router solicitations for our own IPv6 addresses, and learns where the guest's are.</summary>
/// <remarks>
/// <para>What ARP is to IPv4, with the same rule: an address of the guest's gets no answer, neither when it asks for it nor
/// when it checks that nobody else has it (duplicate address detection); a check for one of ours is answered to all
/// nodes, so that the guest gives it up.</para>
/// <para>Invariants: nothing is answered or learnt from a message whose hop limit is not 255, so it came from our link; the
/// guest's own router advertisements and redirects change nothing here. Of neighbour unreachability detection there is what
/// <see cref="GuestStations{TWorld}"/> asks when nobody answers.</para>
/// <para>Sources: RFC 4861 sections 6.1.1, 6.2.6, 7.1.1, 7.1.2, 7.2.3, 7.2.4; RFC 4862 section 5.4.3.</para>
/// </remarks>
public sealed class NeighbourDiscovery<TWorld>(
    FrameSender<TWorld> sender, NetworkPlan plan, NeighbourTable neighbours, RouterAdvertiser<TWorld> router, Counters counters)
    where TWorld : struct, IWorld
{
    /// <param name="source">The station whose frame it was.</param>
    /// <param name="message">An ICMPv6 message from its type on, with a good checksum.</param>
    public void OnMessage(
        MacAddress source, IpAddress from, IpAddress to, byte hopLimit, ReadOnlySpan<byte> message, Instant now)
    {
        bool isAccepted = hopLimit == FrameSender<TWorld>.NeighbourHopLimit && MaySpeak(from)
            && Icmpv6View.TryParse(message, out Icmpv6View icmp) && TryTake(icmp, source, from, to, now);
        if (!isAccepted) counters.Drop(DropReason.BadNeighbourDiscovery);
    }

    private bool MaySpeak(IpAddress from) => !plan.IsOurs(from) && !from.IsMulticast;

    private bool TryTake(in Icmpv6View icmp, MacAddress source, IpAddress from, IpAddress to, Instant now) => icmp.Type switch
    {
        Icmpv6Type.NeighborSolicitation => OnNeighbourSolicitation(source, from, to, icmp, now),
        Icmpv6Type.NeighborAdvertisement => plan.IsOnLink(from) && OnNeighbourAdvertisement(to, icmp, now),
        Icmpv6Type.RouterSolicitation => (from.IsAny || plan.IsOnLink(from)) && OnRouterSolicitation(source, from, icmp, now),
        _ => false, // The guest is no router of ours, and no message of this kind is any other station's.
    };

    private bool OnNeighbourSolicitation(MacAddress source, IpAddress from, IpAddress to, in Icmpv6View icmp, Instant now)
    {
        if (!NeighborSolicitationView.TryParse(icmp, out NeighborSolicitationView solicitation)) return false;
        MacAddress? linkLayer = solicitation.SourceLinkLayer;
        if (from.IsAny && (linkLayer is not null || !IsSolicitedNode(to))) return false;
        // A guest may have an address of a network that is not ours, and still look for us (RFC 4861 section 7.1.1).
        if (plan.IsOnLink(from) && !TryLearn(from, linkLayer, now)) return false;
        IpAddress target = solicitation.Target;
        if (!plan.IsOurs(target)) return true;

        bool isProbe = from.IsAny;
        IpAddress destination = isProbe ? AllNodes.Address : from;
        Span<byte> advertisement = stackalloc byte[NeighborBuilder.MaxLength];
        int length = NeighborBuilder.WriteAdvertisement(advertisement, target, destination, new NeighborAdvertisementFields(
            target, IsRouter: plan.IsGateway(target), IsSolicited: !isProbe, IsOverride: true, plan.OurMac));
        sender.SendNeighbourDiscovery(
            isProbe ? AllNodes.Mac : linkLayer ?? source, target, destination, advertisement[..length]);
        return true;
    }

    private bool OnNeighbourAdvertisement(IpAddress to, in Icmpv6View icmp, Instant now)
    {
        if (!NeighborAdvertisementView.TryParse(icmp, out NeighborAdvertisementView advertisement)) return false;
        if (to.IsMulticast && advertisement.IsSolicited) return false;
        IpAddress target = advertisement.Target;
        return !plan.IsOurs(target) && plan.IsOnLink(target) && TryLearn(target, advertisement.TargetLinkLayer, now);
    }

    private bool OnRouterSolicitation(MacAddress source, IpAddress from, in Icmpv6View icmp, Instant now)
    {
        if (!RouterSolicitationView.TryParse(icmp, out RouterSolicitationView solicitation)) return false;
        MacAddress? linkLayer = solicitation.SourceLinkLayer;
        if (from.IsAny)
        {
            if (linkLayer is not null) return false;
            router.Advertise(AllNodes.Mac, AllNodes.Address);
            return true;
        }
        if (!TryLearn(from, linkLayer, now)) return false;
        router.Advertise(linkLayer ?? source, from);
        return true;
    }

    /// <returns>False if the hardware address is one that no station can have.</returns>
    private bool TryLearn(IpAddress address, MacAddress? linkLayer, Instant now)
    {
        if (linkLayer is not MacAddress mac) return true;
        if (mac.IsMulticast || mac.IsZero || mac == plan.OurMac) return false;
        neighbours.Learn(address, mac, now);
        return true;
    }

    /// <summary>ff02::1:ff00:0/104 (RFC 4291 section 2.7.1).</summary>
    private static bool IsSolicitedNode(IpAddress address) =>
        address.High == 0xff02_0000_0000_0000 && address.Low >> 24 == 0x1ff;
}
