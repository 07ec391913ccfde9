using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>The sending half: slow start, fast retransmission by duplicates or SACK, go-back-N by the timer.</summary>
public sealed partial class TcpGuest
{
    private static readonly TimeSpan MaxRto = TimeSpan.FromSeconds(20);

    private readonly List<(long From, long To)> _sacked = [];
    private readonly TimeSpan _rto = TimeSpan.FromMilliseconds(300);
    private long _una, _nxt, _max; // SND.UNA, SND.NXT, and one past the highest ever sent
    private long _window, _wl1, _wl2;
    private long _peerEdge; // right edge the peer has told
    private long _written;
    private int _cwnd, _ssthresh = int.MaxValue;
    private int _duplicates, _backoff;
    private bool _inRecovery;
    private long _recover, _resent;
    private Instant _retransmitAt = Instant.Never, _persistAt = Instant.Never;
    private int _persistCount;

    private long DataEnd => 1 + _written;

    private long FinEnd => outgoing.Length + 2;

    /// <summary>Octets the peer has acknowledged.</summary>
    public long Acknowledged => Math.Clamp(_una - 1, 0, outgoing.Length);

    public bool HasWrittenAll => _written == outgoing.Length;

    private bool MayClose => HasWrittenAll && (!options.ClosesLast || _peerFinTaken);

    /// <summary>The program in the guest writes some more.</summary>
    public void Write(int octets, Instant now)
    {
        _written = Math.Min(outgoing.Length, _written + octets);
        if (_phase == Phase.Open && !WasReset) Output(now);
    }

    private void Output(Instant now)
    {
        if (_phase != Phase.Open || WasReset) return;
        while (_nxt < DataEnd)
        {
            long usable = _una + Math.Min(_cwnd, _window) - _nxt;
            int length = (int)Math.Min(Math.Min(DataEnd - _nxt, usable), (long)_mss * options.SegmentsPerFrame);
            if (length > _mss) length -= length % _mss;
            if (length <= 0 || length < _mss && length < DataEnd - _nxt && _nxt > _una) break;
            SendData(_nxt, length, now);
            _nxt += length + (_sentFin ? 1 : 0);
            _max = Math.Max(_max, _nxt);
            Arm(now);
        }
        if (_nxt == outgoing.Length + 1 && MayClose && (_una + _window > _nxt || _max > _nxt))
        {
            Send(TcpFlags.Fin | TcpFlags.Ack, _nxt, default, now);
            _nxt++;
            _max = Math.Max(_max, _nxt);
            Arm(now);
        }
        bool waits = _nxt < DataEnd || _nxt == outgoing.Length + 1 && MayClose;
        if (waits && _nxt == _una && _persistAt == Instant.Never) _persistAt = now + _rto * (1 << Math.Min(_persistCount, 5));
        if (!waits) _persistAt = Instant.Never;
    }

    private bool _sentFin; // the last SendData carried a FIN

    private void SendData(long start, int length, Instant now)
    {
        bool isLast = start + length == outgoing.Length + 1;
        _sentFin = isLast && MayClose && options.FinWithData && start + length < _una + _window;
        TcpFlags flags = TcpFlags.Ack | (start + length == DataEnd ? TcpFlags.Psh : 0) | (_sentFin ? TcpFlags.Fin : 0);
        Send(flags, start, outgoing.Slice((int)start - 1, length), now);
    }

    private void OnAcknowledgment(TcpSegment segment, long start, long ack, Instant now)
    {
        bool sameWindow = UpdateWindow(segment, start, ack);
        if (_hasSack) NoteSack(segment);
        if (ack > _una)
        {
            int gained = (int)(ack - _una);
            _una = ack;
            _nxt = Math.Max(_nxt, _una);
            (_duplicates, _backoff) = (0, 0);
            _sacked.RemoveAll(r => r.To <= _una);
            _retransmitAt = _una == _max ? Instant.Never : now + _rto;
            if (_inRecovery && _una >= _recover) _inRecovery = false;
            else if (_inRecovery && _sacked.Count == 0) _resent = _una;
            if (!_inRecovery) _cwnd = (int)Math.Min(1 << 24, _cwnd < _ssthresh ? _cwnd + (long)gained : _cwnd + Math.Max(1, (long)_mss * gained / _cwnd));
        }
        else if (ack == _una && _nxt > _una && segment.Length == 0 && (sameWindow || segment.Options.Sack.Count > 0))
        {
            _duplicates++;
        }
        bool isLoss = _duplicates >= 3 || SackedOctets() >= 3 * _mss;
        if (!_inRecovery && isLoss && _nxt > _una)
        {
            (_inRecovery, _recover, _resent) = (true, _max, _una);
            _ssthresh = (int)Math.Max(2 * _mss, (_nxt - _una) / 2);
            _cwnd = _ssthresh;
        }
        if (_inRecovery) ResendHole(now);
    }

