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
        long window = Math.Min(Math.Min(flow.SndWnd, flow.Cwnd), _parameters.MaxInFlight);
        int usable = (int)Math.Max(0, Math.Min(window - flow.InFlight, flow.MaxPayload));
        if (flow.InRecovery) usable = (int)Math.Max(0, Math.Min(usable, (long)flow.Cwnd - Pipe(flow)));
        if (usable >= flow.Mss) return usable - usable % flow.Mss;
        // Sender's silly window avoidance (RFC 9293 section 3.8.6.2.1): wait for a full segment while an ACK is to come,
        // unless the guest's whole window is smaller than that.
        if (flow.InFlight > 0 && usable < flow.MaxSndWnd / 2) return 0;
        return usable;
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
        _budget.Adjust(0, received.Count);
        if (received.Count >= PayloadQueue.PackBelow)
        {
            flow.ToGuest.Append(spare, 0, received.Count);
            _spare = null;
        }
        else
        {
            flow.ToGuest.Keep(_pool, spare, 0, received.Count);
            if (!_pool.IsUnshared(spare)) ReleaseSpare();
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

    private void ReleaseSpare()
    {
        _pool.Release(_spare!.Value);
        _spare = null;
    }

    private int OnReceiveFailed(TcpFlow flow, HostError error)
    {
        flow.HostReadable = false;
        if (error is HostError.WouldBlock or HostError.NoBuffers) return 0;
        Abort(flow, error == HostError.TimedOut ? CloseReason.HostTimedOut : CloseReason.HostReset);
        return -1;
    }

    private void OnHostEnd(TcpFlow flow, Instant now)
    {
        flow.HostReadable = false;
        flow.Host &= ~HostTcpState.CanReceive;
        CloseSocketWhenDone(flow);
        SendOwed(flow, now);
    }

    /// <summary>Sends what was received from the host, or must be sent again after a timeout, as windows allow; then FIN.</summary>
    private void SendOwed(TcpFlow flow, Instant now)
    {
        while (flow.SndNxt.IsBefore(flow.DataEnd))
        {
            int length = RoomToSend(flow);
            if (length == 0) return;
            flow.SndNxt += SendData(flow, flow.SndNxt, length, now);
            flow.SndMax = SequenceNumber.Later(flow.SndMax, flow.SndNxt);
            StartRetransmitTimer(flow, now);
        }
        SendFinWhenDue(flow, now);
    }

    private static int RoomToSend(TcpFlow flow)
    {
        long window = Math.Min(flow.SndWnd, flow.Cwnd);
        int usable = (int)Math.Max(0, Math.Min(window - flow.InFlight, flow.MaxPayload));
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
        SendSegment(flow, flow.SndNxt, TcpFlags.Fin | TcpFlags.Ack, default, now);
        flow.SndNxt += 1;
        flow.SndMax = SequenceNumber.Later(flow.SndMax, flow.SndNxt);
        StartRetransmitTimer(flow, now);
    }

    private static bool IsFinOwed(TcpFlow flow) =>
        flow.IsSynchronized && (flow.Host & HostTcpState.CanReceive) == 0 && !flow.FinAcknowledged && flow.SndNxt == flow.DataEnd;

    /// <summary>Sends a piece of <see cref="TcpFlow.ToGuest"/> that lies in one slot. A frame that the link does not take is
    /// lost like one on a wire: the retransmission timer knows what to do.</summary>
    /// <returns>Octets sent, at most <paramref name="length"/>.</returns>
    private int SendData(TcpFlow flow, SequenceNumber start, int length, Instant now)
    {
        ReadOnlySpan<byte> payload = flow.ToGuest.Peek(_pool, start.Since(flow.SndUna));
        if (payload.Length > length) payload = payload[..length];
        SequenceNumber end = start + payload.Length;
        if (flow.TimedSequence is null && start == flow.SndMax)
        {
            flow.TimedSequence = end;
            flow.TimedAt = now;
        }
        SendSegment(flow, start, end == flow.DataEnd ? TcpFlags.Ack | TcpFlags.Psh : TcpFlags.Ack, payload, now);
        return payload.Length;
    }

    /// <returns>Octets of sequence space sent again.</returns>
    private int SendAgain(TcpFlow flow, SequenceNumber start, int length, Instant now)
    {
        _counters.TcpSegmentsRetransmitted++;
        int available = flow.DataEnd.Since(start);
        if (available <= 0)
        {
            if (!flow.FinSent) return 0;
            SendSegment(flow, start, TcpFlags.Fin | TcpFlags.Ack, default, now);
            return 1;
        }
        flow.TimedSequence = null;
        return SendData(flow, start, Math.Min(Math.Min(length, available), flow.MaxPayload), now);
    }

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
        if (flow.SndMax == flow.Iss) (flow.TimedSequence, flow.TimedAt) = (flow.Iss + 1, now);
        flow.SndNxt = flow.SndMax = flow.Iss + 1;
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
        flow.AckPending = false;
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, options, default, flow.Mss);
    }

    private void SendAck(TcpFlow flow, Instant now)
    {
        // Numbered as what is sent next; if the guest's window shrank below that, as the last it takes for acceptable.
        SequenceNumber sequence = flow.IsSynchronized
            ? SequenceNumber.Earlier(flow.SndMax, flow.SndUna + (int)flow.SndWnd) : flow.SndMax;
        SendSegment(flow, sequence, TcpFlags.Ack, default, now);
    }

    /// <summary>Every segment of an open connection: acknowledges all that came and tells the window.</summary>
    private void SendSegment(TcpFlow flow, SequenceNumber sequence, TcpFlags flags, ReadOnlySpan<byte> payload, Instant now)
    {
        if (flow.CanReceiveFromGuest)
        {
            GrowReceiveWindow(flow);
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
            int room = (OurMss(flow.IsIpv4) - (flow.HasTimestamps ? 12 : 0) - 4) / 8;
            flow.OutOfOrder!.FillSack(ref blocks, Math.Clamp(room, 0, flow.HasTimestamps ? SackBlocks.MaxCount - 1 : SackBlocks.MaxCount));
            options.Sack = blocks;
        }
        flow.LastAckSent = flow.RcvNxt;
        // A full data segment has no room for SACK blocks: with holes a bare acknowledgment follows.
        if (payload.IsEmpty || !hasHoles) flow.AckPending = false;
        _sender.SendTcp(flow.GuestMac, flow.Key.Remote.Address, flow.Key.Guest.Address, fields, options, payload, flow.Mss);
    }

    private static uint TimestampNow(TcpFlow flow, Instant now) => (uint)now.Milliseconds + flow.TsOffset;

    private void SendReset(TcpFlow flow)
    {
        var fields = new TcpFields(
            flow.Key.Remote.Port, flow.Key.Guest.Port, flow.SndMax, flow.RcvNxt, TcpFlags.Rst | TcpFlags.Ack, 0);
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
