using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Services.Dhcp;
using Slirp.Services.Dns;
using Slirp.Services.Neighbours;
using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Services;

/// <summary>The servers that the guest sees on its network, behind the one door that Core knows.</summary>
/// <remarks>
/// <para>Each worker has its own, on its own thread, and they share nothing: a client's frames come to the queue the kernel
/// chose for them, and what a server remembers (leases, neighbours, queries) only makes answers better. That two workers
/// could offer one address to two clients at once is accepted: there is one worker today.</para>
/// <para>Nothing here does I/O but through <typeparamref name="TWorld"/> and the frame sender, or looks at a clock; nothing
/// allocates per frame.</para>
/// </remarks>
public sealed class GuestServices<TWorld> : IGuestServices where TWorld : struct, IWorld
{
    private readonly NetworkPlan _plan;
    private readonly ArpResponder<TWorld> _arp;
    private readonly DhcpServer<TWorld> _dhcp;
    private readonly DnsForwarder<TWorld> _dns;
    private readonly Ipv6Services? _ipv6;
    private ResolverConfiguration _resolvers;

    private sealed record Ipv6Services(
        NeighbourDiscovery<TWorld> Discovery, RouterAdvertiser<TWorld> Router, Dhcpv6Server<TWorld> Dhcp);

    public GuestServices(
        TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, TimerWheel timers, Counters counters, FramePool pool,
        ResolverConfiguration resolvers, Instant now)
    {
        _plan = plan;
        Neighbours = new NeighbourTable(plan.GuestMac);
        _resolvers = resolvers;
        _arp = new ArpResponder<TWorld>(sender, plan, Neighbours, counters);
        _dhcp = new DhcpServer<TWorld>(sender, plan, Neighbours, resolvers, counters);
        _dns = new DnsForwarder<TWorld>(world, sender, plan, timers, counters, pool, resolvers);
        if (!plan.EnableIpv6) return;
        var router = new RouterAdvertiser<TWorld>(sender, plan, timers, resolvers, now);
        _ipv6 = new Ipv6Services(
            new NeighbourDiscovery<TWorld>(sender, plan, Neighbours, router, counters), router,
            new Dhcpv6Server<TWorld>(sender, plan, resolvers, counters));
    }

    /// <summary>Where to send what is not an answer: a forward's first packet to a guest address.</summary>
    public NeighbourTable Neighbours { get; }

    public DnsForwarder<TWorld> Dns => _dns;

    /// <summary>The host's resolv.conf has changed.</summary>
    public void UpdateResolvers(ResolverConfiguration resolvers, Instant now)
    {
        if (resolvers.IsSameAs(_resolvers)) return;
        _resolvers = resolvers;
        _dns.UpdateResolvers(resolvers, now);
        _dhcp.UpdateResolvers(resolvers);
        _ipv6?.Dhcp.UpdateResolvers(resolvers);
        _ipv6?.Router.UpdateResolvers(resolvers);
    }

    /// <summary>Addresses of the host are gone.</summary>
    public void ReplaceLost(HostAddresses addresses, Instant now) => _dns.ReplaceLost(addresses, now);

    public void OnArp(MacAddress source, ReadOnlySpan<byte> packet, Instant now) => _arp.OnPacket(packet, now);

    public void OnNeighbourDiscovery(
        MacAddress source, IpAddress from, IpAddress to, byte hopLimit, ReadOnlySpan<byte> message, Instant now) =>
        _ipv6?.Discovery.OnMessage(source, from, to, hopLimit, message, now);

    public bool OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now)
    {
        IpEndpoint destination = datagram.Destination;
        switch (destination.Port)
        {
            case DnsForwarder<TWorld>.Port when _plan.EnableDns && _plan.IsDns(destination.Address):
                _dns.OnQuery(datagram, payload, now);
                return true;
            case DhcpView.ServerPort when IsDhcpDestination(destination.Address):
                _dhcp.OnDatagram(datagram, payload, now);
                return true;
            case Dhcpv6View.ServerPort when _ipv6 is not null && destination.Address == Dhcpv6Server<TWorld>.AllServers:
                _ipv6.Dhcp.OnDatagram(datagram, payload);
                return true;
            default:
                return false;
        }
    }

    public bool TryRedirectTcp(IpEndpoint destination, Instant now, out IpEndpoint host)
    {
        host = default;
        return destination.Port == DnsForwarder<TWorld>.Port && _plan.EnableDns && _plan.IsDns(destination.Address)
            && _dns.TryRedirectTcp(now, out host);
    }

    public bool TryRedirectTcpElsewhere(IpEndpoint failed, bool isSilent, Instant now, out IpEndpoint host) =>
        _dns.TryRedirectTcpElsewhere(failed, isSilent, now, out host);

    public void OnEvent(EventTarget target, HostEvents events, Instant now)
    {
        if (target.Kind == EventKind.DnsUpstream) _dns.OnEvent(target, events, now);
    }

    public void OnTimer(EventTarget target, Instant now)
    {
        if (target == ServiceTimer.RouterAdvertisement.Target()) _ipv6?.Router.OnTimer(now);
        else if (target == ServiceTimer.Dns.Target()) _dns.OnTimer(now);
    }

    private bool IsDhcpDestination(IpAddress address) =>
        address.IsIpv4 && (address.Ipv4.IsBroadcast || address.Ipv4 == _plan.SubnetBroadcast || address.Ipv4 == _plan.Gateway);
}