    private bool UpdateWindow(TcpSegment segment, long start, long ack)
    {
        if (ack < _una || start < _wl1 || start == _wl1 && ack < _wl2) return true;
        long window = (long)segment.Window << _sendShift;
        bool same = window == _window;
        _window = window;
        (_wl1, _wl2) = (start, ack);
        if (window > 0) (_persistAt, _persistCount) = (Instant.Never, 0);
        return same;
    }

    /// <summary>Judges the peer's window, in the order in which it sends: an edge once told is never taken back, but for
    /// what rounding to the unit of the field hides (RFC 7323 section 2.4).</summary>
    public void JudgeWindow(TcpSegment segment)
    {
        if (!segment.Has(TcpFlags.Ack) || segment.Has(TcpFlags.Rst)) return;
        long ack = Unwrap(segment.Acknowledgment, _iss, _una);
        if (ack >= FinEnd) return; // nothing is left that a window could be for
        int shift = segment.Has(TcpFlags.Syn) ? 0 : _sendShift;
        long edge = ack + ((long)segment.Window << shift);
        Judge(edge > _peerEdge - (1 << shift), $"right edge moved from {_peerEdge} to {edge}");
        _peerEdge = Math.Max(_peerEdge, edge);
    }

    private void NoteSack(TcpSegment segment)
    {
        for (int i = 0; i < segment.Options.Sack.Count; i++)
        {
            SackBlock block = segment.Options.Sack[i];
            long from = Unwrap(block.Left, _iss, _una), to = Unwrap(block.Right, _iss, _una);
            Judge(from < to && to <= _max, $"SACK {from}-{to}, but only {_max} were sent");
            if (from < _una) continue;
            _sacked.RemoveAll(r =>
            {
                if (r.To < from || r.From > to) return false;
                (from, to) = (Math.Min(from, r.From), Math.Max(to, r.To));
                return true;
            });
            _sacked.Add((from, to));
        }
        _sacked.Sort();
    }

    private long SackedOctets()
    {
        long sum = 0;
        foreach ((long from, long to) in _sacked) sum += to - from;
        return sum;
    }

    private void ResendHole(Instant now)
    {
        long start = Math.Max(_resent, _una), end = Math.Min(start + _mss, DataEnd);
        if (_sacked.Count == 0)
        {
            if (start != _una) return;
        }
        else
        {
            foreach ((long from, long to) in _sacked)
            {
                if (start < from)
                {
                    end = Math.Min(end, from);
                    break;
                }
                start = Math.Max(start, to);
                end = Math.Min(start + _mss, DataEnd);
            }
            if (start >= _sacked[^1].To) return;
        }
        if (start >= DataEnd)
        {
            if (start == outgoing.Length + 1 && _max == FinEnd) Send(TcpFlags.Fin | TcpFlags.Ack, start, default, now);
            _resent = start + 1;
            return;
        }
        if (end > _nxt) end = _nxt;
        if (start >= end) return;
        SendData(start, (int)(end - start), now);
        if (_sentFin) _max = Math.Max(_max, end + 1);
        if (_sentFin && _nxt == end) _nxt = end + 1;
        _resent = end;
    }

    private void OnRetransmit(Instant now)
    {
        _retransmitAt = Instant.Never;
        _backoff++;
        if (_backoff > 40) throw new InvalidOperationException($"the guest has given up at {_una} of {FinEnd}");
        if (_phase is Phase.SynSent or Phase.SynReceived)
        {
            SendSyn(_phase == Phase.SynSent ? TcpFlags.Syn : TcpFlags.Syn | TcpFlags.Ack, now);
            Arm(now);
            return;
        }
        if (_una == _max) return;
        _ssthresh = (int)Math.Max(2 * _mss, (_max - _una) / 2);
        _cwnd = _mss;
        _inRecovery = false;
        _duplicates = 0;
        _sacked.Clear();
        _nxt = _una;
        if (_window == 0) _window = 1; // an octet at the edge: its answer tells the window
        Output(now);
        Arm(now);
    }

    private void OnPersist(Instant now)
    {
        _persistAt = Instant.Never;
        _persistCount++;
        if (options.ProbesWithData && _una < DataEnd)
        {
            // RFC 9293 section 3.8.6.1: at least one octet of new data.
            SendData(_una, 1, now);
            _max = Math.Max(_max, _una + 1 + (_sentFin ? 1 : 0));
        }
        else if (_una == outgoing.Length + 1 && MayClose)
        {
            Send(TcpFlags.Fin | TcpFlags.Ack, _una, default, now);
            _max = Math.Max(_max, _una + 1);
        }
        else
        {
            Send(TcpFlags.Ack, _una - 1, default, now);
        }
        Output(now);
    }

    private void Arm(Instant now)
    {
        if (_retransmitAt != Instant.Never) return;
        TimeSpan wait = _rto * (1L << Math.Min(_backoff, 10));
        _retransmitAt = now + (wait < MaxRto ? wait : MaxRto);
    }
}
