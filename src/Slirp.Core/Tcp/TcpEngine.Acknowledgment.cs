using Slirp.Wire;

namespace Slirp.Core.Tcp;

// What the guest's acknowledgments say: window, progress, loss (RFC 9293 section 3.10.7.4, fifth check).
public sealed partial class TcpEngine<TWorld>
{
    /// <returns>False if the segment goes no further.</returns>
    private bool TryAcknowledge(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        SequenceNumber ack = segment.Acknowledgment;
        // RFC 5961 section 5.2: neither what was never sent nor what is older than any window.
        if (ack.IsAfter(flow.SndNxt) || ack.Since(flow.SndUna) < -(long)Math.Max(flow.MaxSndWnd, 1u << 16))
        {
            _counters.Drop(DropReason.TcpBadAcknowledgment);
            Challenge(flow, now);
            return false;
        }
        bool windowChanged = UpdateSendWindow(flow, segment);
        uint? echo = flow.HasTimestamps && segment.Options.HasTimestamps ? segment.Options.TimestampEcho : null;
        var delivery = new Delivery(now, flow.Rtt.Minimum, echo, flow.TsOffset);
        bool sackNews = flow.HasSack && AddSackBlocks(flow, segment, ref delivery);
        int acknowledged = ack.Since(flow.SndUna);
        if (acknowledged > 0) OnProgress(flow, segment, acknowledged, ref delivery, now);
        else if (IsDuplicate(flow, segment, windowChanged && !sackNews, delivery)) flow.DuplicateAcks++;
        if (sackNews) flow.ProbeFrom = now;
        if (flow.Guest != GuestTcpState.Closed && flow.IsSynchronized) RecoverFromLoss(flow, delivery, now);
        return true;
    }

    /// <summary>A repeated acknowledgment, which shows that something has come that is not what is missing (RFC 5681 section 2).
    /// One that is sent for the window's sake, or to tell that something came twice (RFC 2883 section 4), shows nothing.</summary>
    private static bool IsDuplicate(TcpFlow flow, in GuestSegment segment, bool isWindowUpdate, in Delivery delivery) =>
        segment.Acknowledgment == flow.SndUna && flow.InFlight > 0 && segment.Length == 0 && !isWindowUpdate && !delivery.HasDuplicate;

    /// <returns>True if the window is another one than before.</returns>
    private static bool UpdateSendWindow(TcpFlow flow, in GuestSegment segment)
    {
        SequenceNumber seq = segment.Sequence, ack = segment.Acknowledgment;
        if (ack.IsBefore(flow.SndUna)) return false;
        // A segment that acknowledges more is later than any that did not, though its number may be older: then it is a
        // retransmission. RFC 9293 would leave the window as it was, and so move its right edge beyond what was told.
        bool isLater = ack.IsAfter(flow.SndUna) || flow.SndWl1.IsBefore(seq) || flow.SndWl1 == seq && flow.SndWl2.IsAtOrBefore(ack);
        if (!isLater) return false;
        uint window = (uint)segment.Window << flow.SndWndShift;
        bool changed = window != flow.SndWnd;
        flow.SndWnd = window;
        flow.MaxSndWnd = Math.Max(flow.MaxSndWnd, window);
        (flow.SndWl1, flow.SndWl2) = (seq, ack);
        if (window > 0)
        {
            flow.PersistAt = Instant.Never;
            flow.PersistCount = 0;
        }
        return changed;
    }

    private static bool AddSackBlocks(TcpFlow flow, in GuestSegment segment, ref Delivery delivery)
    {
        SackBlocks blocks = segment.Options.Sack;
        bool news = false;
        for (int i = 0; i < blocks.Count; i++)
        {
            (SequenceNumber left, SequenceNumber right) = blocks[i];
            if (!left.IsBefore(right)) continue;
            // RFC 2883: a first block below the acknowledgment, or inside the second, is something that came twice.
            if (i == 0 && (right.IsAtOrBefore(segment.Acknowledgment) || IsInside(blocks, 1, left, right))) delivery.HasDuplicate = true;
            // Never sent, or acknowledged long ago.
            if (left.IsBefore(flow.SndUna) || left.IsBefore(segment.Acknowledgment) || right.IsAfter(flow.SndNxt)) continue;
            if (flow.Sent is { } sent) news |= sent.Sack(left, right, ref delivery);
        }
        return news;
    }

    private static bool IsInside(in SackBlocks blocks, int index, SequenceNumber left, SequenceNumber right) =>
        index < blocks.Count && left.IsAtOrAfter(blocks[index].Left) && right.IsAtOrBefore(blocks[index].Right);

