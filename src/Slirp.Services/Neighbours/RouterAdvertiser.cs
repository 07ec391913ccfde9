using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Tells the guest its IPv6 prefix, router, MTU and resolver, when it asks and again before any of it expires.</summary>
/// <remarks>
/// <para>An advertisement goes out at start, twice more soon after (the interface may have been down), whenever the search
/// list changes, at each solicitation, and then every 200 to 600 seconds at random. Lifetimes outlast three of those
/// intervals, so a guest that misses two still has its network.</para>
/// <para>The random delay and the pause of RFC 4861 section 6.2.6 before answering a solicitation keep many hosts and
/// routers on one wire from speaking at once; here are one router and few hosts, so the answer is sent at once and the guest has its
/// address sooner.</para>
/// <para>Flag O is set and M is not: addresses come by SLAAC, and what else DHCPv6 can tell is told by
/// <c>Dhcpv6Server</c>. Sources: RFC 4861 sections 4.2, 6.2; RFC 8106.</para>
/// </remarks>
public sealed class RouterAdvertiser<TWorld> where TWorld : struct, IWorld
{
    private const int InitialCount = 3; // MAX_INITIAL_RTR_ADVERTISEMENTS
    private const ushort RouterLifetimeSeconds = 1800; // AdvDefaultLifetime: three times the longest interval
    private const uint DnsLifetimeSeconds = 1800; // RFC 8106 section 5.1: three times the longest interval
    private const uint ValidSeconds = 86_400;
    private const uint PreferredSeconds = 14_400;
    private const int MaxLength = 1280 - Ipv6Builder.HeaderLength; // no path to the guest is narrower

    private static readonly TimeSpan InitialInterval = TimeSpan.FromSeconds(16); // MAX_INITIAL_RTR_ADVERT_INTERVAL
    private static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(200); // MinRtrAdvInterval
    private static readonly TimeSpan MaxInterval = TimeSpan.FromSeconds(600); // MaxRtrAdvInterval

    private static readonly RouterAdvertisementFields Fields = new(
        FrameSender<TWorld>.HopLimit, IsManaged: false, HasOtherConfiguration: true, RouterLifetimeSeconds, 0, 0);

    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly TimerWheel _timers;
    private string[] _searchDomains;
    private TimerHandle _timer;
    private int _initialLeft = InitialCount;

    public RouterAdvertiser(
        FrameSender<TWorld> sender, NetworkPlan plan, TimerWheel timers, ResolverConfiguration resolvers, Instant now)
    {
        _sender = sender;
        _plan = plan;
        _timers = timers;
        _searchDomains = [.. resolvers.SearchDomains];
        OnTimer(now);
    }

    /// <summary>It is time for an advertisement that nobody asked for.</summary>
    public void OnTimer(Instant now)
    {
        _timer = default; // it has fired
        Advertise(AllNodes.Mac, AllNodes.Address);
        TimeSpan wait = _initialLeft > 1 ? InitialInterval : RandomInterval();
        if (_initialLeft > 0) _initialLeft--;
        _timers.Schedule(ref _timer, ServiceTimer.RouterAdvertisement.Target(), now + wait);
    }

    public void UpdateResolvers(ResolverConfiguration resolvers)
    {
        string[] searchDomains = [.. resolvers.SearchDomains];
        if (_searchDomains.AsSpan().SequenceEqual(searchDomains)) return;
        WithdrawSearchList(searchDomains);
        _searchDomains = searchDomains;
        Advertise(AllNodes.Mac, AllNodes.Address);
    }

    public void Advertise(MacAddress to, IpAddress destination)
    {
        Span<byte> message = stackalloc byte[MaxLength];
        var builder = Begin(message);
        // The link's own limit is 65 535 octets in any case, and hosts ignore an MTU below 1280 (RFC 4861 section 6.3.4).
        if (_plan.Mtu >= 1280) builder.AddMtu((uint)_plan.Mtu);
        builder.AddPrefix(new PrefixInformation(
            _plan.Prefix6, 64, IsOnLink: true, IsAutonomous: true, ValidSeconds, PreferredSeconds));
        if (_plan.EnableDns) builder.AddRecursiveDns(DnsLifetimeSeconds, [_plan.Dns6]);
        AddSearchList(ref builder, DnsLifetimeSeconds, _searchDomains);
        Send(to, destination, message[..builder.Finish(_plan.GatewayLinkLocal, destination)]);
    }

    /// <summary>Domains that are gone from the list are told with a lifetime of zero, or hosts would keep them for theirs
    /// (RFC 8106 section 5.2).</summary>
    private void WithdrawSearchList(string[] updated)
    {
        var gone = new List<string>();
        foreach (string domain in _searchDomains)
            if (Array.IndexOf(updated, domain) < 0) gone.Add(domain);
        if (gone.Count == 0) return;
        Span<byte> message = stackalloc byte[MaxLength];
        var builder = Begin(message);
        AddSearchList(ref builder, 0, [.. gone]);
        Send(AllNodes.Mac, AllNodes.Address, message[..builder.Finish(_plan.GatewayLinkLocal, AllNodes.Address)]);
    }

    private RouterAdvertisementBuilder Begin(Span<byte> message)
    {
        var builder = new RouterAdvertisementBuilder(message, Fields);
        builder.AddSourceLinkLayer(_plan.OurMac);
        return builder;
    }

    /// <summary>As many domains as fit, from the first: a shorter list is better than none.</summary>
    private static void AddSearchList(
        ref RouterAdvertisementBuilder builder, uint lifetimeSeconds, scoped ReadOnlySpan<string> domains)
    {
        while (!domains.IsEmpty && !builder.AddSearchList(lifetimeSeconds, domains)) domains = domains[..^1];
    }

    private void Send(MacAddress to, IpAddress destination, ReadOnlySpan<byte> message) =>
        _sender.SendNeighbourDiscovery(to, _plan.GatewayLinkLocal, destination, message);

    private static TimeSpan RandomInterval() =>
        MinInterval + (MaxInterval - MinInterval) * (SecureRandom.NextUInt16() / (double)ushort.MaxValue);
}
