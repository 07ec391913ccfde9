using System.Diagnostics;
using Slirp.Core.Ip;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Link;

/// <summary>UDP toward the guest.</summary>
/// <remarks>
/// A datagram leaves in the first of these forms that can carry it: several of one size in one frame that the guest's
/// kernel cuts (UdpL4), one frame, or IP fragments. Fragments are gathered from the caller's span like any payload; the
/// first carries the UDP header among its headers. Their checksum is ours to finish, since the kernel sums what is in one
/// frame only. Identifiers come from a <see cref="PermutedCounter"/>.
/// </remarks>
public sealed partial class FrameSender<TWorld>
{
    /// <summary>Total length in IPv4, Payload Length in IPv6: both have 16 bits.</summary>
    private const int MaxIpLength = ushort.MaxValue;

    /// <summary>Fragment offsets count in eights (RFC 791 section 3.1): however small the MTU, only the last piece is shorter.</summary>
    private const int SmallestStep = 8;

    private PermutedCounter _identification4 = new(16);
    private PermutedCounter _identification6 = new(32);

    private bool HasUdpSegmentation => (offloads & LinkOffloads.UdpSegmentation) != 0 && HasChecksumOffload;

    /// <summary>Sends a datagram, or with <paramref name="segmentSize"/> above zero several of that length, the last
    /// maybe shorter, that stand in <paramref name="payload"/> one after the other.</summary>
    /// <param name="trafficClass">IPv4 TOS or IPv6 traffic class.</param>
    /// <param name="dontFragment">IPv4 DF; without effect on a datagram that must be fragmented to pass at all.</param>
    /// <param name="pathMtu">As <see cref="MtuTo"/> says; without it the link's own.</param>
    /// <returns>Ok, or the first failure; what would have come after it was not tried.</returns>
    public LinkResult SendUdp(
        MacAddress to, IpEndpoint source, IpEndpoint destination, ReadOnlySpan<byte> payload, int segmentSize,
        byte trafficClass, bool dontFragment = false, int pathMtu = int.MaxValue)
    {
        if (segmentSize <= 0 || segmentSize >= payload.Length)
            return SendDatagrams(to, source, destination, payload, 0, trafficClass, dontFragment, pathMtu);
        int perFrame = segmentSize;
        if (HasUdpSegmentation && segmentSize + UdpBuilder.HeaderLength + IpHeaderLength(destination) <= Math.Min(mtu, pathMtu))
        {
            // The IPv4 total length counts its own header, the IPv6 payload length does not; keep one limit for both.
            perFrame = (MaxIpLength - Ipv6Builder.HeaderLength - UdpBuilder.HeaderLength) / segmentSize * segmentSize;
        }
        var result = LinkResult.Ok;
        while (!payload.IsEmpty && result == LinkResult.Ok)
        {
            ReadOnlySpan<byte> batch = payload[..Math.Min(perFrame, payload.Length)];
            payload = payload[batch.Length..];
            int gsoSize = batch.Length > segmentSize ? segmentSize : 0;
            result = SendDatagrams(to, source, destination, batch, gsoSize, trafficClass, dontFragment, pathMtu);
        }
        return result;
    }

    private LinkResult SendDatagrams(
        MacAddress to, IpEndpoint source, IpEndpoint destination, ReadOnlySpan<byte> payload, int gsoSize,
        byte trafficClass, bool dontFragment, int pathMtu)
    {
        bool v4 = destination.Address.IsIpv4;
        int length = UdpBuilder.HeaderLength + payload.Length;
        int ipHeaderLength = IpHeaderLength(destination.Address);
        int limit = Math.Min(mtu, pathMtu);
        if (gsoSize == 0 && ipHeaderLength + length > limit)
            return SendUdpFragments(to, source, destination, payload, trafficClass, limit);

        Span<byte> headers = stackalloc byte[MaxHeaders];
        int l4 = IpOffset + ipHeaderLength;
        Span<byte> udp = headers.Slice(l4, UdpBuilder.HeaderLength);
        UdpBuilder.Write(udp, source.Port, destination.Port, length);
        WriteIp(headers[IpOffset..], source.Address, destination.Address, IpProtocol.Udp, length, dontFragment, trafficClass);
        VirtioNetHeader virtio = FinishChecksum(
            udp, payload, source.Address, destination.Address, IpProtocol.Udp, l4 - VirtioNetHeader.Length, UdpBuilder.ChecksumOffset);
        if (gsoSize > 0)
        {
            Debug.Assert(HasUdpSegmentation, "several datagrams in a frame that nobody will cut");
            virtio = virtio with
            {
                GsoType = VirtioGsoType.UdpL4,
                GsoSize = (ushort)gsoSize,
                HeaderLength = (ushort)(l4 + UdpBuilder.HeaderLength - VirtioNetHeader.Length),
            };
        }
        return Transmit(headers[..(l4 + UdpBuilder.HeaderLength)], to, v4, virtio, payload);
    }

