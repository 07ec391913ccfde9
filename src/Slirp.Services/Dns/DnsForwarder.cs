using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;
using Slirp.Wire.Dns;

namespace Slirp.Services.Dns;

/// <summary>Passes the guest's DNS queries on to the host's resolvers and their answers back, octet for octet.</summary>
/// <remarks>
/// <para>A query is looked at no further than to know that it is one question; it leaves with a random identifier from a
/// socket connected to one resolver, and an answer counts only if it comes to that socket with that identifier and that
/// question. The guest then gets it with its own identifier, cut down to what it can take; nothing else is changed in
/// either direction, whatever the response code, but that several resolvers get no cookies. What the host's resolver is, an
/// address of loopback or of the other family, one that is also ours, makes no difference: the socket is the host's.</para>
/// <para>Time runs in steps of <see cref="StepTime"/>. At each step a query without an answer is sent to the next resolver
/// it has not asked, then round again; answers to all its attempts stay welcome. A refusal moves it on at once, and an
/// answer that says no more than that the resolver fails is one. That a name does not exist is believed of the first
/// that may answer (see <c>DnsForwarder.Negatives.cs</c>). An update (RFC 2136) is repeated to who has it, and moves on when
/// that one refuses. After <see cref="StepCount"/> steps, or when all have refused, or if there are none, the answer is the
/// first refusal, or SERVFAIL: sooner than a client's own time is up, so that it learns what is wrong.</para>
/// <para>Invariants: a query the guest repeats while it waits is not sent again; a socket is open only while a query is out
/// on it; a resolver's silence is held against it only if it answered nothing else meanwhile.</para>
/// <para>Limits: <see cref="PendingQueries.Capacity"/> queries, the oldest is given up for a new one; longer queries than
/// <see cref="PendingQueries.MaxLength"/> are told to come by TCP. Sources: RFC 1035 section 4, RFC 5452, RFC 6891,
/// resolv.conf(5).</para>
/// </remarks>
public sealed partial class DnsForwarder<TWorld> where TWorld : struct, IWorld
{
    public const ushort Port = 53;

    /// <summary>Five of these stay below the five seconds after which the common stub resolvers give up or try again.</summary>
    public static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(900);

    public const int StepCount = 5;

    /// <summary>Queries that may wait at a time.</summary>
    public const int MaxPending = PendingQueries.Capacity;

    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly TimerWheel _timers;
    private readonly Counters _counters;
    private readonly FramePool _pool;
    private readonly UpstreamSockets<TWorld> _sockets;
    private readonly PendingQueries _queries = new();
    private readonly QueryAttempts _attempts = new();
    private ResolverList _resolvers;
    private TWorld _world;
    private TimerHandle _timer;

    public DnsForwarder(
        TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, TimerWheel timers, Counters counters, FramePool pool,
        ResolverConfiguration resolvers)
    {
        _world = world;
        _sender = sender;
        _plan = plan;
        _timers = timers;
        _counters = counters;
        _pool = pool;
        _sockets = new UpstreamSockets<TWorld>(world);
        _resolvers = new ResolverList(resolvers, previous: null);
    }

    /// <summary>Queries that wait for an answer.</summary>
    public int PendingCount => _queries.Count;

    /// <summary>Host sockets open now.</summary>
    public int SocketCount => _sockets.OpenCount;

    /// <summary>A datagram from the guest to port 53 of the DNS address.</summary>
    public void OnQuery(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now)
    {
        if (!IsClient(datagram.Source) || !DnsView.TryParse(payload, out DnsView dns) || dns.IsResponse)
        {
            // No answer: to answer a response is how two servers come to answer each other for ever.
            _counters.Drop(DropReason.BadDns);
            return;
        }
        _counters.DnsQueries++;
        if (!dns.TryReadQuestion(out _))
        {
            _counters.Drop(DropReason.BadDns);
            AnswerWithError(datagram, payload, DnsResponseCode.FormatError);
        }
        else if (payload.Length > PendingQueries.MaxLength)
        {
            AnswerTruncated(datagram, payload);
        }
        else if (_resolvers.Count == 0)
        {
            _counters.Drop(DropReason.DnsNoResolver);
            AnswerWithError(datagram, payload, DnsResponseCode.ServerFailure);
        }
        else if (!_queries.TryFind(datagram.Source, datagram.Destination, dns.Id, payload, out _))
        {
            Start(datagram, dns, now);
        }
    }

    /// <summary>What to connect to for DNS over TCP; false if there is no resolver.</summary>
    public bool TryRedirectTcp(Instant now, out IpEndpoint host)
    {
        int best = _resolvers.BestForTcp(now);
        host = best < 0 ? default : _resolvers[best];
        return best >= 0;
    }

