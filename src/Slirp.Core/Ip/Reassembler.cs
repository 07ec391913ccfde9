using Slirp.Core.Icmp;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Ip;

/// <summary>A packet put together from fragments: whoever takes it releases the frame.</summary>
/// <param name="Offset">Where in the slot the IP header begins.</param>
/// <param name="Length">Octets of the packet, headers included.</param>
public readonly record struct ReassembledPacket(OwnedFrame Frame, int Offset, int Length);

/// <summary>Puts the guest's fragmented packets together (RFC 791 section 3.2, RFC 8200 section 4.5).</summary>
/// <remarks>
/// <para><b>Model.</b> Each packet that lacks pieces has a context with a slot of the frame pool. Payload goes straight to
/// its place in the slot; the headers of the first fragment, its own length and offset fields still as they came, stand
/// in front of it, where an error can quote them and where they need only be corrected once the packet is whole:</para>
/// <code>
///  0                        4096                                 69 632
/// |      headers of the first | payload, at most 65 535 octets ... |
/// </code>
/// <para><c>GuestIngress</c> gets an IP packet as if it had come in one piece: IPv4 with its fragment fields cleared, IPv6
/// without the fragment header.</para>
/// <para><b>Overlap.</b> A fragment that came before, octet for octet, is ignored. Any other overlap kills the packet and
/// what still comes of it (RFC 5722, RFC 8200; for IPv4 too, as Linux does): nobody sends them but to slip something past
/// somebody who joins fragments in another order.</para>
/// <para><b>Limits.</b> So many contexts, the oldest making room for a new one; none lives longer than the timeout. The
/// cost of a fragment is its own length and a look at each context's key. No result exceeds 65 535 octets.</para>
/// <para><b>Errors.</b> A packet that expires and whose first fragment came is reported to the guest as "reassembly time
/// exceeded" (RFC 1122 section 3.3.2, RFC 4443 section 3.3), IPv6 fragments of impossible length as a parameter problem
/// (RFC 8200 section 4.5).</para>
/// </remarks>
public sealed partial class Reassembler<TWorld>(
    FramePool pool, FrameSender<TWorld> sender, NetworkPlan plan, TimerWheel timers, Counters counters, DatagramLimits limits) : IEngine
    where TWorld : struct, IWorld
{
    /// <summary>In front of the payload: the longest headers of a first fragment. 60 for IPv4; IPv6 extension headers
    /// in front of a fragment header are a few octets in practice and refused beyond this.</summary>
    private const int Headroom = FramePool.LargeSize - (ushort.MaxValue + 1);

    private readonly FragmentContext?[] _contexts = new FragmentContext?[Math.Max(1, limits.FragmentContexts)];
    private int _latest;
    private long _opened;

    /// <summary>Packets that lack pieces.</summary>
    public int Count { get; private set; }

    /// <summary>Takes a fragment.</summary>
    /// <param name="station">The guest station it came from.</param>
    /// <param name="ip">A packet with a valid header for which <see cref="Ipv4View.IsFragment"/> is true.</param>
    /// <returns>True if it was the last one missing, and <paramref name="packet"/> is the caller's.</returns>
    public bool TryAdd(MacAddress station, in Ipv4View ip, Instant now, out ReassembledPacket packet)
    {
        var key = new FragmentKey(ip.Source, ip.Destination, ip.Identification, ip.Protocol);
        var piece = new Piece(ip.FragmentOffset, ip.MoreFragments, ip.Octets[..ip.HeaderLength], ip.Payload);
        packet = default;
        bool isMalformed = piece.Content.IsEmpty || (piece.MoreFragments && piece.Content.Length % 8 != 0)
            || piece.End > ushort.MaxValue - ip.HeaderLength;
        if (isMalformed)
        {
            counters.Drop(DropReason.FragmentMalformed);
            return false;
        }
        if (!TryPlace(station, key, piece, now, out FragmentContext? context)) return false;
        return TryFinish4(context!, out packet);
    }

    /// <summary>Takes a fragment.</summary>
    /// <param name="station">The guest station it came from.</param>
    /// <param name="upper">What the walk over its extension headers found: a fragment header. One that says "the whole
    /// packet" is passed through without regard to any other (RFC 6946).</param>
    /// <returns>True if it was the last one missing, and <paramref name="packet"/> is the caller's.</returns>
    public bool TryAdd(MacAddress station, in Ipv6View ip, in Ipv6UpperLayer upper, Instant now, out ReassembledPacket packet)
    {
        packet = default;
        int headerLength = Ipv6View.HeaderLength + upper.FragmentPayloadOffset;
        var piece = new Piece(upper.FragmentOffset, upper.MoreFragments, ip.Octets[..headerLength], ip.Octets[headerLength..])
        {
            NextHeaderField = Ipv6View.HeaderLength + upper.NextHeaderFieldOffset,
        };
        if (!IsAcceptable(station, ip, upper, piece, now)) return false;
        if (upper.IsAtomicFragment) return TryPassAtomic(piece, out packet);
        var key = new FragmentKey(ip.Source, ip.Destination, upper.FragmentIdentification, default);
        if (!TryPlace(station, key, piece, now, out FragmentContext? context)) return false;
        return TryFinish6(context!, out packet);
    }

    /// <summary>Gives up a packet whose time has come.</summary>
    public void OnTimer(EventTarget target, Instant now)
    {
        if ((uint)target.Index >= (uint)_contexts.Length || _contexts[target.Index] is not { IsActive: true } context) return;
        if (context.Generation != target.Generation) return;
        context.Timer = default;
        if (!context.IsDead)
        {
            counters.Drop(DropReason.FragmentExpired);
            if (context.HasFirst) ReportExpiry(context, now);
        }
        Close(context);
    }

    /// <summary>Gives back every slot.</summary>
    public void CloseAll()
    {
        foreach (FragmentContext? context in _contexts)
        {
            if (context is { IsActive: true }) Close(context);
        }
    }

    /// <summary>One fragment as both families have it.</summary>
    private readonly ref struct Piece(int offset, bool moreFragments, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> content)
    {
        public int Offset { get; } = offset;
        public bool MoreFragments { get; } = moreFragments;
        public ReadOnlySpan<byte> Headers { get; } = headers;
        public ReadOnlySpan<byte> Content { get; } = content;
        public int NextHeaderField { get; init; }
        public int End => Offset + Content.Length;
    }

    /// <returns>True if the packet is whole now; everything else has been dealt with.</returns>
    private bool TryPlace(MacAddress station, in FragmentKey key, in Piece piece, Instant now, out FragmentContext? context)
    {
        if (!TryFind(key, out context) && !TryOpen(station, key, now, out context)) return false;
        if (context!.IsDead)
        {
            counters.Drop(DropReason.FragmentOverlap);
            return false;
        }
        Span<byte> place = pool.Octets(context.Frame).Slice(Headroom + piece.Offset, piece.Content.Length);
        FragmentOutcome outcome = context.Add(piece.Offset, piece.MoreFragments, piece.Content, place);
        switch (outcome)
        {
            case FragmentOutcome.Incomplete or FragmentOutcome.Complete:
                piece.Content.CopyTo(place);
                if (piece.Offset == 0) KeepHeaders(context, piece);
                return outcome == FragmentOutcome.Complete;
            case FragmentOutcome.Duplicate:
                return false;
            default:
                counters.Drop(outcome == FragmentOutcome.Overlap ? DropReason.FragmentOverlap : DropReason.FragmentMalformed);
                context.Die();
                pool.Release(context.Frame);
                return false;
        }
    }

    private void KeepHeaders(FragmentContext context, in Piece piece)
    {
        piece.Headers.CopyTo(pool.Octets(context.Frame)[(Headroom - piece.Headers.Length)..]);
        context.HeaderLength = piece.Headers.Length;
        context.FirstLength = piece.Content.Length;
        context.NextHeaderField = piece.NextHeaderField;
    }

    private bool TryFind(in FragmentKey key, out FragmentContext? context)
    {
        // Nearly always the one the last fragment was for.
        context = _contexts[_latest];
        if (context is { IsActive: true } && context.Key == key) return true;
        for (int i = 0; i < _contexts.Length; i++)
        {
            context = _contexts[i];
            if (context is not { IsActive: true } || context.Key != key) continue;
            _latest = i;
            return true;
        }
        return false;
    }

    private bool TryOpen(MacAddress station, in FragmentKey key, Instant now, out FragmentContext? context)
    {
        int index = FindRoom();
        context = _contexts[index] ??= new FragmentContext();
        if (!pool.TryRent(out OwnedFrame frame))
        {
            counters.Drop(DropReason.NoMemory);
            return false;
        }
        context.Open(key, frame, station, ++_opened);
        TimerHandle timer = default;
        timers.Schedule(ref timer, new EventTarget(EventKind.FragmentExpiry, index, context.Generation), now + limits.ReassemblyTimeout);
        context.Timer = timer;
        _latest = index;
        Count++;
        return true;
    }

    /// <summary>A context that is not in use; if need be the oldest is given up.</summary>
    private int FindRoom()
    {
        int oldest = 0;
        for (int i = 0; i < _contexts.Length; i++)
        {
            if (_contexts[i] is not { IsActive: true } context) return i;
            if (context.Order < _contexts[oldest]!.Order) oldest = i;
        }
        if (!_contexts[oldest]!.IsDead) counters.Drop(DropReason.FragmentEvicted);
        Close(_contexts[oldest]!);
        return oldest;
    }

    private void Close(FragmentContext context)
    {
        if (!context.IsDead) pool.Release(context.Frame);
        Forget(context);
    }

    /// <summary>Ends the context but not its slot.</summary>
    private void Forget(FragmentContext context)
    {
        TimerHandle timer = context.Timer;
        timers.Cancel(ref timer);
        context.Timer = default;
        context.Close();
        Count--;
    }

    /// <summary>Tells the guest, quoting the first fragment as it came.</summary>
    private void ReportExpiry(FragmentContext context, Instant now)
    {
        int length = context.HeaderLength + context.FirstLength;
        ReadOnlySpan<byte> first = pool.Octets(context.Frame).Slice(Headroom - context.HeaderLength, length);
        IpAddress guest = context.Key.Source;
        sender.SendIcmpError(context.Station, plan.GatewayFor(guest), IcmpError.ReassemblyTimeExceeded(guest.IsIpv4), first, now);
    }
}
