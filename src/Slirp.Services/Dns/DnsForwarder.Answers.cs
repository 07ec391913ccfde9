using Slirp.Core;
using Slirp.Core.Memory;
using Slirp.Core.World;
using Slirp.Wire;
using Slirp.Wire.Dns;

namespace Slirp.Services.Dns;

/// <summary>What comes back from resolvers.</summary>
public sealed partial class DnsForwarder<TWorld> where TWorld : struct, IWorld
{
    /// <summary>A resolver sends none; a forger that tries identifiers needs thousands.</summary>
    private const int MaxMismatches = 32;

    public void OnEvent(EventTarget target, HostEvents events, Instant now)
    {
        if (!_sockets.TryGet(target, out int slot)) return;
        if ((events & HostEvents.Error) != 0) TakeErrors(slot, now);
        if ((events & HostEvents.Readable) == 0 || !_sockets.TryGet(target, out slot)) return;

        // Without memory for a whole answer there is room for the start of one: the client will ask over TCP.
        Span<byte> small = stackalloc byte[PendingQueries.MaxLength];
        bool isRented = _pool.TryRent(out OwnedFrame frame);
        ReceiveAll(target, slot, isRented ? _pool.Octets(frame) : small, now);
        if (isRented) _pool.Release(frame);
    }

    /// <summary>Empties the socket's error queue. That nobody is there, or nobody may, holds for all that was asked through the
    /// socket; what else a router says is a hint about one datagram (RFC 1122 section 3.2.2.1), by whose identifier it is
    /// known: its query goes on to a resolver that it has not asked, if there is one.</summary>
    private void TakeErrors(int slot, Instant now)
    {
        HostSocket socket = _sockets.Socket(slot);
        bool isRefused = _world.TakeError(socket) == HostError.ConnectionRefused; // the queue may have had no room for it
        Span<byte> quoted = stackalloc byte[DnsView.HeaderLength];
        while (_sockets.Socket(slot) == socket && _world.TryReceiveError(socket, quoted, out int length, out HostIcmpError error))
        {
            // An MTU says that the path is narrow, not that there is nobody at its end.
            if (error.Information != 0) continue;
            if (IsRefusal(error)) isRefused = true;
            else if (DnsView.TryParse(quoted[..Math.Min(length, quoted.Length)], out DnsView query)
                && _attempts.TryFind(slot, query.Id, out int attempt)) OnDoubt(attempt, now);
        }
        if (isRefused && _sockets.Socket(slot) == socket) OnRefused(slot, now);
    }

    /// <summary>Of the codes that Linux calls fatal those in use: protocol or port unreachable, prohibited.</summary>
    private static bool IsRefusal(in HostIcmpError error) => error.Destination.Address.IsIpv4
        ? error is { Type: (byte)IcmpType.DestinationUnreachable, Code: 2 or 3 or 9 or 10 or 13 }
        : error is { Type: (byte)Icmpv6Type.DestinationUnreachable, Code: 1 or 4 or 5 or 6 };

    private void ReceiveAll(EventTarget target, int slot, Span<byte> buffer, Instant now)
    {
        // Until the last query on this socket is answered, and the socket closed with it.
        while (_sockets.TryGet(target, out _))
        {
            IoResult received = _world.ReceiveFrom(_sockets.Socket(slot), buffer, out DatagramInfo info);
            if (received.WouldBlock) return;
            if (!received.IsOk)
            {
                // Any other is a hint, whose words come with the next event.
                if (received.Error == HostError.ConnectionRefused) OnRefused(slot, now);
                return;
            }
            Span<byte> rest = buffer[..received.Count];
            do
            {
                // Answers of one length that came together are handed over together (UDP_GRO).
                int length = info.SegmentSize > 0 ? Math.Min(info.SegmentSize, rest.Length) : rest.Length;
                OnAnswer(slot, rest[..length], info.Truncated && length == rest.Length, now);
                rest = rest[length..];
            }
            while (!rest.IsEmpty && _sockets.TryGet(target, out _));
        }
    }

    private void OnAnswer(int slot, Span<byte> answer, bool isCut, Instant now)
    {
        if (TryAccept(slot, answer, isCut, now)) return;
        _counters.Drop(DropReason.DnsMismatch);
        if (_sockets.CountMismatch(slot) >= MaxMismatches) Abandon(slot);
    }