    private void OnProgress(TcpFlow flow, in GuestSegment segment, int acknowledged, ref Delivery delivery, Instant now)
    {
        SampleRtt(flow, segment, now);
        bool wasNoLoss = IsTimeoutSpurious(flow, segment);
        BeforeTimeout? before = flow.BeforeTimeout;
        flow.BeforeTimeout = null;
        flow.Rtt.OnProgress();
        (flow.ProbeFrom, flow.HoleProbes) = (now, 0);
        int payload = acknowledged;
        bool finAcknowledged = flow.FinSent && payload > flow.ToGuest.Length;
        if (finAcknowledged) payload--;
        flow.SndUna = segment.Acknowledgment;
        if (payload > 0)
        {
            flow.ToGuest.Discard(_pool, payload);
            _budget.Adjust(payload, 0);
        }
        flow.Sent?.Advance(flow.SndUna, ref delivery);
        if (wasNoLoss) UndoTimeout(flow, before!.Value);
        flow.RetransmitAt = flow.SndUna == flow.SndNxt ? Instant.Never : now + flow.Rtt.Rto(_parameters);
        // Where the last loss was: kept near, or half the numbers later it would seem to lie ahead.
        if (!flow.InRecovery && flow.SndUna.IsAfter(flow.Recover)) flow.Recover = flow.SndUna;
        if (flow.InRecovery) OnProgressInRecovery(flow, payload);
        else GrowCongestionWindow(flow, payload);
        if (finAcknowledged) OnFinAcknowledged(flow, now);
    }

    private void SampleRtt(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        // Our own measurement, of segments sent once: nanoseconds, where the timestamp option has milliseconds.
        if (flow.TimedSequence is SequenceNumber timed && segment.Acknowledgment.IsAtOrAfter(timed))
        {
            flow.Rtt.Sample(now - flow.TimedAt);
            flow.TimedSequence = null;
            return;
        }
        bool isAmbiguous = flow.Rtt.IsBackedOff || IsRecovering(flow) || !flow.Rtt.IsMeasured;
        if (!isAmbiguous) return;
        if (flow.HasTimestamps && segment.Options.HasTimestamps)
        {
            // Of what was sent again a timestamp tells which copy is acknowledged (RFC 7323 section 4.1).
            int milliseconds = (int)(TimestampNow(flow, now) - segment.Options.TimestampEcho);
            if (milliseconds >= 0) flow.Rtt.SampleCoarsely(milliseconds, _parameters);
        }
        else if (flow.HoleProbes > 0 && IsFirstCopyAnswered(flow, segment, now))
        {
            flow.Rtt.Sample(now - flow.ProbedSince);
        }
    }

    /// <summary>The oldest was sent again for nothing came back, and now it is acknowledged: which copy did that? If more came
    /// with it, of which no duplicate had told, or it took longer than the second copy's answer would, it was the first, and
    /// round trips have grown. Should that be wrong, probes wait too long for a while.</summary>
    private static bool IsFirstCopyAnswered(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        bool isTold = flow.DuplicateAcks > 0 || segment.Acknowledgment.Since(flow.SndUna) <= flow.Mss;
        return !isTold || now - flow.ProbeFrom > flow.Rtt.Smoothed;
    }

    private void OnFinAcknowledged(TcpFlow flow, Instant now)
    {
        flow.FinAcknowledged = true;
        switch (flow.Guest)
        {
            case GuestTcpState.FinWait1:
                flow.Enter(GuestTcpState.FinWait2);
                break;
            case GuestTcpState.Closing:
                EnterTimeWait(flow, now);
                break;
            case GuestTcpState.LastAck:
                // All the guest sent is with the host kernel, or still in our queue: then the flow stays for that.
                if (flow.ToHost.IsEmpty) Close(flow, CloseReason.Finished);
                else flow.LifeAt = now + _parameters.TimeWait;
                break;
        }
    }

    private void EnterTimeWait(TcpFlow flow, Instant now)
    {
        flow.Enter(GuestTcpState.TimeWait);
        flow.RetransmitAt = flow.PersistAt = flow.ReorderAt = flow.TailProbeAt = Instant.Never;
        flow.LifeAt = now + _parameters.TimeWait;
        _timeWait.Add(flow);
        if (_timeWait.Count > _parameters.MaxTimeWait) Close(_timeWait.Oldest!, CloseReason.EvictedTimeWait);
    }
}
