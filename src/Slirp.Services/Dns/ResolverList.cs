using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Services.Dns;

/// <summary>The resolvers in the order to ask them: those that answer as the host lists them, then those that lately did
/// not.</summary>
/// <remarks>
/// <para>A resolver is down from its first refusal or silence until it is heard again. Nobody waits to find that out: every
/// <see cref="ProbeInterval"/> one query is sent to it as well as to the one that is asked (see the forwarder). So a dead
/// first resolver costs one query one second, once.</para>
/// <para>Refusing TCP, or silence there, says nothing about UDP and is remembered apart, for <see cref="TcpHoldTime"/>.</para>
/// </remarks>
internal sealed class ResolverList
{
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan TcpHoldTime = TimeSpan.FromSeconds(30);

    /// <summary>For so long one that has fallen silent may be slow, and not gone: time in which it was asked, since to say
    /// nothing when nobody asks is no silence.</summary>
    public static readonly TimeSpan DoubtTime = TimeSpan.FromSeconds(10);

    private readonly ResolverConfiguration _configuration;
    private readonly Resolver[] _resolvers;

    private struct Resolver
    {
        public IpEndpoint Endpoint;
        public bool IsDown, HasRefused;
        public Instant DownSince, LastInVain, ProbeAt;
        public Instant LastHeard;
        public Instant TcpDownUntil;
        public bool IsTcpSilent;
    }

    public ResolverList(ResolverConfiguration configuration, ResolverList? previous)
    {
        _configuration = configuration;
        _resolvers = new Resolver[Math.Min(configuration.Servers.Count, ResolverConfiguration.MaxServers)];
        for (int i = 0; i < _resolvers.Length; i++)
        {
            IpEndpoint endpoint = configuration.Servers[i];
            int known = previous?.IndexOf(endpoint) ?? -1;
            _resolvers[i] = known >= 0 ? previous!._resolvers[known] : new Resolver { Endpoint = endpoint };
        }
    }

    /// <summary>Whether a configuration names the same servers, reached by the same interfaces.</summary>
    public bool IsOf(ResolverConfiguration configuration) => _configuration.HasSameServers(configuration);

    public int Count => _resolvers.Length;

    public IpEndpoint this[int index] => _resolvers[index].Endpoint;

    public bool IsDown(int index) => _resolvers[index].IsDown;

    /// <summary>True if an answer to what it is asked now is possible, or the lack of one would be known soon: it is up, or
    /// refuses (which it says at once), or its silence is young.</summary>
    public bool MayAnswer(int index)
    {
        ref Resolver resolver = ref _resolvers[index];
        return !resolver.IsDown || resolver.HasRefused || resolver.LastInVain - resolver.DownSince < DoubtTime;
    }

    public Instant LastHeard(int index) => _resolvers[index].LastHeard;

    public int IndexOf(IpEndpoint endpoint)
    {
        for (int i = 0; i < _resolvers.Length; i++)
            if (_resolvers[i].Endpoint == endpoint) return i;
        return -1;
    }

    public ResolverOrder Order()
    {
        ResolverOrder order = default;
        for (int rank = 0; rank < 2; rank++)
            for (int i = 0; i < _resolvers.Length; i++)
                if (_resolvers[i].IsDown == (rank == 1)) order.Append(i);
        return order;
    }

    /// <returns>The best resolver for a TCP connection, or -1 if there is none at all.</returns>
    public int BestForTcp(Instant now)
    {
        int best = -1, bestRank = int.MaxValue;
        for (int i = 0; i < _resolvers.Length; i++)
        {
            int rank = (RefusesTcp(i, now) ? 4 : IsTcpDown(i, now) ? 2 : 0) + (_resolvers[i].IsDown ? 1 : 0);
            if (rank < bestRank) (best, bestRank) = (i, rank);
        }
        return best;
    }

    public void MarkHeard(int index, Instant now)
    {
        _resolvers[index].LastHeard = now;
        _resolvers[index].IsDown = false;
    }

    public void MarkRefused(int index, Instant now) => MarkDown(ref _resolvers[index], hasRefused: true, now, now);

    /// <param name="askedAt">What was asked then has had no answer.</param>
    public void MarkSilent(int index, Instant askedAt, Instant now) => MarkDown(ref _resolvers[index], hasRefused: false, askedAt, now);

    private bool IsTcpDown(int index, Instant now) => _resolvers[index].TcpDownUntil > now;

    private static void MarkDown(ref Resolver resolver, bool hasRefused, Instant askedAt, Instant now)
    {
        resolver.HasRefused = hasRefused;
        if (resolver.IsDown)
        {
            resolver.LastInVain = Instant.Later(resolver.LastInVain, askedAt);
            return;
        }
        resolver.IsDown = true;
        resolver.DownSince = resolver.LastInVain = askedAt;
        resolver.ProbeAt = now + ProbeInterval;
    }

    public bool RefusesTcp(int index, Instant now) => IsTcpDown(index, now) && !_resolvers[index].IsTcpSilent;

    public void MarkTcpDown(int index, bool isSilent, Instant now) =>
        (_resolvers[index].TcpDownUntil, _resolvers[index].IsTcpSilent) = (now + TcpHoldTime, isSilent);

    /// <summary>A resolver that is down and has not been tried for a while; the caller is to try it now.</summary>
    public bool TryTakeProbe(Instant now, out int index)
    {
        for (index = 0; index < _resolvers.Length; index++)
        {
            ref Resolver resolver = ref _resolvers[index];
            if (!resolver.IsDown || resolver.ProbeAt > now) continue;
            resolver.ProbeAt = now + ProbeInterval;
            return true;
        }
        return false;
    }
}

/// <summary>Up to eight resolver numbers, best first; kept by each query, so that its retries follow one plan.</summary>
internal struct ResolverOrder
{
    private uint _packed; // four bits each

    public int Count { get; private set; }

    public readonly int this[int position] => (int)(_packed >> 4 * position) & 0xf;

    public void Append(int resolver) => _packed |= (uint)resolver << 4 * Count++;
}
