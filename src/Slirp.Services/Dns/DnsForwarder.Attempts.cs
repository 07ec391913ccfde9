using Slirp.Core;
using Slirp.Core.World;
using Slirp.Wire;
using Slirp.Wire.Dns;

namespace Slirp.Services.Dns;

/// <summary>Whom to ask next, and what to make of silence and refusal.</summary>
public sealed partial class DnsForwarder<TWorld> where TWorld : struct, IWorld
{
    /// <summary>Something is due for the queries that have waited longest.</summary>
    public void OnTimer(Instant now)
    {
        _timer = default; // it has fired
        while (_queries.First is not 0 and int index && _queries[index].StepDue <= now) OnStepDue(index, now);
        if (_queries.First is not 0 and int next && !_timer.IsSet)
            _timers.Schedule(ref _timer, ServiceTimer.Dns.Target(), _queries[next].StepDue);
    }

    private void OnStepDue(int index, Instant now)
    {
        MarkSilent(index, now);
        if (_queries[index].IsAnswered)
        {
            RemoveQuery(index);
            return;
        }
        if (++_queries[index].Step >= StepCount)
        {
            Fail(index);
            return;
        }
        _queries.Postpone(index, now + StepTime);
        if (_queries[index].HasKept)
        {
            if (!TrySettleKept(index) && _queries[index].Step % 2 == 0) AskAwaitedAgain(index, now);
        }
        else if (!TrySendToNext(index, now))
        {
            SendAgain(index, now);
        }
    }

    /// <summary>A whole step and nothing from a resolver, not even for others: it is down.</summary>
    private void MarkSilent(int index, Instant now)
    {
        for (int i = _queries[index].FirstAttempt; i != 0; i = _attempts[i].NextOfQuery)
        {
            ref QueryAttempt attempt = ref _attempts[i];
            int resolver = UpstreamSockets<TWorld>.ResolverOf(attempt.Slot);
            if (attempt.SentAt + StepTime <= now && _resolvers.LastHeard(resolver) < attempt.SentAt) _resolvers.MarkSilent(resolver, attempt.SentAt, now);
        }
    }

    /// <summary>Asks resolvers the query has not asked, best first, until one takes it; when all have refused, it fails.</summary>
    /// <returns>False if it waits as before: nobody else is there, or can be asked now.</returns>
    private bool TrySendToNext(int index, Instant now)
    {
        ref PendingQuery query = ref _queries[index];
        if (query.IsUpdate && query.FirstAttempt != 0) return false;
        for (int i = 0; i < query.Order.Count; i++)
        {
            int resolver = query.Order[i];
            if ((query.Tried & 1 << resolver) != 0 || !TrySend(index, resolver, now)) continue;
            if (!query.IsUpdate) SendProbe(index, resolver, now);
            return true;
        }
        if (!HaveAllRefused(query)) return false;
        Fail(index);
        return true;
    }

    /// <summary>The datagram or its answer may have been lost: the step tells whose turn it is. Nobody is asked twice in a
    /// row, for a resolver may need a second or two to find out.</summary>
    private void SendAgain(int index, Instant now)
    {
        ref PendingQuery query = ref _queries[index];
        int count = query.Order.Count, resolver = query.Order[query.Step % count];
        if (query.IsUpdate && query.FirstAttempt != 0)
            (count, resolver) = (1, UpstreamSockets<TWorld>.ResolverOf(_attempts[query.FirstAttempt].Slot));
        if ((query.Refused & 1 << resolver) == 0 && (count > 1 || query.Step % 2 == 0)) TrySend(index, resolver, now);
    }

    private bool HaveAllRefused(in PendingQuery query) => query.Refused == (1 << _resolvers.Count) - 1;

    private bool HasUntried(in PendingQuery query) => query.Tried != (1 << _resolvers.Count) - 1;

    /// <summary>Takes the occasion to see whether a resolver that was down is back: it gets a copy, its answer is as good.</summary>
    private void SendProbe(int index, int asked, Instant now)
    {
        if (_resolvers.IsDown(asked) || !_resolvers.TryTakeProbe(now, out int resolver)) return;
        if ((_queries[index].Tried & 1 << resolver) == 0) TrySend(index, resolver, now);
    }

