using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Services.Neighbours;
using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Services.Dhcp;

/// <summary>Gives IPv4 addresses and settings to guests that configure themselves (RFC 2131).</summary>
/// <remarks>
/// <para>One message in, at most one out; all state is in the <see cref="LeasePool"/>. The server is the only one on its
/// link and its memory ends with the process, so it is authoritative: a client that asks for an address it had from an
/// earlier run gets it if it is free, where RFC 2131 section 4.3.2 would have a server without a record be silent, and
/// is refused at once if it is not, instead of waiting out its timeouts.</para>
/// <para>Invariants: a reply holds nothing from an earlier message; what a client claims about itself is used for nothing
/// but finding its lease and addressing its reply, and replies go to the guest's link only.</para>
/// <para>Limits: one lease per client, as many clients as addresses. Messages without a message type (BOOTP) get no answer.
/// Sources: RFC 2131 sections 4.1 and 4.3, RFC 2132, RFC 3397, RFC 6842.</para>
/// </remarks>
public sealed partial class DhcpServer<TWorld> where TWorld : struct, IWorld
{
    private const uint LeaseSeconds = 86_400;

    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(LeaseSeconds);
    private static readonly TimeSpan OfferTime = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan DeclineTime = TimeSpan.FromMinutes(10);

    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly Counters _counters;
    private readonly LeasePool _pool;
    private string[] _searchDomains;

    public DhcpServer(
        FrameSender<TWorld> sender, NetworkPlan plan, NeighbourTable neighbours, ResolverConfiguration resolvers, Counters counters)
    {
        _sender = sender;
        _plan = plan;
        _counters = counters;
        _pool = new LeasePool(plan, neighbours);
        _searchDomains = [.. resolvers.SearchDomains];
    }

    public void UpdateResolvers(ResolverConfiguration resolvers) => _searchDomains = [.. resolvers.SearchDomains];

    /// <summary>A datagram to port 67.</summary>
    public void OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now)
    {
        DropReason outcome = DhcpView.TryParse(payload, out DhcpView message) && IsHonest(message)
            ? Answer(datagram, message, now)
            : DropReason.BadDhcp;
        if (outcome != DropReason.None) _counters.Drop(outcome);
    }

    private bool IsHonest(in DhcpView message)
    {
        MacAddress chaddr = message.Chaddr;
        Ipv4Address giaddr = message.Giaddr;
        return message.Op == DhcpOperation.BootRequest
            && !chaddr.IsMulticast && !chaddr.IsZero && chaddr != _plan.OurMac
            && (giaddr.IsAny || IsGuestAddress(giaddr));
    }

    /// <summary>An address that a station of the guest's may have.</summary>
    private bool IsGuestAddress(Ipv4Address address) =>
        _plan.IsOnLink(address) && !_plan.IsOurs(address) && address != _plan.Network && address != _plan.SubnetBroadcast;

    private DropReason Answer(in LocalDatagram datagram, in DhcpView message, Instant now)
    {
        Span<byte> buffer = stackalloc byte[DhcpClient.MaxLength];
        DhcpClient client = DhcpClient.Of(message, buffer);
        return message.MessageType switch
        {
            DhcpMessageType.Discover => OnDiscover(datagram, message, client, now),
            DhcpMessageType.Request => OnRequest(datagram, message, client, now),
            DhcpMessageType.Decline => OnDecline(message, client, now),
            DhcpMessageType.Release => OnRelease(message, client, now),
            DhcpMessageType.Inform => OnInform(datagram, message),
            _ => DropReason.BadDhcp,
        };
    }

    private DropReason OnDiscover(in LocalDatagram datagram, in DhcpView message, in DhcpClient client, Instant now)
    {
        Lease? lease = _pool.Choose(client, message.RequestedAddress, now);
        if (lease is null) return DropReason.DhcpNoAddress;
        // A bound client that starts over keeps its lease until it takes the offer or the lease ends.
        if (lease.EffectiveState(now) != LeaseState.Bound || !lease.IsOf(client)) _pool.Give(lease, client, LeaseState.Offered, now + OfferTime, now);
        Reply(datagram, message, DhcpMessageType.Offer, lease.Address);
        return DropReason.None;
    }

    /// <summary>Which of the four states the client is in shows in what it sends (RFC 2131 section 4.3.2): a server
    /// identifier in SELECTING only, a requested address in SELECTING and INIT-REBOOT, ciaddr in RENEWING and REBINDING.</summary>
    private DropReason OnRequest(in LocalDatagram datagram, in DhcpView message, in DhcpClient client, Instant now)
    {
        if (message.ServerIdentifier is Ipv4Address server && server != _plan.Gateway)
        {
            // It took another server's offer, so ours is free again.
            if (_pool.FindOf(client) is Lease offer && offer.EffectiveState(now) == LeaseState.Offered) offer.Release(now);
            return DropReason.None;
        }
        Ipv4Address wanted = message.RequestedAddress ?? message.Ciaddr;
        if (wanted.IsAny) return DropReason.BadDhcp;
        if (_pool.Find(wanted) is not Lease lease || !lease.IsUsable(client, now))
        {
            Reply(datagram, message, DhcpMessageType.Nak, default);
            return DropReason.None;
        }
        _pool.Give(lease, client, LeaseState.Bound, now + LeaseTime, now);
        Reply(datagram, message, DhcpMessageType.Ack, lease.Address);
        return DropReason.None;
    }

    private DropReason OnDecline(in DhcpView message, in DhcpClient client, Instant now)
    {
        if (!IsMeantForUs(message) || message.RequestedAddress is not Ipv4Address address) return DropReason.BadDhcp;
        if (_pool.Find(address) is not Lease lease || !lease.IsOf(client)) return DropReason.BadDhcp;
        lease.Decline(now + DeclineTime);
        return DropReason.None;
    }

    private DropReason OnRelease(in DhcpView message, in DhcpClient client, Instant now)
    {
        if (!IsMeantForUs(message)) return DropReason.BadDhcp;
        if (_pool.Find(message.Ciaddr) is not Lease lease || !lease.IsOf(client)) return DropReason.BadDhcp;
        lease.Release(now);
        return DropReason.None;
    }

    private bool IsMeantForUs(in DhcpView message) =>
        message.ServerIdentifier is not Ipv4Address server || server == _plan.Gateway;

    /// <summary>A client with an address of its own asks for the rest.</summary>
    private DropReason OnInform(in LocalDatagram datagram, in DhcpView message)
    {
        if (!IsGuestAddress(message.Ciaddr)) return DropReason.BadDhcp;
        Reply(datagram, message, DhcpMessageType.Ack, default);
        return DropReason.None;
    }
}
