using System.Buffers.Binary;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>A frame that we sent to the guest, taken apart octet by octet without the code under test.</summary>
/// <remarks><see cref="Parse"/> refuses what a guest's kernel would not take: lengths that contradict each other, a wrong
/// IPv4 header checksum, an L4 checksum that is neither finished nor rightly left to the kernel.</remarks>
public sealed class SentPacket
{
    private SentPacket(byte[] frame, VirtioNetHeader virtio) => (Octets, Virtio) = (frame, virtio);

    /// <summary>The frame from the virtio_net header on.</summary>
    public byte[] Octets { get; }

    public VirtioNetHeader Virtio { get; }
    public MacAddress DestinationMac { get; private set; }
    public MacAddress SourceMac { get; private set; }
    public IpAddress From { get; private set; }
    public IpAddress To { get; private set; }
    public IpProtocol Protocol { get; private set; }
    public byte TrafficClass { get; private set; }
    public byte HopLimit { get; private set; }
    public bool DontFragment { get; private set; }
    public bool MoreFragments { get; private set; }
    public int FragmentOffset { get; private set; }
    public uint Identification { get; private set; }
    public bool IsFragment => MoreFragments || FragmentOffset > 0;

    /// <summary>IP octets, header included.</summary>
    public int IpLength { get; private set; }

    /// <summary>What follows the IP headers: a whole transport header and payload, or a piece of one.</summary>
    public byte[] Upper { get; private set; } = [];

    public ushort SourcePort => Word(0);
    public ushort DestinationPort => Word(2);
    public IpEndpoint Source => new(From, SourcePort);
    public IpEndpoint Destination => new(To, DestinationPort);
    public ReadOnlySpan<byte> UdpPayload => Upper.AsSpan(8);
    public byte IcmpType => Upper[0];
    public byte IcmpCode => Upper[1];
    public uint IcmpRest => BinaryPrimitives.ReadUInt32BigEndian(Upper.AsSpan(4));
    public ushort EchoIdentifier => Word(4);
    public ushort EchoSequence => Word(6);
    public ReadOnlySpan<byte> IcmpBody => Upper.AsSpan(8);
    public ReadOnlySpan<byte> TcpPayload => Upper.AsSpan(Upper[12] >> 4 << 2);

    public TcpView Tcp =>
        TcpView.TryParse(Upper, out TcpView tcp) ? tcp : throw new InvalidDataException("TCP header cut short");