    /// <returns>False if this is no answer to anything asked through this socket.</returns>
    private bool TryAccept(int slot, Span<byte> answer, bool isCut, Instant now)
    {
        if (!DnsView.TryParse(answer, out DnsView dns) || !dns.IsResponse) return false;
        if (!_attempts.TryFind(slot, dns.Id, out int attempt)) return false;
        int index = _attempts[attempt].Query;
        if (!IsAnswerTo(index, dns)) return false;
        int resolver = UpstreamSockets<TWorld>.ResolverOf(slot);
        _resolvers.MarkHeard(resolver, now);
        RemoveAttempt(attempt);
        if (!_queries[index].IsAnswered)
        {
            if (IsFailure(dns.ResponseCode) && TryElsewhere(index, resolver, dns.ResponseCode, now)) return true;
            bool isDenied = dns.ResponseCode == DnsResponseCode.NameError && !_queries[index].IsUpdate;
            if (isDenied && !isCut && TryKeep(index, resolver, answer, now)) return true;
            SendAnswer(index, answer, isCut);
        }
        RemoveIfDone(index);
        return true;
    }

    /// <summary>Codes that say something of the resolver and nothing of the name: the guest knows one server alone, and could
    /// not ask the next as the host's own programs do (resolv.conf(5)).</summary>
    private static bool IsFailure(DnsResponseCode code) =>
        code is DnsResponseCode.ServerFailure or DnsResponseCode.NotImplemented or DnsResponseCode.Refused;

    /// <returns>False if there is nobody else: then this is the answer.</returns>
    private bool TryElsewhere(int index, int resolver, DnsResponseCode code, Instant now)
    {
        ref PendingQuery query = ref _queries[index];
        query.Refused |= (byte)(1 << resolver);
        if (query.Failure == DnsResponseCode.NoError) query.Failure = code;
        if (query.HasKept)
        {
            _ = TrySettleKept(index);
            return true;
        }
        if (HasUntried(query))
        {
            _ = TrySendToNext(index, now);
            return true;
        }
        for (int i = query.FirstAttempt; i != 0; i = _attempts[i].NextOfQuery)
            if ((query.Refused & 1 << UpstreamSockets<TWorld>.ResolverOf(_attempts[i].Slot)) == 0) return true;
        return false;
    }

    /// <summary>The same opcode and the same question. Some resolvers change the case of its letters: a client that chose
    /// them at random to tell a forgery checks them itself. A server that could not or would not read the query may leave the
    /// question out: such an answer, which says nothing about the name, is believed. (One to a query with EDNS has an OPT
    /// record: RFC 6891 section 6.1.1.) One that has done an update may, too (RFC 2136 section 3.8).</summary>
    private bool IsAnswerTo(int index, in DnsView answer)
    {
        ReadOnlySpan<byte> octets = _queries.Octets(index);
        if (!DnsView.TryParse(octets, out DnsView query) || query.Opcode != answer.Opcode) return false;
        if (answer.TryReadQuestion(out DnsQuestion answered)) return query.TryReadQuestion(out DnsQuestion asked) && answered.Matches(asked);
        if (_queries[index].IsUpdate) return answer.QuestionCount == 0;
        return answer.IsBare && (answer.ResponseCode == DnsResponseCode.FormatError || IsFailure(answer.ResponseCode));
    }

    /// <summary>To the guest, under its own identifier; then only resolvers that are down may still answer this query, for the
    /// rest of its step: a slow one is heard so, and was not silent.</summary>
    private void SendAnswer(int index, Span<byte> answer, bool isCut)
    {
        PendingQuery query = _queries[index];
        DnsBuilder.WriteId(answer, query.ClientId);
        int length = answer.Length;
        if (isCut || length > query.AnswerLimit)
            length = DnsBuilder.WriteTruncated(answer[..Math.Min(length, query.AnswerLimit)], answer);
        if (length > 0)
        {
            _counters.DnsAnswers++;
            _sender.SendUdp(query.ClientMac, query.Server, query.Client, answer[..length], 0, 0);
        }
        _queries.Forget(index);
        _queries[index].IsAnswered = true;
        ReleaseKept(ref _queries[index]);
        for (int i = query.FirstAttempt; i != 0;)
        {
            int next = _attempts[i].NextOfQuery;
            if (!_resolvers.IsDown(UpstreamSockets<TWorld>.ResolverOf(_attempts[i].Slot))) RemoveAttempt(i);
            i = next;
        }
    }
}
