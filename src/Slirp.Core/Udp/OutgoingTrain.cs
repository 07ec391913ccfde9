using System.Diagnostics;
using Slirp.Core.Flows;
using Slirp.Core.Memory;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>Datagrams of one size from one flow to one endpoint, one behind the other in a slot.</summary>
/// <remarks><code>
///  slot: | IP and UDP headers of the first | payload | payload | ... | payload, maybe shorter |
/// </code>
/// The headers are for an ICMP error to quote, should the host refuse.</remarks>
internal sealed class OutgoingTrain(FramePool pool, OwnedFrame slot)
{
    /// <summary>UDP_MAX_SEGMENTS of Linux before 6.9; more is refused.</summary>
    public const int MaxDatagrams = 64;

    /// <summary>What one call may bring: the kernel builds it as one packet.</summary>
    private const int MaxOctets = ushort.MaxValue - Ipv6View.HeaderLength - UdpView.HeaderLength;

    private DatagramOptions _options;
    private int _headerLength, _end;
    private bool _isClosed; // by a datagram shorter than the others

    /// <summary>Not sent off yet.</summary>
    public bool IsWaiting { get; private set; }

    /// <summary>Of the flow that sends, in its table.</summary>
    public int OwnerIndex { get; private set; }

    public int OwnerGeneration { get; private set; }

    /// <summary>On the host.</summary>
    public IpEndpoint To { get; private set; }

    public int Count { get; private set; }

    /// <summary>Octets of each datagram but the last.</summary>
    public int DatagramLength { get; private set; }

    /// <summary>How all of them are sent: with a segment size if there are several.</summary>
    public DatagramOptions Options => _options with { SegmentSize = Count > 1 ? DatagramLength : 0 };

    /// <summary>The datagrams, one behind the other.</summary>
    public ReadOnlySpan<byte> Payload => pool.Octets(slot)[_headerLength.._end];

    /// <summary>The first of them as the guest sent it, from its IP header on.</summary>
    public ReadOnlySpan<byte> FirstPacket => pool.Octets(slot)[..(_headerLength + DatagramLength)];

    public bool IsOf(IFlow owner, IpEndpoint to) =>
        IsWaiting && OwnerIndex == owner.Index && OwnerGeneration == owner.Generation && To == to;

    /// <summary>Makes a datagram the first of an empty train.</summary>
    /// <param name="headers">What stands in front of its payload, from the IP header on.</param>
    public void Begin(IFlow owner, IpEndpoint to, in DatagramOptions options, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload)
    {
        Debug.Assert(!IsWaiting, "a train begun before the last one left");
        (OwnerIndex, OwnerGeneration, To) = (owner.Index, owner.Generation, to);
        (_options, DatagramLength, _isClosed) = (options, payload.Length, false);
        Span<byte> octets = pool.Octets(slot);
        headers.CopyTo(octets);
        payload.CopyTo(octets[headers.Length..]);
        (_headerLength, _end) = (headers.Length, headers.Length + payload.Length);
        (Count, IsWaiting) = (1, true);
    }

    /// <summary>Takes another datagram in, if it can leave in one call with those that are here.</summary>
    public bool TryJoin(in DatagramOptions options, ReadOnlySpan<byte> payload)
    {
        if (_isClosed || Count == MaxDatagrams || payload.IsEmpty || payload.Length > DatagramLength) return false;
        if (_end - _headerLength + payload.Length > MaxOctets || _options != options) return false;
        payload.CopyTo(pool.Octets(slot)[_end..]);
        _end += payload.Length;
        Count++;
        _isClosed = payload.Length < DatagramLength;
        return true;
    }

    /// <summary>It waits no more. What it holds may be read until the next one begins.</summary>
    public void Leave() => IsWaiting = false;
}
