using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Probes: what is sent when nothing comes back for two round trips, long before the retransmission timer.
//
// Of the last segments of a flight nobody can tell that they are lost, for nothing follows them. Where the guest reports what
// it holds, the last of them is sent again or something new, to make it report (RFC 8985 section 7). Where it does not, or
// where a loss is being mended already, a report would say nothing that is not known: the oldest segment is sent again, which
// is the repair itself. That is a timer for losses like any other (RFC 8961): two smoothed round trips, doubled each time that
// nothing comes of it, until the retransmission timer ends it; and the congestion window is cut once for the flight.
public sealed partial class TcpEngine<TWorld>
{
    private void SetTailProbe(TcpFlow flow, Instant now)
    {
        flow.TailProbeAt = Instant.Never;
        // Once the timer has fired, it goes on until something new is acknowledged; before anything was measured it is alone.
        if (flow.InFlight == 0 || flow.Rtt.TimeoutCount > 0 || !flow.Rtt.IsMeasured) return;
        if (IsHoleProbed(flow)) SetHoleProbe(flow);
        else SetReportProbe(flow, now);
    }

    private static bool IsHoleProbed(TcpFlow flow) => !flow.HasSack || IsRecovering(flow) || flow.Sent is { Sacked: > 0 };

    /// <summary>Something is lost, or was when the timer fired, and not all that was under way then is acknowledged.</summary>
    private static bool IsRecovering(TcpFlow flow) => flow.InRecovery || flow.SndUna.IsBefore(flow.Recover);

    /// <summary>A lone segment may wait for its acknowledgment until the guest's timer for that fires: no sooner than ours
    /// does. Not so with a FIN behind it, or if a duplicate shows that something else has come.</summary>
    private static bool IsLone(TcpFlow flow) =>
        flow.InFlight <= flow.Mss && flow.DuplicateAcks == 0 && !(flow.FinSent && flow.InFlight > 1);

    private void SetReportProbe(TcpFlow flow, Instant now)
    {
        if (flow.TailProbe is not null || flow.Sent is not { Sacked: 0, Lost: 0 }) return;
        if (IsLone(flow)) return;
        Instant due = now + ProbeWait(flow);
        if (due < flow.RetransmitAt) flow.TailProbeAt = due;
    }

    private void SetHoleProbe(TcpFlow flow)
    {
        bool isRecovering = IsRecovering(flow);
        if (IsLone(flow) && !isRecovering && !flow.HasSack) return;
        TimeSpan wait = ProbeWait(flow);
        // A duplicate shows that something has arrived which was sent later: the oldest has only the time that RACK would give
        // it (RFC 8985 section 6.2), instead of waiting for duplicates that a small flight will never cause (RFC 5827).
        if (flow.DuplicateAcks > 0 && !isRecovering && !flow.HasSack)
            wait = flow.Rtt.Smoothed + flow.Rack.ReorderingWindow(isCertain: false, flow.Rtt.Smoothed, flow.Rtt.Smoothed);
        Instant due = flow.ProbeFrom + wait * (1L << Math.Min(flow.HoleProbes, 16));
        if (due < flow.RetransmitAt) flow.TailProbeAt = due;
    }

    /// <summary>RFC 8985 section 7.2.</summary>
    private TimeSpan ProbeWait(TcpFlow flow)
    {
        TimeSpan wait = 2 * flow.Rtt.Smoothed;
        return wait > _parameters.MinTailProbe ? wait : _parameters.MinTailProbe;
    }

    private void OnTailProbeTimeout(TcpFlow flow, Instant now)
    {
        flow.TailProbeAt = Instant.Never;
        if (flow.Guest == GuestTcpState.Closed || flow.SndUna == flow.SndNxt || flow.SndWnd == 0) return;
        _counters.TcpTailProbes++;
        if (IsHoleProbed(flow)) ProbeHole(flow, now);
        else ProbeForReport(flow, now);
    }

    private void ProbeHole(TcpFlow flow, Instant now)
    {
        if (flow.HoleProbes++ == 0) flow.ProbedSince = flow.ProbeFrom;
        if (!IsRecovering(flow)) flow.BeforeTimeout = new BeforeTimeout(flow.Cwnd, flow.Ssthresh, TimestampNow(flow, now));
        flow.Sent!.MarkFirstLost(flow.Mss);
        EnterRecovery(flow, now);
        flow.MayExceedWindow = true;
        SendLost(flow, now);
        SetTailProbe(flow, now);
        Enqueue(flow);
    }

    private void ProbeForReport(TcpFlow flow, Instant now)
    {
        int flight = flow.InFlight;
        bool isNew = flow.SndNxt.IsBefore(flow.DataEnd) && flow.SndWnd >= (uint)(flow.InFlight + flow.Mss);
        if (isNew) SendNew(flow, flow.Mss, now);
        else
        {
            SequenceNumber start = LastSegmentStart(flow);
            SendAgain(flow, start, Math.Min(flow.Mss, flow.SndNxt.Since(start)), now);
        }
        flow.TailProbe = new TailProbe(flow.SndNxt, flight, IsRetransmission: !isNew);
        flow.TailProbeAt = Instant.Never;
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
    }

    /// <summary>Where the last segment of the flight begins (RFC 8985 section 7.3). A frame has octets of one slot, and the end
    /// must be in it: so no sooner than the slot that the end is in.</summary>
    private SequenceNumber LastSegmentStart(TcpFlow flow)
    {
        SequenceNumber start = SequenceNumber.Later(flow.SndUna, flow.SndNxt - flow.Mss);
        SequenceNumber end = SequenceNumber.Earlier(flow.SndNxt, flow.DataEnd);
        while (true)
        {
            int inSlot = flow.ToGuest.Peek(_pool, start.Since(flow.SndUna)).Length;
            if ((start + inSlot).IsAtOrAfter(end)) return start;
            start += inSlot;
        }
    }

    /// <summary>RFC 8985 section 7.4: if the probe was what brought the tail there, there was a loss, and it counts as one.</summary>
    private static void JudgeTailProbe(TcpFlow flow, in Delivery delivery)
    {
        TailProbe probe = flow.TailProbe!.Value;
        if (flow.SndUna.IsBefore(probe.End)) return;
        if (probe.IsRetransmission && !delivery.HasDuplicate)
        {
            if (flow.SndUna == probe.End && flow.DuplicateAcks == 0) return; // the other copy may still be told of
            if (flow.SndUna.IsAfter(probe.End)) ReduceCongestionWindow(flow, probe.Flight, delivery.Now);
        }
        flow.TailProbe = null;
    }
}

/// <summary>A tail loss probe that was sent.</summary>
/// <param name="End">SND.NXT at that time.</param>
/// <param name="Flight">Octets under way before it.</param>
/// <param name="IsRetransmission">It carried old octets.</param>
internal readonly record struct TailProbe(SequenceNumber End, int Flight, bool IsRetransmission);
