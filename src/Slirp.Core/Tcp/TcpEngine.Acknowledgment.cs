using Slirp.Wire;

namespace Slirp.Core.Tcp;

// What the guest's acknowledgments say: window, progress, loss (RFC 9293 section 3.10.7.4 fifth check, RFC 5681, 6675).
public sealed partial class TcpEngine<TWorld>
{
    private const int DuplicateThreshold = 3;

    /// <returns>False if the segment goes no further.</returns>
    private bool TryAcknowledge(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        SequenceNumber ack = segment.Acknowledgment;
        // RFC 5961 section 5.2: neither what was never sent nor what is older than any window.
        if (ack.IsAfter(flow.SndMax) || ack.Since(flow.SndUna) < -(long)Math.Max(flow.MaxSndWnd, 1u << 16))
        {
            _counters.Drop(DropReason.TcpBadAcknowledgment);
            RequestAck(flow);
            return false;
        }
        bool windowChanged = UpdateSendWindow(flow, segment);
        bool sackNews = flow.HasSack && AddSackBlocks(flow, segment);
        int acknowledged = ack.Since(flow.SndUna);
        if (acknowledged > 0) OnProgress(flow, segment, acknowledged, now);
        else if (acknowledged == 0 && flow.InFlight > 0 && segment.Length == 0 && (!windowChanged || sackNews)) flow.DuplicateAcks++;
        if (flow.Guest == GuestTcpState.Closed) return true;
        if (!flow.InRecovery && IsLossIndicated(flow)) EnterRecovery(flow, now);
        if (flow.InRecovery) Retransmit(flow, now);
        return true;
    }

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

    private static bool AddSackBlocks(TcpFlow flow, in GuestSegment segment)
    {
        SackBlocks blocks = segment.Options.Sack;
        bool news = false;
        for (int i = 0; i < blocks.Count; i++)
        {
            (SequenceNumber left, SequenceNumber right) = blocks[i];
            // Inverted, never sent, or a D-SACK below the acknowledgment (RFC 2883): not for the scoreboard.
            if (!left.IsBefore(right) || left.IsBefore(flow.SndUna) || left.IsBefore(segment.Acknowledgment) || right.IsAfter(flow.SndMax)) continue;
            flow.Scoreboard ??= new SackScoreboard();
            news |= flow.Scoreboard.Add(left, right);
        }
        return news;
    }

    private void OnProgress(TcpFlow flow, in GuestSegment segment, int acknowledged, Instant now)
    {
        SampleRtt(flow, segment, now);
        flow.Rtt.OnProgress();
        int payload = acknowledged;
        bool finAcknowledged = flow.FinSent && payload > flow.ToGuest.Length;
        if (finAcknowledged) payload--;
        flow.SndUna = segment.Acknowledgment;
        if (flow.SndNxt.IsBefore(flow.SndUna)) flow.SndNxt = flow.SndUna;
        if (payload > 0)
        {
            flow.ToGuest.Discard(_pool, payload);
            _budget.Adjust(payload, 0);
        }
        flow.Scoreboard?.Advance(flow.SndUna);
        flow.RetransmitAt = flow.SndUna == flow.SndMax ? Instant.Never : now + flow.Rtt.Rto(_parameters);
        if (flow.InRecovery) OnProgressInRecovery(flow);
        else GrowCongestionWindow(flow, payload);
        if (finAcknowledged) OnFinAcknowledged(flow, now);
    }

