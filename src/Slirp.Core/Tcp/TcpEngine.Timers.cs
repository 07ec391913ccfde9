using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Deadlines of a flow: retransmission (RFC 6298), persist (RFC 9293 section 3.8.6.1), keep-alive (3.8.4), life (TIME-WAIT),
// reordering and tail probe (RFC 8985), and asking a socket again that has had no memory.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>They come a second apart, then two, four: a minute in all.</summary>
    private const int MaxFutileRetries = 6;

    private void StartRetransmitTimer(TcpFlow flow, Instant now)
    {
        if (flow.RetransmitAt == Instant.Never) flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
    }

    /// <summary>Something waits, nothing is under way and the guest's window is closed: only a probe can learn that it
    /// opened, should the guest's word of it be lost.</summary>
    private void StartPersistTimer(TcpFlow flow, Instant now)
    {
        if (flow.PersistAt != Instant.Never || flow.SndWnd > 0 || Pipe(flow) > 0) return;
        bool isOwed = flow.HostReadable || flow.SndNxt.IsBefore(flow.DataEnd) || IsFinOwed(flow) || flow.Sent is { Lost: > 0 };
        if (isOwed) flow.PersistAt = now + PersistInterval(flow);
    }

    private TimeSpan PersistInterval(TcpFlow flow)
    {
        TimeSpan interval = flow.Rtt.Rto(_parameters) * (1L << Math.Min(flow.PersistCount, 20));
        return interval < _parameters.MaxRto ? interval : _parameters.MaxRto;
    }

    /// <summary>When the guest is to be asked whether it still lives. Not while a retransmission or a probe asks already.</summary>
    private Instant KeepAliveAt(TcpFlow flow)
    {
        if (flow.Guest is not (GuestTcpState.Established or GuestTcpState.CloseWait or GuestTcpState.FinWait2)) return Instant.Never;
        if (flow.RetransmitAt != Instant.Never || flow.PersistAt != Instant.Never) return Instant.Never;
        TimeSpan patience = flow.Guest == GuestTcpState.CloseWait ? _parameters.KeepAliveHalfClosed : _parameters.KeepAlive;
        // Counted from the last probe: after a pause of the whole process (SIGSTOP) every probe would be overdue at once.
        return flow.UnansweredProbes == 0 ? flow.LastHeard + patience : flow.LastProbe + _parameters.KeepAliveInterval;
    }

    /// <summary>Keeps one timer for the earliest deadline. One that moved away is left where it is: it fires, finds
    /// nothing due and is set again.</summary>
    private void Rearm(TcpFlow flow)
    {
        Instant due = Instant.Earlier(Instant.Earlier(flow.RetransmitAt, flow.PersistAt), Instant.Earlier(flow.LifeAt, KeepAliveAt(flow)));
        due = Instant.Earlier(due, Instant.Earlier(flow.ReorderAt, Instant.Earlier(flow.TailProbeAt, flow.HostRetryAt)));
        if (due == Instant.Never || flow.Timer.IsSet && flow.TimerDue <= due) return;
        _timers.Schedule(ref flow.Timer, flow.Target, due);
        flow.TimerDue = due;
    }

    private void OnFlowTimer(TcpFlow flow, Instant now)
    {
        flow.Timer = default;
        flow.TimerDue = Instant.Never;
        if (flow.LifeAt <= now) OnLifeEnd(flow, now);
        if (flow.HostRetryAt <= now) RetryHost(flow);
        if (flow.ReorderAt <= now) OnReorderTimeout(flow, now);
        if (flow.TailProbeAt <= now) OnTailProbeTimeout(flow, now);
        if (flow.RetransmitAt <= now) OnRetransmitTimeout(flow, now);
        if (flow.PersistAt <= now) OnPersistTimeout(flow, now);
        if (flow.Guest != GuestTcpState.Closed && KeepAliveAt(flow) <= now) Probe(flow, now);
        if (flow.Guest == GuestTcpState.Closed) return;
        if (flow.AckPending) Enqueue(flow);
        Rearm(flow);
    }

    private void OnLifeEnd(TcpFlow flow, Instant now)
    {
        // The host has still to take what the guest sent: the entry stays until it has, or its kernel gives up. Of those in
        // TIME-WAIT there are only so many; another goes when nothing was taken for a minute, as the guest's kernel would do.
        if (flow.ToHost.IsEmpty) Close(flow, CloseReason.Finished);
        else if (flow.Guest == GuestTcpState.LastAck && flow.HostRetries >= MaxFutileRetries) Close(flow, CloseReason.HostTimedOut);
        else flow.LifeAt = now + _parameters.TimeWait;
    }

    private void OnRetransmitTimeout(TcpFlow flow, Instant now)
    {
        flow.RetransmitAt = Instant.Never;
        if (flow.Guest == GuestTcpState.Closed) return;
        if (flow.Guest is GuestTcpState.SynReceived or GuestTcpState.SynSent)
        {
            OnSynTimeout(flow, now);
            return;
        }
        if (flow.SndUna == flow.SndNxt) return;
        if (flow.Rtt.TimeoutCount >= _parameters.MaxRetransmissions)
        {
            Abort(flow, CloseReason.GuestSilent);
            return;
        }
        flow.BeforeTimeout ??= new BeforeTimeout(flow.Cwnd, flow.Ssthresh, TimestampNow(flow, now));
        // RFC 5681 section 3.1: sending starts over with one segment.
        flow.Ssthresh = Math.Max(flow.InFlight / 2, 2 * flow.Mss);
        flow.Cwnd = flow.Mss;
        flow.ReducedAt = now;
        CountAllAsLost(flow);
        // Behind a closed window a retransmission would be discarded: there the persist timer asks, and an answer with a
        // window sends on.
        if (flow.SndWnd == 0)
        {
            StartPersistTimer(flow, now);
            return;
        }
        _counters.TcpRetransmitTimeouts++;
        flow.Rtt.BackOff();
        if (flow.Rtt.TimeoutCount >= TimeoutsBeforeDoubt) DoubtStation(flow, now);
        SendLost(flow, now);
        StartRetransmitTimer(flow, now);
        Enqueue(flow);
    }

    /// <summary>All that is under way and that the guest does not hold counts as lost (RFC 6298 section 5).</summary>
    private void CountAllAsLost(TcpFlow flow)
    {
        flow.Recover = flow.SndNxt;
        flow.InRecovery = false;
        flow.DuplicateAcks = 0;
        flow.TimedSequence = null;
        flow.ReorderAt = flow.TailProbeAt = Instant.Never;
        flow.TailProbe = null;
        flow.ToGuest.Compact(_pool);
        if (flow.Sent!.HasReneged) flow.Sent.ForgetSacks();
        flow.Sent.MarkAllLost();
    }

    private void OnSynTimeout(TcpFlow flow, Instant now)
    {
        if (flow.Rtt.TimeoutCount >= _parameters.MaxSynRetransmissions)
        {
            Abort(flow, CloseReason.GuestSilent);
            return;
        }
        _counters.TcpRetransmitTimeouts++;
        flow.Rtt.BackOff();
        flow.TimedSequence = null;
        DoubtStation(flow, now);
        // A guest that was asked for meanwhile, or in another's name, has answered.
        if (flow.IsInbound && Stations?.TryFind(flow.Key.Guest.Address, now, out MacAddress station) == true) flow.GuestMac = station;
        SendSyn(flow, now);
    }

    private void OnPersistTimeout(TcpFlow flow, Instant now)
    {
        flow.PersistAt = Instant.Never;
        if (flow.Guest == GuestTcpState.Closed) return;
        Enqueue(flow); // memory may have become free meanwhile
        if (flow.SndWnd > 0 || Pipe(flow) > 0) return;
        flow.PersistCount++;
        flow.PersistAt = now + PersistInterval(flow);
        Probe(flow, now, _parameters.MaxRetransmissions);
    }

    /// <summary>A host socket that takes or gives nothing for want of memory may never say that it would again, for nothing
    /// of ours is under way that could be acknowledged; and one that merely blocks might not, on a kernel with other ideas of
    /// edges. It is asked again: soon in the first case, ever more rarely in the other.</summary>
    private void SetHostRetry(TcpFlow flow, Instant now)
    {
        bool isBlocked = flow.IsHostShort || !flow.ToHost.IsEmpty && !flow.HostWritable;
        if (!isBlocked) flow.HostRetryAt = Instant.Never;
        else if (flow.HostRetryAt == Instant.Never)
            flow.HostRetryAt = now + (flow.IsHostShort ? _parameters.MinRto : TimeSpan.FromSeconds(1L << Math.Min(flow.HostRetries, 6)));
    }

    private void RetryHost(TcpFlow flow)
    {
        flow.HostRetryAt = Instant.Never;
        if (flow.Guest == GuestTcpState.Closed || !flow.Socket.IsOpen) return;
        if (flow.IsHostShort) flow.HostReadable = (flow.Host & HostTcpState.CanReceive) != 0;
        flow.HostWritable = (flow.Host & HostTcpState.CanSend) != 0;
        flow.IsHostShort = false;
        flow.HostRetries++;
        Enqueue(flow);
    }

    private void Probe(TcpFlow flow, Instant now) => Probe(flow, now, _parameters.KeepAliveProbes);

    /// <summary>An old sequence number without payload: a living guest answers with its state, one that has forgotten
    /// with RST (RFC 9293 section 3.8.4).</summary>
    private void Probe(TcpFlow flow, Instant now, int limit)
    {
        if (flow.UnansweredProbes >= limit)
        {
            if (flow.GuestFinReceived && flow.InFlight == 0)
            {
                SendReset(flow);
                LeaveToHost(flow, CloseReason.GuestSilent, now);
            }
            else Abort(flow, CloseReason.GuestSilent);
            return;
        }
        if (flow.UnansweredProbes > 0) DoubtStation(flow, now);
        flow.UnansweredProbes++;
        flow.LastProbe = now;
        SendProbe(flow, now);
    }

    private void SendProbe(TcpFlow flow, Instant now) => SendSegment(flow, flow.SndUna - 1, TcpFlags.Ack, default, now);
}
