using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Segments of an open connection, in the order of RFC 9293 section 3.10.7.4, one function a check.
public sealed partial class TcpEngine<TWorld>
{
    private void OnSegmentInConnection(TcpFlow flow, MacAddress source, in GuestSegment segment, Instant now)
    {
        if (IsOldDuplicate(flow, segment, now)) return;
        if (IsRepeatedSyn(flow, segment))
        {
            SendSyn(flow, now);
            Enqueue(flow);
            return;
        }
        if (!IsAcceptable(flow, segment))
        {
            OnUnacceptable(flow, segment, now);
            return;
        }
        if (segment.Has(TcpFlags.Rst))
        {
            OnReset(flow, segment, now);
            return;
        }
        if (segment.Has(TcpFlags.Syn))
        {
            // RFC 5961 section 4.2: a guest that has really forgotten answers the challenge with RST.
            _counters.Drop(DropReason.BadTcpFlags);
            Challenge(flow, now);
            return;
        }
        if (!segment.Has(TcpFlags.Ack))
        {
            _counters.Drop(DropReason.BadTcpFlags);
            return;
        }
        flow.LastHeard = now;
        if (flow.UnansweredProbes == 0 || segment.Length > 0) flow.LastUnasked = now;
        flow.UnansweredProbes = 0;
        UpdateTimestamp(flow, segment);
        if (flow.Guest == GuestTcpState.SynReceived && !TryEstablish(flow, segment, now)) return;
        if (!TryAcknowledge(flow, segment, now)) return;
        flow.GuestMac = source; // whoever knows all these numbers is the guest, whatever its station is called now
        if (flow.Guest == GuestTcpState.Closed) return; // it was the ACK of our FIN
        if (segment.PayloadLength > 0 || segment.Has(TcpFlags.Fin)) OnPayload(flow, segment, now);
        if (flow.Guest != GuestTcpState.Closed) Enqueue(flow);
    }

    /// <summary>The connection with the guest is over. What it left for the host is not: while the socket has still to take
    /// some of it, neither a reset nor a new connection on the port may undo it. A SYN comes again.</summary>
    private void OnSegmentAfterTheEnd(TcpFlow flow, MacAddress source, in GuestSegment segment, Instant now)
    {
        if (!flow.ToHost.IsEmpty && (flow.Guest == GuestTcpState.LastAck || segment.Has(TcpFlags.Rst | TcpFlags.Syn)))
        {
            _counters.Drop(DropReason.TcpNoFlow);
            return;
        }
        if (IsNewConnection(flow, segment))
        {
            Close(flow, CloseReason.GuestReusedPort);
            OnSegmentWithoutFlow(source, flow.Key, segment, now);
            return;
        }
        // A repeated FIN starts the wait over (RFC 9293 section 3.10.7.4, eighth check).
        if (segment.Has(TcpFlags.Fin) && segment.Sequence + segment.Length == flow.RcvNxt) flow.LifeAt = now + _parameters.TimeWait;
        OnSegmentInConnection(flow, source, segment, now);
    }

    /// <summary>PAWS (RFC 7323 section 5.3): an old timestamp is an old segment. Answered, in case the guest lost our ACK.</summary>
    private bool IsOldDuplicate(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if (!flow.HasTimestamps || !segment.Options.HasTimestamps || segment.Has(TcpFlags.Rst)) return false;
        if ((int)(segment.Options.TimestampValue - flow.TsRecent) >= 0) return false;
        _counters.Drop(DropReason.TcpOldTimestamp);
        AnswerUnacceptable(flow, segment, now);
        return true;
    }

