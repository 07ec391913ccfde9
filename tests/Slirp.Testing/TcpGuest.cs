using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>A guest's TCP as simple as it can be and still be right: the other opinion on RFC 9293, written apart from the
/// engine and sharing nothing with it but the wire format.</summary>
/// <remarks>
/// <para>Numbers are 64-bit counts from the SYN, which is 0: so nothing here wraps, and what comes off the wire is unwrapped
/// around the number expected. The guest writes <see cref="Outgoing"/> and reads <see cref="Incoming"/>.</para>
/// <para>It also judges: whatever a peer may never do (acknowledge what was not sent, send beyond the window, move its own
/// window's edge back, send other octets than it should) throws at once.</para>
/// </remarks>
public sealed partial class TcpGuest(TcpGuestOptions options, Random random, ReadOnlyMemory<byte> outgoing, ReadOnlyMemory<byte> incoming)
{
    private readonly SequenceNumber _iss = new((uint)random.NextInt64(1L << 32));
    private readonly uint _clockOrigin = (uint)random.NextInt64(1L << 32);
    private SequenceNumber _irs;
    private Phase _phase = Phase.Closed;
    private bool _hasTimestamps, _hasSack;
    private int _sendShift, _receiveShift;
    private int _mss = 536;
    private uint _tsRecent;
    private long _lastAckSent;

    private enum Phase
    {
        Closed,
        SynSent,
        SynReceived,
        Open,
    }

    /// <summary>Takes what it sends; its payload is a view of <see cref="Outgoing"/>.</summary>
    public required Action<TcpSegment> Transmit { get; init; }

    public ReadOnlyMemory<byte> Outgoing => outgoing;

    public ReadOnlyMemory<byte> Incoming => incoming;

    public TcpGuestOptions Options => options;

    public bool WasReset { get; private set; }

    /// <summary>It ended the connection itself and knows nothing of it any more.</summary>
    public bool HasForgotten { get; private set; }

    public bool IsOpen => _phase == Phase.Open;

    /// <summary>Both directions have ended in order, as far as this side can tell.</summary>
    public bool IsDone => _peerFinTaken && _una == FinEnd && _read == incoming.Length;

    /// <summary>When <see cref="OnTimer"/> wants to be called.</summary>
    public Instant NextTimer => Instant.Earlier(_retransmitAt, Instant.Earlier(_ackAt, _persistAt));

    private int OptionLength => _hasTimestamps ? 12 : 0;

    public void Open(Instant now)
    {
        _phase = Phase.SynSent;
        _nxt = _max = 1;
        SendSyn(TcpFlags.Syn, now);
        _retransmitAt = now + _rto;
    }

    public void Reset(Instant now)
    {
        Send(TcpFlags.Rst | TcpFlags.Ack, _max, default, now);
        WasReset = HasForgotten = true;
        (_retransmitAt, _ackAt, _persistAt) = (Instant.Never, Instant.Never, Instant.Never);
    }

    public void OnTimer(Instant now)
    {
        if (_ackAt <= now) SendAck(now);
        if (_persistAt <= now) OnPersist(now);
        if (_retransmitAt <= now) OnRetransmit(now);
    }

    public void OnSegment(TcpSegment segment, Instant now)
    {
        if (HasForgotten && !segment.Has(TcpFlags.Rst))
            Transmit(new TcpSegment(segment.Acknowledgment, default, TcpFlags.Rst, 0, default, default));
        if (WasReset) return;
        switch (_phase)
        {
            case Phase.Closed:
                if (options.Listens && segment.Has(TcpFlags.Syn) && !segment.Has(TcpFlags.Ack)) Answer(segment, now);
                break;
            case Phase.SynSent:
                OnSynSent(segment, now);
                break;
            default:
                OnConnected(segment, now);
                break;
        }
    }

    private void Answer(TcpSegment syn, Instant now)
    {
        Agree(syn);
        _phase = Phase.SynReceived;
        _nxt = _max = 1;
        SendSyn(TcpFlags.Syn | TcpFlags.Ack, now);
        _retransmitAt = now + _rto;
    }

    private void OnSynSent(TcpSegment segment, Instant now)
    {
        Judge(!segment.Has(TcpFlags.Ack) || segment.Acknowledgment == _iss + 1, $"SYN answered by {segment}");
        if (segment.Has(TcpFlags.Rst))
        {
            WasReset = true;
            return;
        }
        if ((segment.Flags & (TcpFlags.Syn | TcpFlags.Ack)) != (TcpFlags.Syn | TcpFlags.Ack)) return;
        Agree(segment);
        BeOpen();
        SendAck(now);
        Output(now);
    }

