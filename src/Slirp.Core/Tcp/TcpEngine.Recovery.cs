using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Congestion control (RFC 5681) and recovery from loss on the way to the guest: RACK (RFC 8985) where the guest reports what
// it holds, repeated acknowledgments (RFC 6582) where it does not, probes behind both, and the timer (RFC 6298) behind all.
//
// What counts as lost is marked in SentRanges, by whichever of them finds it, and is sent again from there as the congestion
// window allows, before anything new. What was sent again and is lost again is found like any other loss: by the arrival of
// something that was sent after it.
public sealed partial class TcpEngine<TWorld>
{
    private const int DuplicateThreshold = 3;

    private static void GrowCongestionWindow(TcpFlow flow, int acknowledged)
    {
        flow.DuplicateAcks = 0;
        if (flow.Cwnd >= 1 << 28) return;
        if (flow.Cwnd < flow.Ssthresh) flow.Cwnd += acknowledged;
        else flow.Cwnd += (int)Math.Max(1, (long)flow.Mss * acknowledged / flow.Cwnd);
    }

    /// <summary>What the acknowledgment has shown to be lost, and what may leave because of it.</summary>
    private void RecoverFromLoss(TcpFlow flow, in Delivery delivery, Instant now)
    {
        if (flow.Sent is not { } sent) return;
        if (delivery.HasDuplicate) flow.Rack.OnSpuriousRetransmission();
        if (sent.HasReneged) sent.ForgetSacks();
        flow.Rack.Update(delivery);
        if (flow.TailProbe is not null) JudgeTailProbe(flow, delivery);
        // Until the guest has reported something, repeated acknowledgments are all there is to go by.
        bool found = sent.Sacked > 0 || flow.InRecovery ? DetectLoss(flow, now) : FindByDuplicates(flow);
        if (found) EnterRecovery(flow, now);
        SendLost(flow, now);
        SetTailProbe(flow, now);
    }

    /// <summary>RFC 8985 section 6.2.</summary>
    private static bool DetectLoss(TcpFlow flow, Instant now)
    {
        if (!flow.HasSack) return FindByDuplicates(flow);
        bool isCertain = flow.InRecovery || flow.Sent!.Sacked > (DuplicateThreshold - 1) * flow.Mss;
        TimeSpan patience = flow.Rack.Rtt + flow.Rack.ReorderingWindow(isCertain, flow.Rtt.Minimum, flow.Rtt.Smoothed);
        bool found = flow.Sent!.MarkLost(flow.Rack.SentAt, flow.Rack.End, patience, now, out Instant lookAgain, out Instant lostAgainAt);
        flow.ReorderAt = lookAgain;
        // RFC 5681 section 4.3: a copy that is lost too shows congestion anew, once for all that was sent since the last cut.
        if (lostAgainAt != default && lostAgainAt >= flow.ReducedAt && IsRecovering(flow))
            ReduceCongestionWindow(flow, Math.Min(flow.InFlight, flow.Cwnd), now);
        return found;
    }

    private static bool FindByDuplicates(TcpFlow flow)
    {
        flow.ReorderAt = Instant.Never;
        if (flow.InRecovery || flow.DuplicateAcks < DuplicateThreshold || flow.Sent!.Lost > 0) return false;
        // Right after a timeout acknowledgments of the first copies are no sign of another loss (RFC 6582 section 3.2).
        bool isAfterTimeout = flow.SndUna.IsBefore(flow.Recover);
        if (isAfterTimeout && flow.Rtt.TimeoutCount > 0) return false;
        if (isAfterTimeout) flow.DuplicateAcks = 0; // once for each three, for this is no recovery of its own
        flow.MayExceedWindow = true;
        flow.Sent.MarkFirstLost(flow.Mss);
        return true;
    }

    private void EnterRecovery(TcpFlow flow, Instant now)
    {
        // Once for all that was under way: the time after a timeout does not count anew, and a copy that is lost is counted there.
        if (flow.InRecovery || flow.SndUna.IsBefore(flow.Recover)) return;
        flow.InRecovery = true;
        flow.Recover = flow.SndNxt;
        ReduceCongestionWindow(flow, flow.InFlight, now);
        flow.TimedSequence = null;
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
        flow.MayExceedWindow = true; // RFC 6675 section 5, step 4.3: the first segment goes whatever is under way
    }

