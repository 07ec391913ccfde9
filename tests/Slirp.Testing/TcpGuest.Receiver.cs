using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>The receiving half: a buffer of limited size, a reader that takes its time, delayed acknowledgments, SACK.</summary>
public sealed partial class TcpGuest
{
    private readonly SortedDictionary<long, ReadOnlyMemory<byte>> _held = []; // beyond RCV.NXT, may overlap
    private long _rcvNxt;
    private long _edge; // right edge we have told
    private long _latest; // start of the latest arrival
    private long _read; // octets the program has taken
    private long? _finAt;
    private bool _peerFinTaken;
    private int _unacknowledged, _reneged;
    private Instant _ackAt = Instant.Never;

    /// <summary>Octets that arrived in order.</summary>
    public long Received => _rcvNxt == 0 ? 0 : _rcvNxt - 1 - (_peerFinTaken ? 1 : 0);

    public long Unread => Received - _read;

    public bool PeerHasClosed => _peerFinTaken;

    /// <summary>The program in the guest reads; a window that opens far enough by it is told.</summary>
    public void Read(int octets, Instant now)
    {
        _read += Math.Min(octets, Unread);
        if (_phase != Phase.Open || WasReset || _peerFinTaken) return;
        long before = _edge;
        AdvanceEdge();
        bool isWorthTelling = _edge - before >= Math.Min(options.ReceiveBuffer / 2, 2 * _mss) && _edge > before;
        if (isWorthTelling) SendAck(now);
        else _edge = before;
    }

    private void OnData(TcpSegment segment, long start, Instant now)
    {
        if (segment.Length == 0) return;
        long end = start + segment.Payload.Length;
        Judge(end <= _edge, $"data up to {end} beyond the window's edge {_edge}");
        if (segment.Has(TcpFlags.Fin))
        {
            Judge(_finAt is null || _finAt == end, $"FIN at {end} and at {_finAt}");
            Judge(end - 1 == incoming.Length, $"FIN behind {end - 1} octets of {incoming.Length}");
            _finAt = end;
        }
        Judge(segment.Payload.IsEmpty || end - 1 <= incoming.Length, $"{end - 1} octets where {incoming.Length} were sent");
        if (start >= 1)
        {
            bool isRight = segment.Payload.Span.SequenceEqual(incoming.Span.Slice((int)start - 1, segment.Payload.Length));
            Judge(isRight, $"other octets at {start} than the host sent");
        }
        if (!segment.Payload.IsEmpty && end > _rcvNxt)
        {
            _latest = start;
            if (!_held.TryGetValue(start, out ReadOnlyMemory<byte> old) || old.Length < segment.Payload.Length) _held[start] = segment.Payload;
        }
        bool isBehindHole = start > _rcvNxt, hadHoles = _held.Count > 1;
        TakeInOrder();
        if (_held.Count > 0 && _reneged < options.Reneges && random.Next(20) == 0)
        {
            _reneged++;
            _held.Clear();
        }
        if (_finAt == _rcvNxt && !_peerFinTaken)
        {
            _rcvNxt++;
            _peerFinTaken = true;
        }
        _unacknowledged += Math.Max(1, (segment.Payload.Length + _mss - 1) / _mss); // a train counts as its segments
        bool isUrgent = isBehindHole || hadHoles || _held.Count > 0 || _finAt > _rcvNxt || segment.Has(TcpFlags.Fin) || end <= _rcvNxt && start < _lastAckSent;
        if (isUrgent || options.DelayedAck == TimeSpan.Zero || _unacknowledged >= 2) SendAck(now);
        else if (_ackAt == Instant.Never) _ackAt = now + options.DelayedAck;
    }

    private void TakeInOrder()
    {
        while (_held.Count > 0)
        {
            (long start, ReadOnlyMemory<byte> payload) = First();
            if (start > _rcvNxt) return;
            _held.Remove(start);
            _rcvNxt = Math.Max(_rcvNxt, start + payload.Length);
        }

        KeyValuePair<long, ReadOnlyMemory<byte>> First()
        {
            using SortedDictionary<long, ReadOnlyMemory<byte>>.Enumerator all = _held.GetEnumerator();
            all.MoveNext();
            return all.Current;
        }
    }

    private void AdvanceEdge()
    {
        if (_phase != Phase.Open || _peerFinTaken) return;
        long room = Math.Min(options.ReceiveBuffer - Unread, 65535L << _receiveShift) >> _receiveShift << _receiveShift;
        long edge = _rcvNxt + Math.Max(0, room);
        if (edge - _edge >= Math.Min(options.ReceiveBuffer / 2, _mss)) _edge = edge;
        // What rounding down hides is not in the window that was told.
        _edge = Math.Max(_edge, _rcvNxt);
    }

    private SackBlocks HeldBlocks(int room)
    {
        var runs = new List<(long From, long To)>();
        foreach ((long start, ReadOnlyMemory<byte> payload) in _held)
        {
            long end = start + payload.Length;
            if (runs.Count > 0 && start <= runs[^1].To) runs[^1] = (runs[^1].From, Math.Max(runs[^1].To, end));
            else runs.Add((start, end));
        }
        int latest = runs.FindIndex(r => r.From <= _latest && _latest < r.To);
        if (latest > 0) (runs[0], runs[latest]) = (runs[latest], runs[0]);
        var blocks = default(SackBlocks);
        for (int i = 0; i < Math.Min(room, runs.Count); i++) blocks.Add(_irs + (int)runs[i].From, _irs + (int)runs[i].To);
        return blocks;
    }
}