    private void Agree(TcpSegment syn)
    {
        _irs = syn.Sequence;
        _rcvNxt = _lastAckSent = 1;
        _hasTimestamps = options.Timestamps && syn.Options.HasTimestamps;
        _hasSack = options.Sack && syn.Options.SackPermitted;
        if (options.WindowScale is byte ours && syn.Options.WindowScale is byte theirs) (_receiveShift, _sendShift) = (ours, theirs);
        Judge(options.Listens || syn.Options.WindowScale is null || options.WindowScale is not null, "window scale was not offered");
        _tsRecent = syn.Options.TimestampValue;
        _mss = Math.Max(1, Math.Min(syn.Options.Mss ?? 536, options.MaxSegment) - OptionLength);
        _cwnd = 10 * _mss;
        _edge = Math.Max(_edge, 1 + Math.Min(options.ReceiveBuffer, 65535)); // what a SYN of ours said
        _window = syn.Window;
        (_wl1, _wl2) = (0, 1);
    }

    private void BeOpen()
    {
        _phase = Phase.Open;
        _una = 1;
        _retransmitAt = Instant.Never;
        _backoff = 0;
    }

    private void OnConnected(TcpSegment segment, Instant now)
    {
        long start = Unwrap(segment.Sequence, _irs, _rcvNxt);
        if (segment.Has(TcpFlags.Rst))
        {
            // Where both directions have ended, a late copy of ours met nobody any more.
            if (start == _rcvNxt) WasReset = !(_peerFinTaken && _una == FinEnd);
            else if (start > _rcvNxt && start < _edge) SendAck(now); // RFC 5961
            return;
        }
        if (_hasTimestamps && segment.Options.HasTimestamps)
        {
            if ((int)(segment.Options.TimestampValue - _tsRecent) < 0)
            {
                SendAck(now);
                return;
            }
        }
        if (segment.Has(TcpFlags.Syn))
        {
            if (_phase == Phase.SynReceived) SendSyn(TcpFlags.Syn | TcpFlags.Ack, now);
            else SendAck(now); // our ACK of its SYN-ACK was lost
            return;
        }
        if (!IsAcceptable(start, segment.Length))
        {
            SendAck(now);
            return;
        }
        if (_hasTimestamps && segment.Options.HasTimestamps && start <= _lastAckSent) _tsRecent = segment.Options.TimestampValue;
        Judge(segment.Has(TcpFlags.Ack), $"no ACK in {segment}");
        long ack = Unwrap(segment.Acknowledgment, _iss, _una);
        Judge(ack <= _max, $"acknowledges {ack}, but only {_max} were sent");
        if (_phase == Phase.SynReceived)
        {
            if (ack < 1) return;
            BeOpen();
            _window = segment.Window << _sendShift;
            (_wl1, _wl2) = (start, ack);
        }
        OnAcknowledgment(segment, start, ack, now);
        OnData(segment, start, now);
        Output(now);
    }

    /// <summary>RFC 9293 section 3.10.7.4, first check, to the letter.</summary>
    private bool IsAcceptable(long start, int length)
    {
        long window = _edge - _rcvNxt;
        if (length == 0) return window == 0 ? start == _rcvNxt : start >= _rcvNxt && start < _edge;
        if (window == 0) return false;
        long last = start + length - 1;
        return (start >= _rcvNxt && start < _edge) || (last >= _rcvNxt && last < _edge);
    }

    private void SendSyn(TcpFlags flags, Instant now)
    {
        var offered = new TcpOptions { Mss = (ushort?)options.Mss };
        bool isAnswer = (flags & TcpFlags.Ack) != 0;
        if (!isAnswer || _receiveShift > 0 || _sendShift > 0) offered.WindowScale = options.WindowScale;
        offered.SackPermitted = isAnswer ? _hasSack : options.Sack;
        offered.HasTimestamps = isAnswer ? _hasTimestamps : options.Timestamps;
        offered.TimestampValue = Clock(now);
        offered.TimestampEcho = _tsRecent;
        int window = Math.Min(options.ReceiveBuffer, 65535);
        _edge = Math.Max(_edge, 1 + window);
        Transmit(new TcpSegment(_iss, isAnswer ? _irs + 1 : default, flags, (ushort)window, offered, default));
    }

    private void SendAck(Instant now) => Send(TcpFlags.Ack, _max, default, now);

    private void Send(TcpFlags flags, long start, ReadOnlyMemory<byte> payload, Instant now)
    {
        AdvanceEdge();
        var carried = default(TcpOptions);
        if (_hasTimestamps)
            (carried.HasTimestamps, carried.TimestampValue, carried.TimestampEcho) = (true, Clock(now), _tsRecent);
        if (_hasSack && payload.IsEmpty) carried.Sack = HeldBlocks(_hasTimestamps ? 3 : 4);
        long window = Math.Min((_edge - _rcvNxt) >> _receiveShift, 65535);
        Transmit(new TcpSegment(
            _iss + (int)start, _irs + (int)_rcvNxt, flags, (ushort)window, carried, payload));
        _lastAckSent = _rcvNxt;
        _ackAt = Instant.Never;
        _unacknowledged = 0;
    }

    private uint Clock(Instant now) => (uint)now.Milliseconds + _clockOrigin;

    /// <summary>The 64-bit number nearest to what is expected.</summary>
    private static long Unwrap(SequenceNumber number, SequenceNumber origin, long near) =>
        near + number.Since(origin + (int)near);

    private static void Judge(bool condition, string complaint)
    {
        if (!condition) throw new InvalidOperationException("the peer broke the protocol: " + complaint);
    }
}
