using System.Buffers.Binary;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Simulation.Tests.Fuzz;

/// <summary>Frames of a guest that does everything a guest can: right ones, composed of what it has learned from our
/// answers, and wrong ones, made from right ones (the classes of tests/README.md).</summary>
internal sealed class FrameGenerator(Random random)
{
    private static readonly IpAddress[] Guests =
    [
        IpAddress.Parse("10.0.2.100"), IpAddress.Parse("fd00::100"), IpAddress.Parse("fe80::100"),
    ];

    private static readonly IpAddress[] Odd4 =
    [
        IpAddress.Parse("0.0.0.0"), IpAddress.Parse("255.255.255.255"), IpAddress.Parse("10.0.2.255"), IpAddress.Parse("10.0.2.2"),
        IpAddress.Parse("10.0.2.3"), IpAddress.Parse("127.0.0.1"), IpAddress.Parse("224.0.0.251"), IpAddress.Parse("240.0.0.1"),
        IpAddress.Parse("10.0.2.100"), IpAddress.Parse("10.0.2.50"),
    ];

    private static readonly IpAddress[] Odd6 =
    [
        IpAddress.Parse("::"), IpAddress.Parse("::1"), IpAddress.Parse("ff02::1"), IpAddress.Parse("ff02::fb"), IpAddress.Parse("fd00::2"),
        IpAddress.Parse("fd00::3"), IpAddress.Parse("fe80::2"), IpAddress.Parse("::ffff:10.0.2.2"), IpAddress.Parse("fd00::100"),
        IpAddress.Parse("ff02::1:2"),
    ];

    private static readonly ushort[] OddWords = [0, 1, 7, 8, 20, 40, 67, 68, 255, 256, 1280, 1500, 0x7fff, 0x8000, 0xfff8, 0xffff];

    private readonly List<TcpConversationState> _conversations = [];
    private readonly Queue<byte[]> _pending = new();

    /// <summary>What the guest knows of one connection.</summary>
    internal sealed class TcpConversationState(IpEndpoint guest, IpEndpoint remote)
    {
        public IpEndpoint Guest => guest;
        public IpEndpoint Remote => remote;
        public SequenceNumber Next, PeerNext;
        public bool HasTimestamps;
    }

    /// <summary>Takes note of what came, so that later frames continue conversations.</summary>
    public void Learn(SentPacket packet)
    {
        if (packet.Protocol != IpProtocol.Tcp || packet.IsFragment) return;
        TcpView tcp = packet.Tcp;
        foreach (TcpConversationState conversation in _conversations)
        {
            if (conversation.Guest != packet.Destination || conversation.Remote != packet.Source) continue;
            int length = packet.TcpPayload.Length + ((tcp.Flags & (TcpFlags.Syn | TcpFlags.Fin)) != 0 ? 1 : 0);
            conversation.PeerNext = tcp.Sequence + length;
            if ((tcp.Flags & TcpFlags.Ack) != 0) conversation.Next = tcp.Acknowledgment;
        }
    }

    /// <summary>The next frame, from the virtio_net header on.</summary>
    public byte[] Next()
    {
        if (_pending.TryDequeue(out byte[]? waiting) && random.Next(4) > 0) return waiting;
        byte[] frame = Compose();
        return random.Next(3) == 0 ? Mutate(frame) : frame;
    }

    private byte[] Compose() => random.Next(16) switch
    {
        < 7 => FrameFactory.Frame(Tcp(), Vouched()),
        7 or 8 => Udp(),
        9 => FrameFactory.Frame(Icmp()),
        10 => Arp(),
        11 => FrameFactory.Frame(Neighbour()),
        12 => Fragments(),
        13 => FrameFactory.Frame(Extended()),
        14 => FrameFactory.Frame(FrameFactory.Packet(Guest4or6(), Remote(), (IpProtocol)random.Next(256), Octets(random.Next(60)))),
        _ => Garbage(),
    };

    private VirtioNetHeader Vouched() => random.Next(2) == 0 ? default : new VirtioNetHeader(VirtioNetFlags.NeedsCsum, VirtioGsoType.None, 0, 0, 34, 16);

    // --- Transport

