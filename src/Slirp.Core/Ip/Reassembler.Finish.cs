using System.Buffers.Binary;
using Slirp.Core.Icmp;
using Slirp.Core.Memory;
using Slirp.Wire;

namespace Slirp.Core.Ip;

/// <summary>What is checked of an IPv6 fragment, and the headers of a packet that is whole.</summary>
public sealed partial class Reassembler<TWorld>
{
    private const int TotalLengthField = 2, FlagsAndOffsetField = 6, ChecksumField = 10; // RFC 791 section 3.1
    private const int PayloadLengthField = 4; // RFC 8200 section 3

    /// <summary>RFC 8200 section 4.5: both lengths that cannot be are answered with where the fault is.</summary>
    private bool IsAcceptable(MacAddress station, in Ipv6View ip, in Ipv6UpperLayer upper, in Piece piece, Instant now)
    {
        int fault = -1;
        if (piece.MoreFragments && piece.Content.Length % 8 != 0) fault = PayloadLengthField;
        int extensions = piece.Headers.Length - Ipv6View.HeaderLength - Ipv6FragmentBuilder.HeaderLength;
        if (extensions + piece.End > ushort.MaxValue) fault = Ipv6View.HeaderLength + upper.FragmentHeaderOffset + 2;
        if (fault < 0 && !piece.Content.IsEmpty && piece.Headers.Length <= Headroom) return true;
        counters.Drop(DropReason.FragmentMalformed);
        if (fault < 0) return false;
        sender.SendIcmpError(station, plan.GatewayFor(ip.Source), IcmpError.ErroneousField(false, fault), ip.Octets, now);
        return false;
    }

    private bool TryPassAtomic(in Piece piece, out ReassembledPacket packet)
    {
        packet = default;
        if (!pool.TryRent(out OwnedFrame frame))
        {
            counters.Drop(DropReason.NoMemory);
            return false;
        }
        Span<byte> slot = pool.Octets(frame);
        piece.Headers.CopyTo(slot[(Headroom - piece.Headers.Length)..]);
        piece.Content.CopyTo(slot[Headroom..]);
        packet = RemoveFragmentHeader(frame, piece.Headers.Length, piece.NextHeaderField, piece.Content.Length);
        return true;
    }

    private bool TryFinish4(FragmentContext context, out ReassembledPacket packet)
    {
        packet = default;
        int length = context.HeaderLength + context.PayloadLength;
        if (length > ushort.MaxValue) return RefuseTooLong(context); // options that only the first fragment had
        int offset = Headroom - context.HeaderLength;
        Span<byte> header = pool.Octets(context.Frame).Slice(offset, context.HeaderLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[TotalLengthField..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(header[FlagsAndOffsetField..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(header[ChecksumField..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(header[ChecksumField..], InternetChecksum.Finish(InternetChecksum.Sum(header)));
        packet = new ReassembledPacket(context.Frame, offset, length);
        Forget(context);
        return true;
    }

    private bool TryFinish6(FragmentContext context, out ReassembledPacket packet)
    {
        packet = default;
        int extensions = context.HeaderLength - Ipv6View.HeaderLength - Ipv6FragmentBuilder.HeaderLength;
        if (extensions + context.PayloadLength > ushort.MaxValue) return RefuseTooLong(context);
        packet = RemoveFragmentHeader(context.Frame, context.HeaderLength, context.NextHeaderField, context.PayloadLength);
        Forget(context);
        return true;
    }

    /// <summary>Moves what stands before the fragment header over it, and lets that name what the header named.</summary>
    private ReassembledPacket RemoveFragmentHeader(OwnedFrame frame, int headerLength, int nextHeaderField, int payloadLength)
    {
        Span<byte> slot = pool.Octets(frame);
        int kept = headerLength - Ipv6FragmentBuilder.HeaderLength;
        byte nextHeader = slot[Headroom - Ipv6FragmentBuilder.HeaderLength];
        slot.Slice(Headroom - headerLength, kept).CopyTo(slot[(Headroom - kept)..]);
        Span<byte> headers = slot.Slice(Headroom - kept, kept);
        headers[nextHeaderField] = nextHeader;
        int length = kept - Ipv6View.HeaderLength + payloadLength;
        BinaryPrimitives.WriteUInt16BigEndian(headers[PayloadLengthField..], (ushort)length);
        return new ReassembledPacket(frame, Headroom - kept, kept + payloadLength);
    }

    private bool RefuseTooLong(FragmentContext context)
    {
        counters.Drop(DropReason.FragmentMalformed);
        Close(context);
        return false;
    }
}
