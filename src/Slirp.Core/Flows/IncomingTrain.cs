using System.Diagnostics;
using Slirp.Core.World;

namespace Slirp.Core.Flows;

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
internal sealed class IncomingTrain(int maxDatagrams)
{
    /// <summary>The most that one receive may bring: a datagram, or as many octets of coalesced ones.</summary>
    private const int Largest = 64 << 10;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(maxDatagrams > 1 ? 2 * Largest : Largest, pinned: true);
    private DatagramInfo _info;
    private int _start, _end, _count, _datagramLength;
    private bool _isClosed; // by a datagram shorter than the others

    /// <summary>The next datagram is to be received here.</summary>
    public Span<byte> Room => _buffer.AsSpan(_end, Largest);

    public bool IsEmpty => _count == 0;

    /// <summary>There is no room behind it: it must go on before anything is received.</summary>
    public bool IsFull => _buffer.Length - _end < Largest;

    /// <summary>The datagrams, one behind the other; <see cref="Info"/> tells where they are cut.</summary>
    public Span<byte> Octets => _buffer.AsSpan(_start, _end - _start);

    /// <summary>What came with each of them.</summary>
    public DatagramInfo Info => _count > 1 ? _info with { SegmentSize = _datagramLength } : _info;

    /// <summary>Takes in what was received into <see cref="Room"/>, if it can go on with those that are here.</summary>
    public bool TryJoin(int length, in DatagramInfo info)
    {
        if (_count == 0 || _isClosed || _count >= maxDatagrams) return false;
        if (length == 0 || length > _datagramLength || info.SegmentSize != 0 || info != _info) return false;
        _end += length;
        _count++;
        _isClosed = length < _datagramLength;
        return true;
    }

    /// <summary>Begins a train with what was received into <see cref="Room"/>; the one before has gone on.</summary>
    public void Begin(int length, in DatagramInfo info)
    {
        (_info, _datagramLength, _count) = (info, length, 1);
        (_start, _end) = (_end, _end + length);
        Debug.Assert(_end <= _buffer.Length, "more was received than there was room for");
    }

    public void Clear() => _start = _end = _count = 0;
}