    private byte[] Tcp()
    {
        TcpConversationState flow = Conversation();
        TcpFlags flags = random.Next(12) switch
        {
            0 or 1 => TcpFlags.Syn,
            2 => TcpFlags.Fin | TcpFlags.Ack,
            3 => TcpFlags.Rst | (TcpFlags)random.Next(32),
            4 => (TcpFlags)random.Next(256),
            _ => TcpFlags.Ack | (random.Next(3) == 0 ? TcpFlags.Psh : 0),
        };
        int length = random.Next(3) switch { 0 => 0, 1 => random.Next(100), _ => random.Next(random.Next(8) == 0 ? 60_000 : 1460) };
        SequenceNumber sequence = flow.Next + random.Next(8) switch
        {
            0 => random.Next(-3000, 3000),
            1 => random.Next(),
            _ => 0,
        };
        SequenceNumber acknowledgment = flow.PeerNext - (random.Next(6) == 0 ? random.Next(-100, 70_000) : 0);
        var fields = new TcpFields(
            flow.Guest.Port, flow.Remote.Port, sequence, acknowledgment, flags, random.Next(5) == 0 ? (ushort)random.Next(3) : (ushort)random.Next(65536));
        if (flags == TcpFlags.Syn)
        {
            length = random.Next(10) == 0 ? 10 : 0;
            flow.HasTimestamps = random.Next(2) == 0;
        }
        return FrameFactory.Tcp(flow.Guest.Address, flow.Remote.Address, fields, Options(flow, flags, acknowledgment), Octets(length));
    }

    private TcpOptions Options(TcpConversationState flow, TcpFlags flags, SequenceNumber acknowledgment)
    {
        var options = new TcpOptions
        {
            HasTimestamps = flow.HasTimestamps ^ random.Next(20) == 0,
            TimestampValue = random.Next(10) == 0 ? (uint)random.Next() : 1000,
            TimestampEcho = (uint)random.Next(),
        };
        if ((flags & TcpFlags.Syn) != 0)
        {
            options.Mss = random.Next(4) == 0 ? OddWords[random.Next(OddWords.Length)] : (ushort)1460;
            options.WindowScale = random.Next(3) == 0 ? null : (byte)random.Next(16);
            options.SackPermitted = random.Next(4) > 0;
        }
        else if (random.Next(5) == 0)
        {
            var blocks = default(SackBlocks);
            for (int i = random.Next(4); i >= 0; i--)
            {
                SequenceNumber left = acknowledgment + random.Next(-100, 20_000);
                blocks.Add(left, left + random.Next(-10, 5000));
            }
            options.Sack = blocks;
        }
        return options;
    }

    private TcpConversationState Conversation()
    {
        if (_conversations.Count < 24 || random.Next(30) == 0)
        {
            IpAddress guest = Guest4or6();
            var made = new TcpConversationState(
                new IpEndpoint(guest, (ushort)random.Next(1024, 1100)), new IpEndpoint(Remote(guest.IsIpv4), random.Next(4) == 0 ? (ushort)53 : (ushort)random.Next(80, 90)))
            {
                Next = new SequenceNumber((uint)random.NextInt64(1L << 32)),
            };
            if (_conversations.Count >= 24) _conversations.RemoveAt(random.Next(24));
            _conversations.Add(made);
            return made;
        }
        return _conversations[random.Next(_conversations.Count)];
    }