    /// <returns>False if the resolver cannot be reached, which is known at once, or cannot be asked for want of a descriptor or of
    /// memory: then it counts as not tried.</returns>
    private bool TrySend(int index, int resolver, Instant now)
    {
        ref PendingQuery query = ref _queries[index];
        HostError error = _sockets.Acquire(resolver, _resolvers[resolver], out int slot);
        if (error != HostError.None)
        {
            if (IsRefusal(error)) Refuse(index, resolver, now);
            return false;
        }
        query.Tried |= (byte)(1 << resolver);
        int attempt = _attempts.Add(new QueryAttempt
        {
            Query = index,
            Slot = slot,
            SentAt = now,
            NextOfQuery = query.FirstAttempt,
        });
        query.FirstAttempt = attempt;
        Span<byte> octets = _queries.Octets(index);
        DnsBuilder.WriteId(octets, _attempts[attempt].Id);
        IoResult sent = Send(slot, _resolvers[resolver], octets);
        if (sent.IsOk || !IsRefusal(sent.Error)) return true; // what the kernel had no room for is as good as lost on the way
        RemoveAttempt(attempt);
        Refuse(index, resolver, now);
        return false;
    }

    /// <summary>With several resolvers behind the one address that the guest knows, a cookie of one would be held against the
    /// others: a client drops what comes without one from where it had one (RFC 7873 section 5.3). So none gets any, and the
    /// guest takes its server for one without cookies. The OPT record is each hop's own (RFC 6891 section 6.1.1).</summary>
    private IoResult Send(int slot, IpEndpoint resolver, scoped ReadOnlySpan<byte> query)
    {
        Span<byte> plain = stackalloc byte[PendingQueries.MaxLength];
        if (_resolvers.Count > 1) query = plain[..DnsBuilder.WriteWithoutOption(plain, query, DnsEdns.CookieOption)];
        IoResult sent = _world.SendTo(_sockets.Socket(slot), resolver, query, default);
        // What a router said of an earlier datagram is told to whoever sends next.
        return sent.IsOk ? sent : _world.SendTo(_sockets.Socket(slot), resolver, query, default);
    }

    /// <summary>Errors that will not be different a moment later.</summary>
    private static bool IsRefusal(HostError error) => error is not
        (HostError.WouldBlock or HostError.NoBuffers or HostError.NoDescriptors or HostError.MessageTooLong);

    private void Refuse(int index, int resolver, Instant now)
    {
        _queries[index].Tried |= (byte)(1 << resolver);
        _queries[index].Refused |= (byte)(1 << resolver);
        _resolvers.MarkRefused(resolver, now);
    }

    /// <summary>Nothing more will come through this socket: its queries go on to the next resolver.</summary>
    private void OnRefused(int slot, Instant now)
    {
        int resolver = UpstreamSockets<TWorld>.ResolverOf(slot), generation = _sockets.Generation(slot);
        _resolvers.MarkRefused(resolver, now);
        for (int i = 1; i < _attempts.End && _sockets.Generation(slot) == generation; i++)
        {
            int index = _attempts[i].Query;
            if (index == 0 || _attempts[i].Slot != slot) continue;
            RemoveAttempt(i);
            ref PendingQuery query = ref _queries[index];
            query.Refused |= (byte)(1 << resolver);
            if (query.IsAnswered) RemoveIfDone(index);
            else if (query.HasKept) _ = TrySettleKept(index);
            else if (HaveAllRefused(query) || HasUntried(query)) _ = TrySendToNext(index, now);
        }
    }

    /// <summary>One datagram did not get there; the next may.</summary>
    private void OnDoubt(int attempt, Instant now)
    {
        _attempts[attempt].IsDoubted = true;
        int index = _attempts[attempt].Query;
        ref PendingQuery query = ref _queries[index];
        if (query.IsAnswered) return;
        if (query.HasKept) _ = TrySettleKept(index);
        else if (HasUntried(query)) _ = TrySendToNext(index, now);
    }

    /// <summary>Somebody is guessing: leave the port, and let the next step ask again from another.</summary>
    private void Abandon(int slot)
    {
        int generation = _sockets.Generation(slot); // the socket closes with its last attempt: the slot may be another's then
        for (int i = 1; i < _attempts.End && _sockets.Generation(slot) == generation; i++)
        {
            int index = _attempts[i].Query;
            if (index == 0 || _attempts[i].Slot != slot) continue;
            RemoveAttempt(i);
            if (_queries[index].IsAnswered) RemoveIfDone(index);
        }
    }

    private void RemoveIfDone(int index)
    {
        if (_queries[index].FirstAttempt == 0) _queries.Remove(index);
    }

    /// <summary>Its answer may still come, or come twice: that is no forgery.</summary>
    private void RemoveAttempt(int attempt)
    {
        ref int link = ref _queries[_attempts[attempt].Query].FirstAttempt;
        while (link != attempt) link = ref _attempts[link].NextOfQuery;
        link = _attempts[attempt].NextOfQuery;
        int slot = _attempts[attempt].Slot;
        _attempts.Remove(attempt);
        _sockets.ExpectLate(slot);
        _sockets.Release(slot);
    }
}