    private static void SampleRtt(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        // Our own measurement, of segments sent once: nanoseconds, where the timestamp option has milliseconds.
        if (flow.TimedSequence is SequenceNumber timed && segment.Acknowledgment.IsAtOrAfter(timed))
        {
            flow.Rtt.Sample(now - flow.TimedAt);
            flow.TimedSequence = null;
        }
        else if (flow.Rtt.IsBackedOff && flow.HasTimestamps && segment.Options.HasTimestamps)
        {
            // Of what was sent again a timestamp tells which copy is acknowledged (RFC 7323 section 4.1).
            int milliseconds = (int)(TimestampNow(flow, now) - segment.Options.TimestampEcho);
            if (milliseconds >= 0) flow.Rtt.Sample(TimeSpan.FromMilliseconds(milliseconds));
        }
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
                break;
        }
    }

    private void EnterTimeWait(TcpFlow flow, Instant now)
    {
        flow.Enter(GuestTcpState.TimeWait);
        flow.RetransmitAt = flow.PersistAt = Instant.Never;
        flow.LifeAt = now + _parameters.TimeWait;
        _timeWait.Add(flow);
        if (_timeWait.Count > _parameters.MaxTimeWait) Close(_timeWait.Oldest!, CloseReason.EvictedTimeWait);
    }

    // --- Congestion control (RFC 5681) and loss recovery (RFC 6675, or RFC 6582 without SACK)

    private static void GrowCongestionWindow(TcpFlow flow, int acknowledged)
    {
        flow.DuplicateAcks = 0;
        if (flow.Cwnd >= 1 << 28) return;
        if (flow.Cwnd < flow.Ssthresh) flow.Cwnd += acknowledged;
        else flow.Cwnd += (int)Math.Max(1, (long)flow.Mss * acknowledged / flow.Cwnd);
    }

    private static bool IsLossIndicated(TcpFlow flow)
    {
        if (flow.InFlight == 0 || !flow.IsSynchronized) return false;
        if (flow.DuplicateAcks >= DuplicateThreshold) return true;
        return flow.Scoreboard is { IsEmpty: false } board && board.Sacked > (DuplicateThreshold - 1) * flow.Mss;
    }

    private void EnterRecovery(TcpFlow flow, Instant now)
    {
        // After a timeout went back, acknowledgments of the first copies are no sign of another loss (RFC 6582 section 3.2).
        if (flow.SndUna.IsBefore(flow.Recover) && flow.Rtt.TimeoutCount > 0) return;
        flow.InRecovery = true;
        flow.Recover = flow.SndMax;
        flow.HighRetransmit = flow.SndUna;
        flow.Ssthresh = Math.Max(flow.InFlight / 2, 2 * flow.Mss);
        flow.Cwnd = flow.Ssthresh;
        flow.TimedSequence = null;
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
    }

    private static void OnProgressInRecovery(TcpFlow flow)
    {
        if (flow.SndUna.IsAtOrAfter(flow.Recover))
        {
            flow.InRecovery = false;
            flow.DuplicateAcks = 0;
            flow.Cwnd = flow.Ssthresh;
            return;
        }
        // A partial acknowledgment: what follows it is lost as well (RFC 6582), unless SACK knows better.
        flow.HighRetransmit = SequenceNumber.Later(flow.HighRetransmit, flow.SndUna);
        if (flow.Scoreboard is null or { IsEmpty: true }) flow.HighRetransmit = flow.SndUna;
    }

    /// <summary>Sends holes again, as far as the congestion window has room for them.</summary>
    private void Retransmit(TcpFlow flow, Instant now)
    {
        while (TryFindLost(flow, out SequenceNumber start, out int length))
        {
            if (flow.HighRetransmit != flow.SndUna && Pipe(flow) + Math.Min(length, flow.Mss) > flow.Cwnd) return;
            int sent = SendAgain(flow, start, length, now);
            if (sent == 0) return;
            flow.HighRetransmit = start + sent;
        }
    }

    private static bool TryFindLost(TcpFlow flow, out SequenceNumber start, out int length)
    {
        start = SequenceNumber.Later(flow.HighRetransmit, flow.SndUna);
        length = 0;
        if (flow.Scoreboard is { IsEmpty: false } board) return board.TryFindHole(start, out start, out length);
        // Without reports only the first unacknowledged segment is known to be missing.
        if (start != flow.SndUna || flow.InFlight == 0) return false;
        length = Math.Min(flow.Mss, flow.SndMax.Since(start));
        return length > 0;
    }

    /// <summary>Octets believed under way: above the highest report, and holes sent again.</summary>
    private static int Pipe(TcpFlow flow)
    {
        if (flow.Scoreboard is not { IsEmpty: false } board) return flow.InFlight;
        SequenceNumber highest = board.Highest;
        return Math.Max(0, flow.SndNxt.Since(highest)) + board.CountMissing(flow.SndUna, SequenceNumber.Earlier(flow.HighRetransmit, highest));
    }
}