    private byte[] Udp()
    {
        IpAddress guest = Guest4or6();
        bool v4 = guest.IsIpv4;
        var from = new IpEndpoint(guest, (ushort)random.Next(2000, 2100));
        switch (random.Next(6))
        {
            case 0:
                return FrameFactory.Frame(FrameFactory.Udp(from, new IpEndpoint(v4 ? Odd4[4] : Odd6[5], 53), DnsQuery()));
            case 1:
                return FrameFactory.Frame(FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), Dhcp()));
            case 2:
                return FrameFactory.Frame(FrameFactory.Udp(FrameFactory.Endpoint("fe80::100", 546), FrameFactory.Endpoint("ff02::1:2", 547), Dhcpv6()));
            case 3:
                byte[] train = FrameFactory.Udp(from, new IpEndpoint(Remote(v4), random.Next(3) == 0 ? (ushort)53 : (ushort)9), Octets(random.Next(9000)));
                return FrameFactory.Frame(train, new VirtioNetHeader(
                    VirtioNetFlags.NeedsCsum, VirtioGsoType.UdpL4, 42, (ushort)random.Next(random.Next(3) == 0 ? 3 : 1500), 34, 6));
            default:
                int length = random.Next(4) == 0 ? 0 : random.Next(1400);
                return FrameFactory.Frame(FrameFactory.Udp(
                    from, new IpEndpoint(Remote(v4), (ushort)random.Next(0, 12)), Octets(length), (byte)random.Next(256), (byte)random.Next(1, 255), random.Next(2) == 0));
        }
    }

    private byte[] DnsQuery()
    {
        var octets = new List<byte> { (byte)random.Next(256), (byte)random.Next(256), (byte)(random.Next(8) == 0 ? 0x81 : 1), 0, 0, 1, 0, 0, 0, 0, 0, 0 };
        for (int labels = random.Next(1, 5); labels > 0; labels--)
        {
            int length = random.Next(20) == 0 ? random.Next(256) : random.Next(1, 12);
            octets.Add((byte)length);
            octets.AddRange(Octets(Math.Min(length, 63)));
        }
        octets.AddRange([0, 0, (byte)random.Next(40), 0, 1]);
        return [.. octets];
    }

    private byte[] Dhcp()
    {
        var buffer = new byte[600];
        var builder = new DhcpBuilder(buffer, new DhcpFields(
            DhcpOperation.BootRequest, (uint)random.Next(), 0, random.Next(2) == 0, default, default, default, default,
            new MacAddress(0x0255_0a00_0000 + (ulong)random.Next(40))));
        builder.AddMessageType((DhcpMessageType)random.Next(10));
        if (random.Next(2) == 0) builder.AddAddress(DhcpOptionCode.RequestedAddress, new Ipv4Address(0x0a00_0200 + (uint)random.Next(256)));
        if (random.Next(3) == 0) builder.AddAddress(DhcpOptionCode.ServerIdentifier, Ipv4Address.Parse("10.0.2.2"));
        builder.AddOctets((DhcpOptionCode)random.Next(1, 255), Octets(random.Next(60)));
        return buffer[..builder.Finish()];
    }

    private byte[] Dhcpv6()
    {
        var octets = new List<byte> { (byte)random.Next(14), 1, 2, 3 };
        for (int i = random.Next(5); i >= 0; i--)
        {
            byte[] value = Octets(random.Next(40));
            octets.AddRange([0, (byte)random.Next(1, 33), 0, (byte)value.Length, .. value]);
        }
        return [.. octets];
    }

    private byte[] Icmp()
    {
        if (random.Next(3) == 0) return ErrorAboutTcp();
        IpAddress guest = Guest4or6();
        IpAddress to = Remote(guest.IsIpv4);
        if (random.Next(3) > 0) return FrameFactory.Echo(guest, to, (ushort)random.Next(20), (ushort)random.Next(65536), Octets(random.Next(100)));
        byte[] message = FrameFactory.IcmpMessage(guest, to, (byte)random.Next(256), (byte)random.Next(16), (uint)random.Next(), Octets(random.Next(80)));
        return FrameFactory.Packet(guest, to, guest.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, message);
    }

    private byte[] ErrorAboutTcp()
    {
        TcpConversationState flow = Conversation();
        bool v4 = flow.Guest.Address.IsIpv4;
        SequenceNumber sequence = flow.PeerNext - (random.Next(4) == 0 ? random.Next() : random.Next(3000));
        var fields = new TcpFields(flow.Remote.Port, flow.Guest.Port, sequence, flow.Next, TcpFlags.Ack, 1000);
        byte[] quoted = FrameFactory.Tcp(flow.Remote.Address, flow.Guest.Address, fields, default, Octets(100));
        if (random.Next(4) == 0) quoted = quoted[..random.Next(quoted.Length)];
        (byte type, byte code) = random.Next(4) switch
        {
            0 => (v4 ? (byte)3 : (byte)1, (byte)random.Next(16)),
            1 => ((byte)random.Next(256), (byte)random.Next(16)),
            _ => v4 ? ((byte)3, (byte)4) : ((byte)2, (byte)0),
        };
        uint mtu = random.Next(3) == 0 ? (uint)random.Next() : OddWords[random.Next(OddWords.Length)];
        byte[] message = FrameFactory.IcmpMessage(flow.Guest.Address, flow.Remote.Address, type, code, mtu, quoted);
        return FrameFactory.Packet(flow.Guest.Address, flow.Remote.Address, v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, message);
    }

    // --- Link and network

    private byte[] Arp()
    {
        var frame = new byte[24 + ArpBuilder.Length];
        ArpBuilder.Write(frame.AsSpan(24), new ArpFields(
            (ArpOperation)random.Next(4), FrameFactory.GuestMac, new Ipv4Address(0x0a00_0200 + (uint)random.Next(256)), default,
            new Ipv4Address(0x0a00_0200 + (uint)random.Next(5))));
        EthernetBuilder.Write(frame.AsSpan(10), random.Next(2) == 0 ? MacAddress.Broadcast : FrameFactory.OurMac, FrameFactory.GuestMac, EtherType.Arp);
        return frame;
    }

    private byte[] Neighbour()
    {
        var body = new byte[random.Next(5) * 8 + 16];
        random.NextBytes(body);
        if (random.Next(2) == 0) Odd6[random.Next(Odd6.Length)].WriteIpv6(body);
        for (int at = 16; at + 8 <= body.Length; at += 8) (body[at], body[at + 1]) = ((byte)random.Next(6), (byte)random.Next(3));
        IpAddress from = random.Next(4) == 0 ? IpAddress.Ipv6Any : Guests[2], to = random.Next(2) == 0 ? Odd6[6] : IpAddress.Parse("ff02::1:ff00:2");
        byte[] message = FrameFactory.IcmpMessage(from, to, (byte)random.Next(133, 138), 0, 0, body);
        return FrameFactory.Packet(from, to, IpProtocol.Icmpv6, message, hopLimit: random.Next(8) == 0 ? (byte)64 : (byte)255);
    }

    /// <summary>A packet in pieces, some lost, some twice, some not where they belong; the rest comes with the next frames.</summary>
    private byte[] Fragments()
    {
        byte[] packet = random.Next(3) switch
        {
            0 => FrameFactory.Udp(new IpEndpoint(Guests[0], 2001), new IpEndpoint(Remote(true), 9), Octets(random.Next(4000))),
            1 => FrameFactory.Udp(new IpEndpoint(Guests[1], 2001), new IpEndpoint(Remote(false), 9), Octets(random.Next(4000))),
            _ => Tcp(),
        };
        bool v4 = packet[0] >> 4 == 4;
        int headerLength = v4 ? 20 : 40;
        var identification = (uint)random.Next(5);
        var frames = new List<byte[]>();
        for (int at = 0; at < packet.Length - headerLength;)
        {
            int length = Math.Min(packet.Length - headerLength - at, 8 * random.Next(1, 200));
            bool more = at + length < packet.Length - headerLength;
            int offset = random.Next(15) == 0 ? Math.Max(0, at - 8) : random.Next(40) == 0 ? 65_528 : at;
            frames.Add(FrameFactory.Frame(Piece(packet, v4, packet.AsSpan(headerLength + at, length), offset, more, identification)));
            at += length;
        }
        if (random.Next(2) == 0) random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(frames));
        foreach (byte[] frame in frames)
            for (int copies = random.Next(10) switch { 0 => 0, 1 => 2, _ => 1 }; copies > 0; copies--) _pending.Enqueue(frame);
        return frames.Count > 0 ? frames[0] : Garbage();
    }

    private static byte[] Piece(byte[] packet, bool v4, ReadOnlySpan<byte> content, int offset, bool more, uint identification)
    {
        if (v4)
        {
            var piece = new byte[20 + content.Length];
            Ipv4Builder.Write(piece, new Ipv4Fields(
                IpAddress.ReadIpv4(packet.AsSpan(12)).Ipv4, IpAddress.ReadIpv4(packet.AsSpan(16)).Ipv4, (IpProtocol)packet[9], 64, 0,
                (ushort)identification, false, more, offset, content.Length));
            content.CopyTo(piece.AsSpan(20));
            return piece;
        }
        var piece6 = new byte[48 + content.Length];
        Ipv6Builder.Write(piece6, new Ipv6Fields(
            IpAddress.ReadIpv6(packet.AsSpan(8)), IpAddress.ReadIpv6(packet.AsSpan(24)), IpProtocol.Ipv6Fragment, 64, 0, 0, content.Length + 8));
        Ipv6FragmentBuilder.Write(piece6.AsSpan(40), (IpProtocol)packet[6], offset, more, identification);
        content.CopyTo(piece6.AsSpan(48));
        return piece6;
    }

    /// <summary>An IPv6 packet with extension headers in front of what it carries.</summary>
    private byte[] Extended()
    {
        byte[] inner = FrameFactory.Udp(new IpEndpoint(Guests[1], 2002), new IpEndpoint(Remote(false), 9), Octets(random.Next(50)));
        var headers = new List<byte>();
        byte next = 17;
        for (int i = random.Next(1, random.Next(10) == 0 ? 12 : 4); i > 0; i--)
        {
            byte kind = (byte)(random.Next(6) switch { 0 => 43, 1 => 44, 2 => 0, 3 => 59, _ => 60 });
            byte[] header = Octets(8);
            (header[0], header[1]) = (next, (byte)(random.Next(10) == 0 ? random.Next(256) : 0));
            if (random.Next(4) > 0) (header[2], header[3]) = (1, (byte)(kind == 43 ? 0 : 4));
            headers.InsertRange(0, header);
            next = kind;
        }
        return FrameFactory.Packet(Guests[1], Remote(false), (IpProtocol)next, [.. headers, .. inner.AsSpan(40)]);
    }

    private byte[] Garbage()
    {
        byte[] octets = Octets(random.Next(1, 200));
        if (octets.Length > 24) FrameFactory.OurMac.Write(octets.AsSpan(10));
        return octets;
    }

    private byte[] Mutate(byte[] frame)
    {
        frame = [.. frame];
        for (int times = random.Next(1, 4); times > 0 && frame.Length > 24; times--)
        {
            // Mostly headers: payload has nothing to be wrong about.
            int at = random.Next(10, Math.Min(frame.Length, random.Next(4) == 0 ? frame.Length : 110));
            switch (random.Next(6))
            {
                case 0:
                    frame[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    frame[at] = (byte)random.Next(256);
                    break;
                case 2 when at + 2 <= frame.Length:
                    BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), OddWords[random.Next(OddWords.Length)]);
                    break;
                case 3:
                    frame = frame[..random.Next(frame.Length)];
                    break;
                case 4:
                    frame = [.. frame, .. Octets(random.Next(100))];
                    break;
                default:
                    random.NextBytes(frame.AsSpan(0, random.Next(11)));
                    break;
            }
        }
        if (random.Next(4) > 0) PassChecks(frame);
        return frame;
    }

    /// <summary>What a checksum would refuse at the door goes further in.</summary>
    private static void PassChecks(byte[] frame)
    {
        if (frame.Length < 44) return;
        frame[0] |= 1; // NEEDS_CSUM
        int headerLength = (frame[24] & 15) * 4;
        if (frame[24] >> 4 != 4 || headerLength < 20 || 24 + headerLength > frame.Length) return;
        Span<byte> header = frame.AsSpan(24, headerLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], (ushort)~FrameFactory.SlowSum(header));
    }

    private IpAddress Guest4or6() => random.Next(20) == 0
        ? (random.Next(2) == 0 ? Odd4 : Odd6)[random.Next(10)] is { } odd && odd.IsIpv4 ? odd : Guests[1] : Guests[random.Next(5) switch { < 3 => 0, 3 => 1, _ => 2 }];

    private IpAddress Remote() => Remote(random.Next(2) == 0);

    private IpAddress Remote(bool v4)
    {
        if (random.Next(6) == 0) return (v4 ? Odd4 : Odd6)[random.Next(v4 ? 10 : 7)];
        return IpAddress.Parse(v4 ? $"192.0.2.{random.Next(1, 8)}" : $"2001:db8::{random.Next(1, 8):x}");
    }

    /// <summary>Never a run of the poison that freed slots are filled with.</summary>
    private byte[] Octets(int length)
    {
        var octets = new byte[length];
        for (int i = 0; i < length; i++) octets[i] = (byte)random.Next(0xd0);
        return octets;
    }
}
