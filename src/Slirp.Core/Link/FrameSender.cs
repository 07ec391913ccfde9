using System.Diagnostics;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Link;

/// <summary>Builds the frames that go to the guest: link and IP headers in front of what the engines hand over, and
/// whatever the link cannot do for us (checksums, segmentation, fragments).</summary>
/// <remarks>
/// <para>Headers are built on the stack and payload stays where it is; the link gathers both in one writev(2). So a
/// retransmission can start at any octet of a slot without overwriting what lies before it.</para>
/// <code>
///  headers, built here                                       payload, borrowed
/// | virtio 10 | ethernet 14 | ip 20 or 40 | l4 8 to 60 |    | ... |
/// </code>
/// <para>With <see cref="LinkOffloads.Checksum"/> the L4 checksum field holds the folded pseudo-header sum and the kernel
/// finishes it if the frame ever leaves the machine; without it we sum the payload.</para>
/// </remarks>
public sealed partial class FrameSender<TWorld>(
    TWorld world, LinkOffloads offloads, int mtu, MacAddress ourMac, Counters counters) where TWorld : struct, IWorld
{
    public const byte HopLimit = 64;

    private const int MaxHeaders = VirtioNetHeader.Length + EthernetView.HeaderLength + Ipv6View.HeaderLength + TcpBuilder.MaxHeaderLength;
    private const int IpOffset = VirtioNetHeader.Length + EthernetView.HeaderLength;

    private TWorld _world = world;
    private readonly NarrowPaths _narrow = new();
    private ushort _identification = (ushort)Random.Shared.Next();

    /// <summary>IP octets, as the kernel counts.</summary>
    public int Mtu => mtu;

    /// <summary>The most that a datagram to a guest address may have to arrive in one piece.</summary>
    public int MtuTo(IpAddress guest, Instant now) => _narrow.IsEmpty || guest.IsIpv4 ? mtu : Math.Min(mtu, _narrow.MtuTo(guest, now));

    /// <summary>A link on the way to a guest address lets no more pass than this, in octets of IPv6.</summary>
    /// <returns>False if that is nothing new.</returns>
    public bool TryNarrow(IpAddress guest, int pathMtu, Instant now)
    {
        if (Math.Max(pathMtu, NarrowPaths.SmallestMtu) >= MtuTo(guest, now)) return false;
        _narrow.Learn(guest, pathMtu, now);
        return true;
    }

    private bool HasChecksumOffload => (offloads & LinkOffloads.Checksum) != 0;

    /// <summary>The most TCP payload one frame may carry: many segments where the link cuts them, else one.</summary>
    public int MaxTcpPayload(bool isIpv4, int mss, int tcpHeaderLength)
    {
        LinkOffloads needed = isIpv4 ? LinkOffloads.TcpSegmentation4 : LinkOffloads.TcpSegmentation6;
        if ((offloads & needed) == 0 || !HasChecksumOffload) return mss;
        // The IPv4 total length counts its own header, the IPv6 payload length does not; keep one limit for both.
        int room = ushort.MaxValue - Ipv6View.HeaderLength - tcpHeaderLength;
        return Math.Max(mss, room / mss * mss);
    }

    /// <summary>Sends one TCP segment, or several of <paramref name="mss"/> octets in one frame.</summary>
    public LinkResult SendTcp(
        MacAddress to, IpAddress source, IpAddress destination, in TcpFields fields, in TcpOptions options,
        ReadOnlySpan<byte> payload, int mss)
    {
        Span<byte> headers = stackalloc byte[MaxHeaders];
        bool v4 = destination.IsIpv4;
        int l4 = IpOffset + (v4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength);
        int tcpLength = TcpBuilder.Write(headers[l4..], fields, options);
        WriteIp(headers[IpOffset..], source, destination, IpProtocol.Tcp, tcpLength + payload.Length, dontFragment: true, 0);
        VirtioNetHeader virtio = FinishChecksum(
            headers[l4..(l4 + tcpLength)], payload, source, destination, IpProtocol.Tcp, l4 - VirtioNetHeader.Length,
            TcpBuilder.ChecksumOffset);
        if (payload.Length > mss)
        {
            Debug.Assert(HasChecksumOffload, "segmentation without checksum offload");
            virtio = virtio with
            {
                GsoType = v4 ? VirtioGsoType.TcpV4 : VirtioGsoType.TcpV6,
                GsoSize = (ushort)mss,
                HeaderLength = (ushort)(l4 + tcpLength - VirtioNetHeader.Length),
            };
        }
        return Transmit(headers[..(l4 + tcpLength)], to, v4, virtio, payload);
    }

    /// <summary>Link headers in front of complete IP headers, and away.</summary>
    private LinkResult Transmit(
        Span<byte> headers, MacAddress to, bool isIpv4, in VirtioNetHeader virtio, ReadOnlySpan<byte> payload) =>
        Transmit(headers, to, isIpv4 ? EtherType.Ipv4 : EtherType.Ipv6, virtio, payload);

    private LinkResult Transmit(
        Span<byte> headers, MacAddress to, EtherType type, in VirtioNetHeader virtio, ReadOnlySpan<byte> payload)
    {
        virtio.Write(headers);
        EthernetBuilder.Write(headers[VirtioNetHeader.Length..], to, ourMac, type);
        LinkResult result = _world.Transmit(headers, payload);
        if (result == LinkResult.Ok)
        {
            counters.FramesToGuest++;
            counters.OctetsToGuest += headers.Length - VirtioNetHeader.Length + payload.Length;
        }
        else
        {
            counters.Drop(result == LinkResult.Down ? DropReason.LinkDown : DropReason.LinkBusy);
        }
        return result;
    }

    private void WriteIp(
        Span<byte> header, IpAddress source, IpAddress destination, IpProtocol protocol, int payloadLength,
        bool dontFragment, byte trafficClass)
    {
        if (destination.IsIpv4)
        {
            // RFC 6864: the identification of an atomic datagram (DF) means nothing; others need distinct ones.
            ushort id = dontFragment ? (ushort)0 : ++_identification;
            Ipv4Builder.Write(header, new Ipv4Fields(
                source.Ipv4, destination.Ipv4, protocol, HopLimit, trafficClass, id, dontFragment, false, 0, payloadLength));
        }
        else
        {
            Ipv6Builder.Write(header, new Ipv6Fields(source, destination, protocol, HopLimit, trafficClass, 0, payloadLength));
        }
    }

    /// <summary>Fills the L4 checksum, finished or left to the kernel, and says which in the virtio header.</summary>
    private VirtioNetHeader FinishChecksum(
        Span<byte> l4Header, ReadOnlySpan<byte> payload, IpAddress source, IpAddress destination, IpProtocol protocol,
        int checksumStart, int checksumOffset)
    {
        uint sum = InternetChecksum.PseudoHeader(source, destination, protocol, l4Header.Length + payload.Length);
        if (HasChecksumOffload)
        {
            WriteWord(l4Header[checksumOffset..], InternetChecksum.Fold(sum));
            return new VirtioNetHeader(VirtioNetFlags.NeedsCsum, VirtioGsoType.None, 0, 0, (ushort)checksumStart, (ushort)checksumOffset);
        }
        WriteWord(l4Header[checksumOffset..], 0);
        sum = InternetChecksum.Sum(l4Header, sum);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(payload, sum));
        // RFC 768: a UDP checksum that comes out as zero is sent as all ones.
        WriteWord(l4Header[checksumOffset..], checksum == 0 && protocol == IpProtocol.Udp ? (ushort)0xffff : checksum);
        return default;
    }

    private static void WriteWord(Span<byte> at, ushort value) =>
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(at, value);
}