    /// <summary>A connection to <paramref name="failed"/> could not be made: true if there is another to try. Who was only silent
    /// is tried again when all others refuse.</summary>
    public bool TryRedirectTcpElsewhere(IpEndpoint failed, bool isSilent, Instant now, out IpEndpoint host)
    {
        int resolver = _resolvers.IndexOf(failed);
        if (resolver >= 0) _resolvers.MarkTcpDown(resolver, isSilent, now);
        return TryRedirectTcp(now, out host) && host != failed && !_resolvers.RefusesTcp(_resolvers.IndexOf(host), now);
    }

    /// <summary>The host's configuration has changed: what waits is asked again of whom it names now.</summary>
    public void UpdateResolvers(ResolverConfiguration configuration, Instant now)
    {
        if (_resolvers.IsOf(configuration)) return;
        // Attempts first: slots belong to resolvers by number, and the numbers change.
        RemoveAllAttempts();
        _resolvers = new ResolverList(configuration, _resolvers);
        RestartAll(now);
    }

    /// <summary>Addresses of the host are gone: what was asked from one of them is asked again.</summary>
    public void ReplaceLost(HostAddresses addresses, Instant now)
    {
        if (!_sockets.HasLost(addresses)) return;
        RemoveAllAttempts();
        RestartAll(now);
    }

    private void RemoveAllAttempts()
    {
        for (int attempt = 1; attempt < _attempts.End; attempt++)
            if (_attempts[attempt].Query != 0) RemoveAttempt(attempt);
    }

    private void RestartAll(Instant now)
    {
        for (int left = _queries.Count; left > 0; left--)
        {
            int index = _queries.First;
            if (_queries[index].IsAnswered) _queries.Remove(index);
            else if (_resolvers.Count == 0) Fail(index);
            else Restart(index, now);
        }
    }

    private bool IsClient(IpEndpoint source) =>
        source.Port != 0 && !source.Address.IsAny && !source.Address.IsMulticast && !_plan.IsOurs(source.Address)
        && !(source.Address.IsIpv4 && source.Address.Ipv4.IsBroadcast);

    private void Start(in LocalDatagram datagram, in DnsView dns, Instant now)
    {
        if (_queries.IsFull)
        {
            _counters.Drop(DropReason.DnsTableFull);
            RemoveQuery(_queries.First);
        }
        var query = new PendingQuery
        {
            ClientMac = datagram.SourceMac,
            Client = datagram.Source,
            Server = datagram.Destination,
            ClientId = dns.Id,
            AnswerLimit = dns.UdpPayloadSize,
            IsUpdate = dns.Opcode == DnsView.UpdateOpcode,
        };
        int index = _queries.Add(query, dns.Octets, now + StepTime);
        Begin(index, now);
    }

    private void Restart(int index, Instant now)
    {
        _queries.Postpone(index, now + StepTime);
        ref PendingQuery query = ref _queries[index];
        query.Step = query.Tried = query.Refused = 0;
        query.Failure = DnsResponseCode.NoError;
        ReleaseKept(ref query);
        Begin(index, now);
    }

    private void Begin(int index, Instant now)
    {
        _queries[index].Order = _resolvers.Order();
        if (!_timer.IsSet) _timers.Schedule(ref _timer, ServiceTimer.Dns.Target(), now + StepTime);
        _ = TrySendToNext(index, now);
    }

    private void AnswerWithError(in LocalDatagram datagram, ReadOnlySpan<byte> query, DnsResponseCode code)
    {
        Span<byte> answer = stackalloc byte[DnsBuilder.MaxErrorLength];
        int length = DnsBuilder.WriteError(answer, query, code);
        _sender.SendUdp(datagram.SourceMac, datagram.Destination, datagram.Source, answer[..length], 0, 0);
    }

    private void AnswerTruncated(in LocalDatagram datagram, ReadOnlySpan<byte> query)
    {
        Span<byte> answer = stackalloc byte[DnsView.MinUdpPayloadSize];
        int length = DnsBuilder.WriteError(answer, query, DnsResponseCode.NoError);
        length = DnsBuilder.WriteTruncated(answer, answer[..length]);
        _sender.SendUdp(datagram.SourceMac, datagram.Destination, datagram.Source, answer[..length], 0, 0);
    }

    /// <summary>No resolver had an answer.</summary>
    private void Fail(int index)
    {
        PendingQuery query = _queries[index];
        Span<byte> octets = _queries.Octets(index);
        DnsBuilder.WriteId(octets, query.ClientId);
        DnsResponseCode code = query.Failure == DnsResponseCode.NoError ? DnsResponseCode.ServerFailure : query.Failure;
        AnswerWithError(new LocalDatagram(query.ClientMac, query.Client, query.Server), octets, code);
        RemoveQuery(index);
    }

    private void RemoveQuery(int index)
    {
        while (_queries[index].FirstAttempt != 0) RemoveAttempt(_queries[index].FirstAttempt);
        ReleaseKept(ref _queries[index]);
        _queries.Remove(index);
    }
}
