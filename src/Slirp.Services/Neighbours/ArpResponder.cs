using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Answers ARP requests for our own IPv4 addresses (RFC 826), and for no other.</summary>
/// <remarks>
/// <para>An address of the guest, whether assigned, probed for (RFC 5227) or announced, gets no answer: the guest would
/// take one for a conflict and give the address up. A probe for one of ours does get one, for the same reason.</para>
/// <para>Invariants: one reply at most per packet, to the sender it names; a packet that claims one of our addresses for
/// its sender changes nothing.</para>
/// <para>Sources: RFC 826, RFC 5227 sections 2.1.1 and 2.4.</para>
/// </remarks>
public sealed class ArpResponder<TWorld>(
    FrameSender<TWorld> sender, NetworkPlan plan, NeighbourTable neighbours, Counters counters)
    where TWorld : struct, IWorld
{
    /// <param name="packet">What follows the Ethernet header; padding may follow.</param>
    public void OnPacket(ReadOnlySpan<byte> packet, Instant now)
    {
        if (!ArpView.TryParse(packet, out ArpView arp) || !IsHonest(arp))
        {
            counters.Drop(DropReason.BadArp);
            return;
        }
        Ipv4Address from = arp.SenderAddress, target = arp.TargetAddress;
        if (!from.IsAny && plan.IsOnLink(from)) neighbours.Learn(from, arp.SenderMac, now);
        if (arp.Operation != ArpOperation.Request) return;
        if (!plan.IsOurs(target))
        {
            // Announcements and probes are heard by all; any other request is for somebody who is not here.
            if (!from.IsAny && from != target) counters.Drop(DropReason.NotForUs);
            return;
        }
        sender.SendArp(arp.SenderMac, new ArpFields(
            ArpOperation.Reply, plan.OurMac, target, arp.SenderMac, from));
    }

    private bool IsHonest(in ArpView arp) =>
        arp.Operation is ArpOperation.Request or ArpOperation.Reply
        && !arp.SenderMac.IsMulticast && !arp.SenderMac.IsZero && arp.SenderMac != plan.OurMac
        && !arp.SenderAddress.IsMulticast && !arp.SenderAddress.IsBroadcast && !plan.IsOurs(arp.SenderAddress);
}