    private LinkResult SendUdpFragments(
        MacAddress to, IpEndpoint source, IpEndpoint destination, ReadOnlySpan<byte> payload, byte trafficClass, int limit)
    {
        int length = UdpBuilder.HeaderLength + payload.Length;
        if (length > MaxUpperLength(destination.Address)) return RefuseTooBig();
        Span<byte> udp = stackalloc byte[UdpBuilder.HeaderLength];
        UdpBuilder.Write(udp, source.Port, destination.Port, length);
        uint sum = InternetChecksum.PseudoHeader(source.Address, destination.Address, IpProtocol.Udp, length);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(payload, InternetChecksum.Sum(udp, sum)));
        UdpBuilder.WriteChecksum(udp, checksum == 0 ? (ushort)0xffff : checksum);
        return SendFragments(to, source.Address, destination.Address, IpProtocol.Udp, udp, payload, trafficClass, HopLimit, limit);
    }

    /// <summary>Sends <paramref name="l4Header"/> and <paramref name="payload"/>, its checksum finished, in pieces that fit
    /// the limit. Stops at the first piece that is lost: the others would be useless.</summary>
    /// <param name="l4Header">Eight octets: the first piece holds at least them.</param>
    private LinkResult SendFragments(
        MacAddress to, IpAddress source, IpAddress destination, IpProtocol protocol,
        ReadOnlySpan<byte> l4Header, ReadOnlySpan<byte> payload, byte trafficClass, byte hopLimit, int limit)
    {
        Debug.Assert(l4Header.Length == SmallestStep, "the first fragment must hold the L4 header");
        bool v4 = destination.IsIpv4;
        int headerLength = v4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength + Ipv6FragmentBuilder.HeaderLength;
        int step = Math.Max(SmallestStep, limit - headerLength & ~7);
        int total = l4Header.Length + payload.Length;
        uint identification = v4 ? _identification4.Next() : _identification6.Next();
        Span<byte> headers = stackalloc byte[MaxHeaders];
        for (int offset = 0; offset < total; offset += step)
        {
            int end = Math.Min(total, offset + step);
            var piece = new FragmentPiece(identification, offset, end - offset, end < total);
            WriteFragmentHeaders(headers[IpOffset..], source, destination, protocol, piece, trafficClass, hopLimit);
            int headersEnd = IpOffset + headerLength;
            int from = offset - l4Header.Length;
            if (offset == 0)
            {
                l4Header.CopyTo(headers[headersEnd..]);
                headersEnd += l4Header.Length;
                from = 0;
            }
            LinkResult result = Transmit(headers[..headersEnd], to, v4, default, payload[from..(end - l4Header.Length)]);
            if (result != LinkResult.Ok) return result;
        }
        return LinkResult.Ok;
    }

    private readonly record struct FragmentPiece(uint Identification, int Offset, int Length, bool MoreFragments);

    private static void WriteFragmentHeaders(
        Span<byte> header, IpAddress source, IpAddress destination, IpProtocol protocol, in FragmentPiece piece,
        byte trafficClass, byte hopLimit)
    {
        if (destination.IsIpv4)
        {
            Ipv4Builder.Write(header, new Ipv4Fields(
                source.Ipv4, destination.Ipv4, protocol, hopLimit, trafficClass, (ushort)piece.Identification, false,
                piece.MoreFragments, piece.Offset, piece.Length));
            return;
        }
        int payloadLength = Ipv6FragmentBuilder.HeaderLength + piece.Length;
        Ipv6Builder.Write(header, new Ipv6Fields(
            source, destination, IpProtocol.Ipv6Fragment, hopLimit, trafficClass, 0, payloadLength));
        Ipv6FragmentBuilder.Write(
            header[Ipv6Builder.HeaderLength..], protocol, piece.Offset, piece.MoreFragments, piece.Identification);
    }

    private LinkResult RefuseTooBig()
    {
        counters.Drop(DropReason.PacketTooBig);
        return LinkResult.Ok;
    }

    private static int IpHeaderLength(IpAddress address) => address.IsIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;

    private static int IpHeaderLength(IpEndpoint endpoint) => IpHeaderLength(endpoint.Address);

    /// <summary>The most that a packet, put together again, has room for.</summary>
    private static int MaxUpperLength(IpAddress address) =>
        address.IsIpv4 ? MaxIpLength - Ipv4Builder.HeaderLength : MaxIpLength;
}