    private static void ReduceCongestionWindow(TcpFlow flow, int flight, Instant now)
    {
        flow.Cwnd = flow.Ssthresh = Math.Max(flight / 2, 2 * flow.Mss);
        flow.ReducedAt = now;
    }

    private static void OnProgressInRecovery(TcpFlow flow, int acknowledged)
    {
        if (flow.SndUna.IsAtOrAfter(flow.Recover))
        {
            flow.InRecovery = false;
            flow.DuplicateAcks = 0;
            flow.Cwnd = flow.Ssthresh;
            return;
        }
        if (flow.HasSack && flow.Sent!.Sacked > 0) return;
        // A partial acknowledgment: what follows it is lost as well (RFC 6582 section 3.2, step 3), and each segment that it
        // covers had a duplicate of its own.
        flow.DuplicateAcks = Math.Max(0, flow.DuplicateAcks - Math.Max(0, acknowledged / flow.Mss - 1));
        if (flow.Sent!.Lost == 0) flow.Sent.MarkFirstLost(flow.Mss);
        flow.MayExceedWindow = true;
    }

    /// <summary>Sends again what is lost, as far as the windows have room for it.</summary>
    private void SendLost(TcpFlow flow, Instant now)
    {
        while (flow.Sent is { Lost: > 0 } sent && sent.TryFindLost(out SequenceNumber start, out int length))
        {
            int room = flow.Cwnd - Pipe(flow);
            if (flow.MayExceedWindow) room = Math.Max(room, flow.Mss);
            // Whole segments, but for the last of what is lost.
            if (room < Math.Min(length, flow.Mss)) return;
            if (length > room) length = room - room % flow.Mss;
            length = (int)Math.Min(length, flow.SndWnd - start.Since(flow.SndUna));
            if (length <= 0) return; // the guest has taken its window back: the persist timer asks
            flow.MayExceedWindow = false;
            SendAgain(flow, start, length, now);
        }
    }

    /// <summary>Octets believed under way (RFC 6675 section 2).</summary>
    private static int Pipe(TcpFlow flow)
    {
        int pipe = flow.InFlight;
        if (flow.Sent is { } sent) pipe -= sent.Sacked + sent.Lost;
        // Without reports each duplicate stands for a segment that has arrived.
        if (!flow.HasSack && flow.DuplicateAcks > 0) pipe -= (int)Math.Min(pipe, (long)flow.DuplicateAcks * flow.Mss);
        return pipe;
    }

    private void OnReorderTimeout(TcpFlow flow, Instant now)
    {
        flow.ReorderAt = Instant.Never;
        if (flow.Guest == GuestTcpState.Closed || flow.Sent is not { Count: > 0 }) return;
        if (DetectLoss(flow, now)) EnterRecovery(flow, now);
        SendLost(flow, now);
        SetTailProbe(flow, now);
        Enqueue(flow); // what is lost is not under way any more: there may be room for more
    }

    // --- A timer or a probe that was wrong: the guest was late, for it was stopped, or starved of its processor.

    /// <summary>RFC 3522: what is acknowledged was sent before that, for its timestamp comes back.</summary>
    private static bool IsTimeoutSpurious(TcpFlow flow, in GuestSegment segment) =>
        flow.BeforeTimeout is { } before && flow.HasTimestamps && segment.Options.HasTimestamps
        && (int)(segment.Options.TimestampEcho - before.Timestamp) < 0;

    /// <summary>RFC 4015: what was under way then still is, and need not be sent again.</summary>
    private static void UndoTimeout(TcpFlow flow, BeforeTimeout before)
    {
        flow.Sent!.MarkNoneLost();
        (flow.Cwnd, flow.Ssthresh) = (before.Cwnd, before.Ssthresh);
        flow.InRecovery = false;
        flow.Recover = flow.SndUna;
    }
}

/// <summary>What a timeout or a probe of the oldest segment changes (RFC 4015 section 3).</summary>
/// <param name="Timestamp">That of the first segment sent again because of it.</param>
internal readonly record struct BeforeTimeout(int Cwnd, int Ssthresh, uint Timestamp);
