using System.Diagnostics;
using Slirp.Core.World;

namespace Slirp.Core.Flows;

/// <summary>Carries datagrams on that were received together.</summary>
internal delegate void TrainArrival<TOwner>(TOwner owner, ReadOnlySpan<byte> octets, in DatagramInfo info, Instant now);

/// <summary>Where datagrams are received: those of one size from one sender stand one behind the other, so that they can go
/// on in one frame.</summary>
/// <remarks>
/// <code>
///  buffer: | gone on already | datagram | datagram | room for the largest that may come |
///                            ^ start               ^ end
/// </code>
/// Each is received behind those before it, and stays where it is whether it joins them or begins a train of its own:
/// nothing is copied. What the kernel has coalesced already (UDP_GRO) is a train by itself.
/// </remarks>
/// <param name="maxDatagrams">In one train; 1 where each goes on by itself.</param>
/// <param name="arrive">Carries a train on; its info tells by a segment size where several are cut.</param>
internal sealed class IncomingTrain<TOwner>(int maxDatagrams, TrainArrival<TOwner> arrive)
{
    /// <summary>The most that one receive may bring: a datagram, or as many octets of coalesced ones.</summary>
    private const int Largest = 64 << 10;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(maxDatagrams > 1 ? 2 * Largest : Largest, pinned: true);
    private DatagramInfo _info;
    private int _start, _end, _count, _datagramLength;
    private bool _isClosed; // by a datagram shorter than the others

    /// <summary>Begins anew: whatever a fault has left here is forgotten.</summary>
    public void Clear() => _start = _end = _count = 0;

    /// <summary>The next datagram of this owner is to be received here.</summary>
    public Span<byte> RoomFor(TOwner owner, Instant now)
    {
        if (_buffer.Length - _end < Largest)
        {
            CarryOn(owner, now);
            Clear();
        }
        return _buffer.AsSpan(_end, Largest);
    }

    /// <summary>Takes in what was received into the room. What it cannot go on with goes on before it.</summary>
    public void Add(TOwner owner, int length, in DatagramInfo info, Instant now)
    {
        bool joins = _count > 0 && _count < maxDatagrams && !_isClosed && length > 0 && length <= _datagramLength
            && info.SegmentSize == 0 && info == _info;
        if (!joins)
        {
            CarryOn(owner, now);
            (_info, _datagramLength, _start, _count) = (info, length, _end, 0);
        }
        _end += length;
        _count++;
        _isClosed = length < _datagramLength;
        Debug.Assert(_end <= _buffer.Length, "more was received than there was room for");
    }

    /// <summary>What is here goes on.</summary>
    public void CarryOn(TOwner owner, Instant now)
    {
        if (_count == 0) return;
        DatagramInfo info = _count > 1 ? _info with { SegmentSize = _datagramLength } : _info;
        arrive(owner, _buffer.AsSpan(_start, _end - _start), info, now);
    }
}
