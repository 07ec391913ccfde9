using Slirp.Core.Flows;
using Slirp.Core.Memory;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// From the host socket to the guest: what is read, when, and every segment that leaves.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>Reads from the socket what the guest's window has room for, and sends it.</summary>
    private void PumpToGuest(TcpFlow flow, Instant now)
    {
        if (flow.Guest is not (GuestTcpState.Established or GuestTcpState.CloseWait))
        {
            if (flow.IsSynchronized) SendOwed(flow, now);
            return;
        }
        int turn = _parameters.TurnOctets;
        while (true)
        {
            SendOwed(flow, now);
            if (!flow.HostReadable || flow.SndNxt.IsBefore(flow.DataEnd)) break;
            if (turn <= 0)
            {
                Enqueue(flow); // others first
                break;
            }
            int room = RoomToRead(flow);
            if (room == 0) break;
            int received = ReceiveFromHost(flow, room, now);
            if (received <= 0) break;
            turn -= received;
        }
        if (flow.Guest != GuestTcpState.Closed) StartPersistTimer(flow, now);
    }

    /// <summary>How much may be read now: what can be sent at once, in whole segments if it is more than one.</summary>
    private int RoomToRead(TcpFlow flow)
    {
        int usable = Usable(flow, Math.Min(flow.SndWnd, _parameters.MaxInFlight));
        if (usable >= flow.Mss) return usable - usable % flow.Mss;
        // Sender's silly window avoidance (RFC 9293 section 3.8.6.2.1): wait for a full segment while an ACK is to come,
        // unless the guest's whole window is smaller than that.
        if (flow.InFlight > 0 && usable < flow.MaxSndWnd / 2) return 0;
        return usable;
    }

    /// <summary>What the guest's window and the path have room for, as far as one frame can carry it.</summary>
    private static int Usable(TcpFlow flow, long window)
    {
        // What is lost goes first, and goes as soon as there is room.
        if (flow.Sent is { Lost: > 0 }) return 0;
        long usable = Math.Min(window - flow.InFlight, (long)flow.Cwnd - Pipe(flow));
        return (int)Math.Clamp(usable, 0, flow.MaxPayload);
    }

    /// <returns>Octets received; 0 at end of file or if there is nothing now; negative if the flow is gone.</returns>
    private int ReceiveFromHost(TcpFlow flow, int room, Instant now)
    {
        // Every flow gets a little, however scarce memory is: else the promises of idle flows would silence all the others.
        room = (int)Math.Min(room, Math.Max(_budget.Available, _parameters.MinReceiveWindow - flow.ToGuest.Length));
        if (room <= 0 || _pool.IsScarce || !TryGetSpare(out OwnedFrame spare))
        {
            // The budget frees up as guests acknowledge; look again when this one does, or at the latest soon.
            flow.PersistAt = Instant.Earlier(flow.PersistAt, now + _parameters.MinRto);
            return 0;
        }
        IoResult received = _world.Receive(flow.Socket, _pool.Octets(spare)[..room]);
        if (!received.IsOk) return OnReceiveFailed(flow, received.Error);
        if (received.Count == 0)
        {
            OnHostEnd(flow, now);
            return 0;
        }
        flow.HostRetries = 0;
        _budget.Adjust(0, received.Count);
        bool isPacked = received.Count < PayloadQueue.PackBelow && flow.ToGuest.TryPack(_pool, _pool.Octets(spare)[..received.Count]);
        if (!isPacked)
        {
            flow.ToGuest.Append(spare, 0, received.Count); // no slot to pack it into: it keeps this one
            _spare = null;
        }
        if (received.Count < room && !flow.HostEndSignalled && !flow.HostMarksUrgent) flow.HostReadable = false;
        return received.Count;
    }

    private bool TryGetSpare(out OwnedFrame spare)
    {
        if (_spare is null && _pool.TryRent(out OwnedFrame rented)) _spare = rented;
        spare = _spare ?? default;
        return _spare is not null;
    }

    private int OnReceiveFailed(TcpFlow flow, HostError error)
    {
        flow.HostReadable = false;
        flow.IsHostShort |= error == HostError.NoBuffers;
        if (error is HostError.WouldBlock or HostError.NoBuffers) return 0;
        Abort(flow, error == HostError.TimedOut ? CloseReason.HostTimedOut : CloseReason.HostReset);
        return -1;
    }

    private void OnHostEnd(TcpFlow flow, Instant now)
    {
        if (flow.IsHostBroken)
        {
            Abort(flow, CloseReason.HostReset);
            return;
        }
        flow.HostReadable = false;
        flow.Host &= ~HostTcpState.CanReceive;
        CloseSocketWhenDone(flow);
        SendOwed(flow, now);
    }

    /// <summary>Sends what is lost, then what was received from the host, as windows allow; then FIN.</summary>
    private void SendOwed(TcpFlow flow, Instant now)
    {
        SendLost(flow, now);
        while (flow.SndNxt.IsBefore(flow.DataEnd))
        {
            int length = RoomToSend(flow);
            if (length == 0) return;
            SendNew(flow, length, now);
        }
        SendFinWhenDue(flow, now);
    }

    private void SendNew(TcpFlow flow, int length, Instant now)
    {
        SequenceNumber start = flow.SndNxt;
        flow.SndNxt += SendData(flow, start, length, now);
        OnSentNew(flow, start, now);
    }

    private void OnSentNew(TcpFlow flow, SequenceNumber start, Instant now)
    {
        flow.Sent ??= new SentRanges();
        flow.Sent.Sent(start, flow.SndNxt, now);
        // A lone segment may be answered late, and what follows makes the guest answer both at once.
        if (start.Since(flow.SndUna) <= flow.Mss && !IsRecovering(flow)) (flow.ProbeFrom, flow.HoleProbes) = (now, 0);
        StartRetransmitTimer(flow, now);
        SetTailProbe(flow, now);
    }

    private static int RoomToSend(TcpFlow flow)
    {
        int usable = Usable(flow, flow.SndWnd);
        int waiting = flow.DataEnd.Since(flow.SndNxt);
        if (waiting <= usable) return Math.Min(waiting, flow.MaxPayload);
        if (usable >= flow.Mss) return usable - usable % flow.Mss;
        return flow.InFlight > 0 && usable < flow.MaxSndWnd / 2 ? 0 : usable;
    }

    private void SendFinWhenDue(TcpFlow flow, Instant now)
    {
        if (!IsFinOwed(flow)) return;
        // The FIN takes a place in the window like an octet: a guest without room would discard it.
        if (flow.SndWnd <= (uint)flow.InFlight) return;
        if (flow.Guest == GuestTcpState.Established) flow.Enter(GuestTcpState.FinWait1);
        else if (flow.Guest == GuestTcpState.CloseWait) flow.Enter(GuestTcpState.LastAck);
        SequenceNumber start = flow.SndNxt;
        SendSegment(flow, start, TcpFlags.Fin | TcpFlags.Ack, default, now);
        flow.SndNxt += 1;
        OnSentNew(flow, start, now);
    }

    private static bool IsFinOwed(TcpFlow flow) =>
        flow.IsSynchronized && (flow.Host & HostTcpState.CanReceive) == 0 && !flow.FinAcknowledged && flow.SndNxt == flow.DataEnd;

    /// <summary>Sends a piece of <see cref="TcpFlow.ToGuest"/> that lies in one slot. A frame that the link does not take is
    /// lost like one on a wire: the retransmission timer knows what to do.</summary>
    /// <returns>Sequence numbers sent: at most <paramref name="length"/>, and the FIN's.</returns>
    private int SendData(TcpFlow flow, SequenceNumber start, int length, Instant now, bool withFin = false)
    {
        ReadOnlySpan<byte> payload = flow.ToGuest.Peek(_pool, start.Since(flow.SndUna));
        if (payload.Length > length) payload = payload[..length];
        SequenceNumber end = start + payload.Length;
        if (flow.TimedSequence is null && start == flow.SndNxt)
        {
            flow.TimedSequence = end;
            flow.TimedAt = now;
        }
        bool isLast = end == flow.DataEnd;
        TcpFlags flags = TcpFlags.Ack | (isLast ? TcpFlags.Psh : 0) | (isLast && withFin ? TcpFlags.Fin : 0);
        SendSegment(flow, start, flags, payload, now);
        return payload.Length + (isLast && withFin ? 1 : 0);
    }

    /// <summary>Sends octets that were sent before, as many as one frame has room for, and the FIN if that was sent too.</summary>
    private void SendAgain(TcpFlow flow, SequenceNumber start, int length, Instant now)
    {
        int available = flow.DataEnd.Since(start);
        int sent = 1;
        if (available <= 0) SendSegment(flow, start, TcpFlags.Fin | TcpFlags.Ack, default, now);
        else sent = SendData(flow, start, Math.Min(Math.Min(length, available), flow.MaxPayload), now, length > available && flow.FinSent);
        flow.TimedSequence = null;
        flow.ProbeFrom = now;
        flow.Sent!.Resent(start, start + sent, now);
        _counters.TcpSegmentsRetransmitted += SegmentsIn(flow, sent);
        StartRetransmitTimer(flow, now);
    }

    private static int SegmentsIn(TcpFlow flow, int length) => length <= flow.Mss ? 1 : (length + flow.Mss - 1) / flow.Mss;

    // --- Segments

    /// <summary>SYN-ACK to a guest that opened, SYN to one that is opened from outside.</summary>
    private void SendSyn(TcpFlow flow, Instant now)
    {
        var options = new TcpOptions
        {
            Mss = (ushort)OurMss(flow.IsIpv4),
            WindowScale = flow.IsInbound || flow.RcvWndShift > 0 ? OurWindowShift : null,
            SackPermitted = flow.IsInbound || flow.HasSack,
            HasTimestamps = flow.IsInbound || flow.HasTimestamps,
            TimestampValue = TimestampNow(flow, now),
            TimestampEcho = flow.TsRecent,
        };
        int window = Math.Min(flow.RcvCapacity, ushort.MaxValue);
        TcpFlags flags = flow.Guest == GuestTcpState.SynSent ? TcpFlags.Syn : TcpFlags.Syn | TcpFlags.Ack;
        SequenceNumber ack = flow.Guest == GuestTcpState.SynSent ? default : flow.RcvNxt;
        if (flow.Guest != GuestTcpState.SynSent) flow.RcvAdv = SequenceNumber.Later(flow.RcvAdv, flow.RcvNxt + window);
        var fields = new TcpFields(flow.Key.Remote.Port, flow.Key.Guest.Port, flow.Iss, ack, flags, (ushort)window);
        // Only the first copy can be measured (Karn): a guest that repeats its SYN makes us repeat ours.
        (flow.TimedSequence, flow.TimedAt) = (flow.SndNxt == flow.Iss ? flow.Iss + 1 : null, now);
        flow.SndNxt = flow.Iss + 1;
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
        flow.AckPending = false;
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, options, default, flow.Mss);
    }

    private void SendAck(TcpFlow flow, Instant now) => SendSegment(flow, AcceptableNumber(flow), TcpFlags.Ack, default, now);

    /// <summary>Of a segment without payload: that of what is sent next; if the guest's window shrank below that, the last that
    /// it takes for acceptable.</summary>
    private static SequenceNumber AcceptableNumber(TcpFlow flow) =>
        flow.IsSynchronized ? SequenceNumber.Earlier(flow.SndNxt, flow.SndUna + (int)flow.SndWnd) : flow.SndNxt;

    /// <summary>Every segment of an open connection: acknowledges all that came and tells the window.</summary>
    private void SendSegment(TcpFlow flow, SequenceNumber sequence, TcpFlags flags, ReadOnlySpan<byte> payload, Instant now)
    {
        // A probe has an old number, so that the guest discards it with all that it says, and answers.
        bool isHeard = sequence.IsAtOrAfter(flow.SndUna);
        if (isHeard && flow.CanReceiveFromGuest)
        {
            GrowReceiveWindow(flow, now);
            flow.RcvAdv = NextRcvAdv(flow);
        }
        int window = Math.Max(0, flow.RcvAdv.Since(flow.RcvNxt)) >> flow.RcvWndShift;
        var fields = new TcpFields(
            flow.Key.Remote.Port, flow.Key.Guest.Port, sequence, flow.RcvNxt, flags, (ushort)Math.Min(window, ushort.MaxValue));
        var options = default(TcpOptions);
        if (flow.HasTimestamps)
        {
            options.HasTimestamps = true;
            options.TimestampValue = TimestampNow(flow, now);
            options.TimestampEcho = flow.TsRecent;
        }
        bool hasHoles = flow.OutOfOrder is { IsEmpty: false };
        if (hasHoles && flow.HasSack && payload.IsEmpty)
        {
            var blocks = default(SackBlocks);
            // Three beside timestamps, four without, fewer where the MTU ends the packet before the option space does.
            int room = (OurMss(flow.IsIpv4) - (flow.HasTimestamps ? TimestampOptionLength : 0) - 4) / 8;
            flow.OutOfOrder!.FillSack(ref blocks, Math.Clamp(room, 0, flow.HasTimestamps ? SackBlocks.MaxCount - 1 : SackBlocks.MaxCount));
            options.Sack = blocks;
        }
        if (isHeard) flow.LastAckSent = flow.RcvNxt;
        _counters.TcpSegmentsSent += SegmentsIn(flow, payload.Length);
        // A full data segment has no room for SACK blocks: with holes a bare acknowledgment follows.
        if (isHeard && (payload.IsEmpty || !hasHoles)) flow.AckPending = false;
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, options, payload, flow.Mss);
    }

    private static uint TimestampNow(TcpFlow flow, Instant now) => (uint)now.Milliseconds + flow.TsOffset;

    private void SendReset(TcpFlow flow)
    {
        var fields = new TcpFields(
            flow.Key.Remote.Port, flow.Key.Guest.Port, AcceptableNumber(flow), flow.RcvNxt, TcpFlags.Rst | TcpFlags.Ack, 0);
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, default, default, flow.Mss);
    }

    /// <summary>The answer to a SYN whose connect was refused (RFC 9293 section 3.10.7.1).</summary>
    private void SendResetToSyn(TcpFlow flow)
    {
        var fields = new TcpFields(
            flow.Key.Remote.Port, flow.Key.Guest.Port, default, flow.RcvNxt, TcpFlags.Rst | TcpFlags.Ack, 0);
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, default, default, flow.Mss);
    }

    /// <summary>An unacceptable acknowledgment before the connection is open (RFC 9293 section 3.10.7.4, fifth check).</summary>
    private void SendResetFor(TcpFlow flow, in GuestSegment segment)
    {
        var fields = new TcpFields(
            flow.Key.Remote.Port, flow.Key.Guest.Port, segment.Acknowledgment, default, TcpFlags.Rst, 0);
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, default, default, flow.Mss);
    }

    private void SendResetWithoutFlow(MacAddress to, in FlowKey key, in GuestSegment segment)
    {
        TcpFields fields = segment.Has(TcpFlags.Ack)
            ? new TcpFields(key.Remote.Port, key.Guest.Port, segment.Acknowledgment, default, TcpFlags.Rst, 0)
            : new TcpFields(key.Remote.Port, key.Guest.Port, default, segment.Sequence + segment.Length, TcpFlags.Rst | TcpFlags.Ack, 0);
        _sender.SendTcp(to, key.Remote.Address, key.Guest.Address, fields, default, default, SmallestMss);
    }
}