    /// <summary>Our SYN-ACK was lost, and the guest asks for it again. That costs none of our own patience.</summary>
    private static bool IsRepeatedSyn(TcpFlow flow, in GuestSegment segment) =>
        flow.Guest == GuestTcpState.SynReceived && segment.Sequence == flow.Irs
        && (segment.Flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Syn;

    /// <summary>The four cases of RFC 9293 section 3.10.7.4, first check, against the window the guest was told.</summary>
    private static bool IsAcceptable(TcpFlow flow, in GuestSegment segment)
    {
        uint window = (uint)Math.Max(0, flow.RcvAdv.Since(flow.RcvNxt));
        int length = segment.Length;
        if (length == 0) return window == 0 ? segment.Sequence == flow.RcvNxt : segment.Sequence.IsWithin(flow.RcvNxt, window + 1);
        // With a closed window a FIN or an acknowledgment at RCV.NXT still counts; its payload is cut off below.
        if (window == 0) return segment.Sequence == flow.RcvNxt;
        return segment.Sequence.IsWithin(flow.RcvNxt, window) || (segment.Sequence + (length - 1)).IsWithin(flow.RcvNxt, window);
    }

    private void OnUnacceptable(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        _counters.Drop(DropReason.TcpOutsideWindow);
        if (segment.Has(TcpFlags.Rst)) return;
        AnswerUnacceptable(flow, segment, now);
        if (!flow.IsHostKeptAlive && IsKeepAlive(flow, segment, now)) KeepHostAlive(flow, now);
    }

    /// <summary>RFC 9293 section 3.8.4: a segment that the window has passed, empty or with one octet, to provoke an
    /// acknowledgment. The same within a second is a retransmission, and where our window is shut it asks for room.</summary>
    private static bool IsKeepAlive(TcpFlow flow, in GuestSegment segment, Instant now) =>
        flow.ToHost.IsEmpty && flow.RcvAdv.IsAfter(flow.RcvNxt) && segment.PayloadLength <= 1 && (segment.Flags & (TcpFlags.Syn | TcpFlags.Fin)) == 0
        && segment.Sequence == flow.RcvNxt + -1 && now - flow.LastUnasked >= TimeSpan.FromSeconds(1);

    /// <summary>The guest wants to know whether its peer is alive. We are; so its peer is asked the same from now on, as
    /// patiently as the guest has asked, and if it is gone the guest is told. Our own probes do not count: the guest discards
    /// them, and its patience goes on.</summary>
    private void KeepHostAlive(TcpFlow flow, Instant now)
    {
        flow.IsHostKeptAlive = true;
        if (flow.Socket.IsOpen) _world.KeepAlive(flow.Socket, now - flow.LastUnasked);
    }

    /// <summary>Data that came twice is acknowledged each time, for that is how its sender goes on. A bare segment or a SYN is
    /// answered now and then: two ends that find each other's unacceptable would answer for ever.</summary>
    private void AnswerUnacceptable(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if ((segment.PayloadLength > 0 || segment.Has(TcpFlags.Fin)) && !segment.Has(TcpFlags.Syn)) RequestAck(flow);
        else Challenge(flow, now);
    }

    /// <summary>RFC 5961 section 3.2: only the exact next number resets; another one in the window is challenged.</summary>
    private void OnReset(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if (segment.Sequence != flow.RcvNxt)
        {
            _counters.Drop(DropReason.TcpBadReset);
            Challenge(flow, now);
            return;
        }
        // Linux forgets a connection a minute after its close, and says so when it is asked. That is no word to the peer.
        bool isForgotten = flow.GuestFinReceived && flow.UnansweredProbes > 0 && flow.InFlight == 0;
        if (isForgotten) LeaveToHost(flow, CloseReason.GuestReset, now);
        else Close(flow, CloseReason.GuestReset);
    }

    /// <summary>RFC 5961 section 7: a flow's challenges are limited, each flow's by itself, for a limit that all share tells
    /// whoever probes it about the others (CVE-2016-5696).</summary>
    private void Challenge(TcpFlow flow, Instant now)
    {
        if (now < flow.NextChallenge) return;
        flow.NextChallenge = now + _parameters.ChallengeInterval;
        _counters.TcpChallengeAcks++;
        RequestAck(flow);
    }

    private void RequestAck(TcpFlow flow)
    {
        flow.AckPending = true;
        Enqueue(flow);
    }

    /// <summary>RFC 7323 section 4.3: the timestamp to echo is that of the segment that advanced the left edge.</summary>
    private static void UpdateTimestamp(TcpFlow flow, in GuestSegment segment)
    {
        if (flow.HasTimestamps && segment.Options.HasTimestamps && segment.Sequence.IsAtOrBefore(flow.LastAckSent))
            flow.TsRecent = segment.Options.TimestampValue;
    }

    private bool TryEstablish(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if (segment.Acknowledgment != flow.Iss + 1)
        {
            _counters.Drop(DropReason.TcpBadAcknowledgment);
            SendResetFor(flow, segment);
            return false;
        }
        OnSynAcknowledged(flow, segment, now);
        flow.SndWnd = flow.MaxSndWnd = (uint)segment.Window << flow.SndWndShift;
        (flow.SndWl1, flow.SndWl2) = (segment.Sequence, segment.Acknowledgment);
        return true;
    }

    private void OnSynAcknowledged(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        flow.Enter(GuestTcpState.Established);
        SampleRtt(flow, segment, now);
        flow.Rtt.Restart();
        flow.SndUna = flow.SndNxt = flow.Recover = flow.Iss + 1;
        flow.RetransmitAt = Instant.Never;
    }

    private void OnPayload(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        flow.AckPending = true;
        flow.LastPayload = now;
        if (segment.Has(TcpFlags.Fin)) NoteFin(flow, segment.Sequence + segment.PayloadLength);
        SequenceNumber start = segment.Sequence;
        SequenceNumber end = SequenceNumber.Earlier(start + segment.PayloadLength, flow.RcvAdv);
        if (flow.FinSequence is SequenceNumber fin) end = SequenceNumber.Earlier(end, fin);
        int offset = segment.PayloadOffset;
        if (start.IsBefore(flow.RcvNxt))
        {
            offset += flow.RcvNxt.Since(start);
            start = flow.RcvNxt;
        }
        if (!flow.CanReceiveFromGuest) return; // behind its FIN: only the acknowledgment is owed
        bool isBehindHole = start.IsAfter(flow.RcvNxt);
        if (start.IsBefore(end)) Accept(flow, start, segment.Frame, offset, end.Since(start));
        // A guest without SACK counts duplicates (RFC 5681 section 4.2): one for each segment, not one for the batch.
        if (isBehindHole && !flow.HasSack) SendAck(flow, now);
        if (flow.Guest != GuestTcpState.Closed && flow.FinSequence == flow.RcvNxt) OnGuestFin(flow, now);
    }

    private void NoteFin(TcpFlow flow, SequenceNumber fin)
    {
        // It stands before what the guest has sent already: one of both is a lie, and what came first stays.
        if (flow.OutOfOrder is { IsEmpty: false } held && held.End.IsAfter(fin)) _counters.Drop(DropReason.BadTcpFlags);
        else flow.FinSequence ??= fin;
    }

    private void Accept(TcpFlow flow, SequenceNumber start, Memory.OwnedFrame frame, int offset, int length)
    {
        if (start != flow.RcvNxt)
        {
            flow.OutOfOrder ??= new OutOfOrderQueue();
            if (!flow.OutOfOrder.TryInsert(_pool, start, frame, offset, length)) _counters.Drop(DropReason.TcpTooManyHoles);
            return;
        }
        // What came first stays: where octets are held already, the segment only fills the gaps between them.
        while (flow.OutOfOrder is { IsEmpty: false } held)
        {
            int gap = held.First.Since(flow.RcvNxt);
            if (length < gap) break;
            if (!TryAppend(flow, frame, offset, gap)) return;
            int moved = held.TakeInOrder(_pool, flow.RcvNxt, ref flow.ToHost);
            flow.RcvNxt += moved;
            flow.RcvSinceResize += moved;
            Enqueue(flow); // RunReady flushes
            if (length <= gap + moved) return;
            offset += gap + moved;
            length -= gap + moved;
        }
        TryAppend(flow, frame, offset, length);
    }

    /// <summary>Passes on the octets at RCV.NXT: to the socket, and what it does not take behind what waits for it.</summary>
    /// <returns>False if not all of them could be passed on; the flow may be gone.</returns>
    private bool TryAppend(TcpFlow flow, Memory.OwnedFrame frame, int offset, int length)
    {
        int taken = flow.ToHost.IsEmpty ? SendToHost(flow, _pool.Octets(frame).Slice(offset, length)) : 0;
        if (taken < 0)
        {
            OnHostRefusesData(flow);
            return false;
        }
        bool isKept = taken == length || flow.ToHost.TryKeep(_pool, frame, offset + taken, length - taken);
        if (!isKept)
        {
            // Nothing else can be done with the whole pool full of what hosts do not take: it is not acknowledged, and comes again.
            _counters.Drop(DropReason.NoMemory);
            length = taken;
        }
        flow.RcvNxt += length;
        flow.RcvSinceResize += length;
        return isKept;
    }

    private void OnGuestFin(TcpFlow flow, Instant now)
    {
        flow.RcvNxt += 1;
        flow.AckPending = true;
        flow.OutOfOrder?.Clear(_pool); // nothing can follow
        switch (flow.Guest)
        {
            case GuestTcpState.Established:
                flow.Enter(GuestTcpState.CloseWait);
                break;
            case GuestTcpState.FinWait1: // our FIN is not acknowledged yet, or TryAcknowledge would have moved on
                flow.Enter(GuestTcpState.Closing);
                break;
            case GuestTcpState.FinWait2:
                EnterTimeWait(flow, now);
                break;
        }
        ShutdownHostWhenFlushed(flow);
    }
}