    /// <exception cref="InvalidDataException">The frame contradicts itself; the message says how.</exception>
    public static SentPacket Parse(byte[] frame)
    {
        Require(frame.Length >= 24, $"frame of {frame.Length} octets has no room for its link headers");
        Require(VirtioNetHeader.TryParse(frame, out VirtioNetHeader virtio), "virtio header");
        var packet = new SentPacket(frame, virtio)
        {
            DestinationMac = MacAddress.Read(frame.AsSpan(10)),
            SourceMac = MacAddress.Read(frame.AsSpan(16)),
        };
        int etherType = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(22));
        ReadOnlySpan<byte> ip = frame.AsSpan(24);
        switch (etherType)
        {
            case 0x0800:
                packet.ReadIpv4(ip);
                break;
            case 0x86dd:
                packet.ReadIpv6(ip);
                break;
            default:
                throw new InvalidDataException($"EtherType {etherType:x4} is not IP");
        }
        if (!packet.IsFragment) packet.CheckUpper();
        return packet;
    }

    /// <summary>A packet that is not in a frame: what an ICMP error quotes, or what came out of reassembly.</summary>
    public static SentPacket ParseIp(ReadOnlySpan<byte> packet) => Parse(FrameFactory.Frame(packet));

    /// <summary>The datagrams that the guest's kernel will cut a UDP_L4 frame into; itself if it is not one.</summary>
    public List<byte[]> UdpDatagrams()
    {
        var datagrams = new List<byte[]>();
        ReadOnlySpan<byte> payload = UdpPayload;
        if (Virtio.GsoType == VirtioGsoType.None)
        {
            datagrams.Add(payload.ToArray());
            return datagrams;
        }
        Require(Virtio.GsoType == VirtioGsoType.UdpL4, $"GSO type {Virtio.GsoType}");
        Require(Virtio.GsoSize > 0, "GSO size 0");
        for (int at = 0; at < payload.Length; at += Virtio.GsoSize)
            datagrams.Add(payload.Slice(at, Math.Min(Virtio.GsoSize, payload.Length - at)).ToArray());
        return datagrams;
    }

    /// <summary>Puts fragments together by sorting and concatenating: whole packets, in the order their last piece came.</summary>
    public static List<SentPacket> Reassemble(IEnumerable<SentPacket> packets)
    {
        var whole = new List<SentPacket>();
        var pieces = new Dictionary<(IpAddress, IpAddress, uint), List<SentPacket>>();
        foreach (SentPacket packet in packets)
        {
            if (!packet.IsFragment)
            {
                whole.Add(packet);
                continue;
            }
            (IpAddress, IpAddress, uint) key = (packet.From, packet.To, packet.Identification);
            if (!pieces.TryGetValue(key, out List<SentPacket>? list)) pieces[key] = list = [];
            list.Add(packet);
            if (TryJoin(list) is not { } joined) continue;
            whole.Add(ParseIp(joined));
            pieces.Remove(key);
        }
        Require(pieces.Count == 0, $"{pieces.Count} packets lack fragments");
        return whole;
    }

    public override string ToString() =>
        $"{Protocol} {From} > {To}, {IpLength} octets" + (IsFragment ? $", fragment at {FragmentOffset}{(MoreFragments ? "+" : "")}" : "");

    private static byte[]? TryJoin(List<SentPacket> list)
    {
        list.Sort((a, b) => a.FragmentOffset.CompareTo(b.FragmentOffset));
        var octets = new List<byte>();
        foreach (SentPacket piece in list)
        {
            if (piece.FragmentOffset != octets.Count) return null;
            Require(!piece.MoreFragments || piece.Upper.Length % 8 == 0, "a fragment before the last is not a multiple of 8");
            octets.AddRange(piece.Upper);
        }
        if (list[^1].MoreFragments) return null;
        SentPacket first = list[0];
        return FrameFactory.Packet(
            first.From, first.To, first.Protocol, octets.ToArray(), first.TrafficClass, first.HopLimit, first.DontFragment);
    }

    private void ReadIpv4(ReadOnlySpan<byte> ip)
    {
        Require(ip.Length >= 20 && ip[0] == 0x45, "IPv4 header with options or cut short");
        IpLength = BinaryPrimitives.ReadUInt16BigEndian(ip[2..]);
        Require(IpLength == ip.Length, $"total length {IpLength}, but {ip.Length} octets in the frame");
        Require(FrameFactory.SlowSum(ip[..20]) == 0xffff, "IPv4 header checksum");
        int flags = BinaryPrimitives.ReadUInt16BigEndian(ip[6..]);
        Require((flags & 0x8000) == 0, "reserved flag set");
        TrafficClass = ip[1];
        Identification = BinaryPrimitives.ReadUInt16BigEndian(ip[4..]);
        DontFragment = (flags & 0x4000) != 0;
        MoreFragments = (flags & 0x2000) != 0;
        FragmentOffset = (flags & 0x1fff) * 8;
        HopLimit = ip[8];
        Protocol = (IpProtocol)ip[9];
        From = IpAddress.ReadIpv4(ip[12..]);
        To = IpAddress.ReadIpv4(ip[16..]);
        Upper = ip[20..].ToArray();
    }

    private void ReadIpv6(ReadOnlySpan<byte> ip)
    {
        Require(ip.Length >= 40 && ip[0] >> 4 == 6, "IPv6 header cut short");
        int payloadLength = BinaryPrimitives.ReadUInt16BigEndian(ip[4..]);
        IpLength = 40 + payloadLength;
        Require(IpLength == ip.Length, $"payload length {payloadLength}, but {ip.Length - 40} octets in the frame");
        TrafficClass = (byte)(BinaryPrimitives.ReadUInt16BigEndian(ip) >> 4);
        HopLimit = ip[7];
        Protocol = (IpProtocol)ip[6];
        From = IpAddress.ReadIpv6(ip[8..]);
        To = IpAddress.ReadIpv6(ip[24..]);
        ReadOnlySpan<byte> rest = ip[40..];
        if (Protocol == IpProtocol.Ipv6Fragment)
        {
            int offset = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
            Protocol = (IpProtocol)rest[0];
            FragmentOffset = offset & 0xfff8;
            MoreFragments = (offset & 1) != 0;
            Identification = BinaryPrimitives.ReadUInt32BigEndian(rest[4..]);
            rest = rest[8..];
        }
        Upper = rest.ToArray();
    }

    private void CheckUpper()
    {
        switch (Protocol)
        {
            case IpProtocol.Udp:
                Require(Upper.Length >= 8 && Word(4) == Upper.Length, $"UDP length {Word(4)} in {Upper.Length} octets");
                CheckChecksum(6);
                break;
            case IpProtocol.Tcp:
                Require(Upper.Length >= 20 && Upper[12] >> 4 >= 5 && Upper[12] >> 4 << 2 <= Upper.Length, "TCP data offset");
                CheckChecksum(16);
                break;
            case IpProtocol.Icmp:
                Require(Upper.Length >= 8 && FrameFactory.SlowSum(Upper) == 0xffff, "ICMP length or checksum");
                break;
            case IpProtocol.Icmpv6:
                ushort pseudo = FrameFactory.PseudoHeaderSum(From, To, Protocol, Upper.Length);
                Require(Upper.Length >= 4 && FrameFactory.SlowSum(Upper, pseudo) == 0xffff, "ICMPv6 length or checksum");
                break;
            default:
                break;
        }
        if (Virtio.GsoType != VirtioGsoType.None) CheckSegmentation();
    }

    private void CheckChecksum(int offset)
    {
        ushort pseudo = FrameFactory.PseudoHeaderSum(From, To, Protocol, Upper.Length);
        int start = Octets.Length - VirtioNetHeader.Length - Upper.Length;
        if ((Virtio.Flags & VirtioNetFlags.NeedsCsum) == 0)
        {
            Require(Protocol != IpProtocol.Udp || Word(6) != 0, "UDP checksum absent");
            Require(FrameFactory.SlowSum(Upper, pseudo) == 0xffff, $"{Protocol} checksum {Word(offset):x4}");
            return;
        }
        Require(Virtio.ChecksumStart == start, $"csum_start {Virtio.ChecksumStart}, L4 begins at {start}");
        Require(Virtio.ChecksumOffset == offset, $"csum_offset {Virtio.ChecksumOffset}");
        Require(Word(offset) == pseudo, $"unfinished checksum is {Word(offset):x4}, pseudo-header is {pseudo:x4}");
    }

    private void CheckSegmentation()
    {
        Require((Virtio.Flags & VirtioNetFlags.NeedsCsum) != 0, "segmentation without NEEDS_CSUM");
        int l4 = Protocol == IpProtocol.Tcp ? Upper[12] >> 4 << 2 : 8;
        int headers = Octets.Length - VirtioNetHeader.Length - Upper.Length + l4;
        Require(Virtio.HeaderLength == headers, $"hdr_len {Virtio.HeaderLength}, headers end at {headers}");
        Require(Virtio.GsoSize > 0 && Virtio.GsoSize < Upper.Length - l4, $"gso_size {Virtio.GsoSize}");
        VirtioGsoType expected = Protocol == IpProtocol.Udp ? VirtioGsoType.UdpL4 : From.IsIpv4 ? VirtioGsoType.TcpV4 : VirtioGsoType.TcpV6;
        Require((Virtio.GsoType & ~VirtioGsoType.Ecn) == expected, $"gso_type {Virtio.GsoType} for {Protocol}");
    }

    private ushort Word(int offset) => BinaryPrimitives.ReadUInt16BigEndian(Upper.AsSpan(offset));

    private static void Require(bool condition, string complaint)
    {
        if (!condition) throw new InvalidDataException(complaint);
    }
}
