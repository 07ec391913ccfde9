using System.Buffers.Binary;
using System.Text;
using Slirp.Core;
using Slirp.Services;
using Slirp.Services.Dns;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Simulation.Tests.Fuzz;

/// <summary>The hostile frames of tests/README.md, class by class, at the whole stack: each is refused for the right reason and once, or
/// taken as what it says; nothing throws, nothing is kept, and a connection beside them goes on.</summary>
public sealed class HostileFrames
{
    private static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 5000), Guest6 = FrameFactory.Endpoint("fd00::100", 5000);
    private static readonly IpEndpoint Server = FrameFactory.Endpoint("192.0.2.7", 4000), Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);

    private readonly StackHarness _stack;
    private readonly ControlConnection _control;
    private readonly int _held;
    private int _replies;

    public HostileFrames()
    {
        ResolverConfiguration resolvers = ResolverConfiguration.Parse(Encoding.ASCII.GetBytes("nameserver 192.0.2.53\n"));
        _stack = new StackHarness((world, sender, plan, timers, counters, pool, now) =>
            new GuestServices<FakeWorld>(world, sender, plan, timers, counters, pool, resolvers, now));
        _held = _stack.Pool.InUse;
        _control = new ControlConnection(_stack, Look);
        _stack.Host.Frames.Clear(); // the first router advertisement
        _control.Open();
    }

    /// <summary>One class: its frames, and why they go no further; null where they may be taken, or nobody wants them.</summary>
    private sealed record Class(string Name, DropReason? Reason, IEnumerable<byte[]> Frames);

    private static IEnumerable<Class> Classes()
    {
        byte[] udp = FrameFactory.Udp(Guest, Server, "payload"u8), udp6 = FrameFactory.Udp(Guest6, Server6, "payload"u8);
        byte[] tcp = Segment(TcpFlags.Ack);
        yield return new("E1 frames shorter than their header", DropReason.FrameTooShort, Range(0, 14).Select(n => new byte[10 + n]));
        yield return new("E2 a header and nothing behind it", DropReason.BadIpv4Header, [FrameFactory.Frame([0x45])[..24]]);
        yield return new("E3 frames beyond the MTU", null, [FrameFactory.Frame(FrameFactory.Udp(Guest, Server, new byte[40_000]))]);
        yield return new("E4 other EtherTypes", DropReason.UnknownEtherType, new[] { 0, 1, 1500, 0x8100, 0x88f8, 0x8863, 0xffff }.Select(t => With16(FrameFactory.Frame(udp), 22, t)));
        yield return new("E5 impossible source stations", DropReason.BadSourceMac,
            new ulong[] { 0, 0x0100_5e00_0001, 0xffff_ffff_ffff, FrameFactory.OurMac.Value }.Select(m => WithSource(FrameFactory.Frame(udp), new MacAddress(m))));
        yield return new("E5 for another station", DropReason.NotForUs, [WithDestination(FrameFactory.Frame(udp), new MacAddress(0x0202_0202_0202))]);
        yield return new("E6 ARP cut short", DropReason.BadArp, Range(24, 24 + ArpBuilder.Length).Select(n => Arp(ArpOperation.Request)[..n]));
        yield return new("E6 ARP with odd fields", null, new[] { 0, 3, 65535 }.Select(o => With16(Arp(ArpOperation.Request), 24 + 6, o))
            .Concat([With16(Arp(ArpOperation.Request), 24 + 4, 0xffff), With16(Arp(ArpOperation.Request), 24 + 4, 0), Arp(ArpOperation.Reply)]));
        yield return new("E7 padding is cut", null, [[.. FrameFactory.Frame(udp), .. new byte[18]], [.. FrameFactory.Frame(tcp), 1, 2, 3]]);

        yield return new("4.1 other versions", DropReason.BadIpv4Header, Range(0, 16).Where(v => v != 4).Select(v => Ip(udp, p => p[0] = (byte)(v << 4 | 5))));
        yield return new("4.2 header lengths that cannot be", DropReason.BadIpv4Header, Range(0, 5).Select(n => Ip(udp, p => p[0] = (byte)(0x40 | n))));
        yield return new("4.2 junk for options", null, Range(0, 40).Select(n => FrameFactory.Frame(WithOptions(udp, n))));
        yield return new("4.3 lengths that cannot be", DropReason.BadIpv4Header, new[] { 0, 19, 36, 65535 }.Select(n => Ip(udp, p => Put(p, 2, n))));
        yield return new("4.4 a wrong header checksum", DropReason.BadIpv4Checksum, [Changed(FrameFactory.Frame(udp), 34, 0x55)]);
        yield return new("4.5 no hop left", DropReason.HopLimitExceeded, Range(0, 2).Select(n => FrameFactory.Frame(FrameFactory.Udp(Guest, Server, [], hopLimit: (byte)n))));
        yield return new("4.6 sources that nobody has", DropReason.BadSourceAddress,
            new[] { "0.0.0.0", "255.255.255.255", "10.0.2.255", "224.0.0.1", "127.0.0.1", "10.0.2.2", "10.0.2.3", "240.0.0.1" }
                .Select(a => FrameFactory.Frame(FrameFactory.Udp(FrameFactory.Endpoint(a, 5000), Server, "x"u8))));
        yield return new("4.7 destinations that nobody has", DropReason.BadDestinationAddress,
            new[] { "0.0.0.0", "127.0.0.1", "10.0.2.100", "10.0.2.200", "255.255.255.255", "10.0.2.255" }
                .Select(a => FrameFactory.Frame(FrameFactory.Udp(Guest, FrameFactory.Endpoint(a, 4000), "x"u8))));
        yield return new("4.7 a group", null, [FrameFactory.Frame(FrameFactory.Udp(Guest, FrameFactory.Endpoint("224.0.0.251", 4000), "x"u8))]);
        yield return new("4.8 every protocol", null, Range(0, 256).Select(n => FrameFactory.Frame(FrameFactory.Packet(Guest.Address, Server.Address, (IpProtocol)n, new byte[40]))));

        yield return new("6.1 lengths that cannot be", DropReason.BadIpv6Header, new[] { 0xffff, udp6.Length - 39 }.Select(n => Ip(udp6, p => Put(p, 4, n))));
        yield return new("6.1 a jumbogram", DropReason.BadUdpHeader, [Ip(udp6, p => Put(p, 4, 0))]);
        yield return new("6.2 extension headers that cannot be", DropReason.BadIpv6Extension,
        [
            Extended([60, 0, 1, 4, 0, 0, 0, 0], [17, 0, 1, 4, 0, 0, 0, 0], first: 0, second: 0), // hop-by-hop not first
            Extended([17, 200, 1, 4, 0, 0, 0, 0]), Extended([17, 0, 1, 99, 0, 0, 0, 0]), Extended([17, 0, 0xc2, 4, 0, 0, 0, 0]),
            Extended([17, 0, 0, 1, 0, 0, 0, 0], first: 43), // a routing header of type 0 with a hop to go
            FrameFactory.Frame(FrameFactory.Packet(Guest6.Address, Server6.Address, (IpProtocol)60, Chain(200))),
        ]);
        yield return new("6.3 nothing behind the header", DropReason.IcmpNotSupported, [FrameFactory.Frame(FrameFactory.Packet(Guest6.Address, Server6.Address, (IpProtocol)59, []))]);
        yield return new("6.3 an unknown header", DropReason.UnknownProtocol, [FrameFactory.Frame(FrameFactory.Packet(Guest6.Address, Server6.Address, (IpProtocol)255, new byte[9]))]);
        yield return new("6.4 sources that nobody has", DropReason.BadSourceAddress, new[] { "::", "::1", "ff02::1", "fe80::2", "fd00::3" }
            .Select(a => FrameFactory.Frame(SixFrom(udp6, IpAddress.Parse(a)))));
        yield return new("6.4 a mapped source", DropReason.BadIpv6Header, [FrameFactory.Frame(SixFrom(udp6, IpAddress.Parse("::ffff:10.0.2.100")))]);
        yield return new("6.5 neighbour discovery from afar", DropReason.BadNeighbourDiscovery, Range(133, 138).Select(t => Neighbour(t, 64, [1, 1, 2, 2, 0, 0, 0, 1])));
        yield return new("6.5 options of no length", DropReason.BadNeighbourDiscovery, new[] { 133, 135, 136 }.Select(t => Neighbour(t, 255, [1, 0, 2, 2, 0, 0, 0, 1])));
        yield return new("6.6 MLD", null, new[] { 130, 131, 132, 143 }.Select(t => FrameFactory.Frame(FrameFactory.Packet(
            Guest6.Address, IpAddress.Parse("ff02::16"), IpProtocol.Icmpv6, FrameFactory.IcmpMessage(Guest6.Address, IpAddress.Parse("ff02::16"), (byte)t, 0, 0, new byte[16])))));

        yield return new("I1 an echo that claims more than came", DropReason.BadIpv4Header, [Ip(FrameFactory.Echo(Guest.Address, Server.Address, 1, 1, new byte[8]), p => Put(p, 2, 1500))]);
        yield return new("I2 four octets of ICMP", DropReason.BadIcmp, [FrameFactory.Frame(FrameFactory.Packet(Guest.Address, Server.Address, IpProtocol.Icmp, (byte[])[8, 0, 0xf7, 0xff]))]);
        yield return new("I3, I4 errors of the guest", DropReason.IcmpNotSupported, new uint[] { 0, 67, 68, 1500 }.Select(mtu => FrameFactory.Frame(FrameFactory.Packet(
            Guest.Address, Server.Address, IpProtocol.Icmp, FrameFactory.IcmpMessage(Guest.Address, Server.Address, 3, 4, mtu, tcp)))));
        yield return new("I6 echo to everybody", DropReason.BadDestinationAddress, new[] { "255.255.255.255", "10.0.2.255", "224.0.0.1" }
            .Select(a => FrameFactory.Frame(FrameFactory.Echo(Guest.Address, IpAddress.Parse(a), 1, 1, "x"u8))));
        yield return new("I7 unknown types", null, Range(0, 256).Select(t => FrameFactory.Frame(FrameFactory.Packet(
            Guest.Address, Server.Address, IpProtocol.Icmp, FrameFactory.IcmpMessage(Guest.Address, Server.Address, (byte)t, 0, 0, [])))));

        yield return new("U1 lengths that cannot be", DropReason.BadUdpHeader, Range(0, 8).Concat([16, 65535]).Select(n => Ip(udp, p => Put(p, 24, n))));
        yield return new("U2 no destination port", DropReason.BadUdpHeader, [FrameFactory.Frame(FrameFactory.Udp(Guest, Server with { Port = 0 }, "x"u8))]);
        yield return new("U3 a wrong checksum", DropReason.BadUdpChecksum, [Changed(FrameFactory.Frame(udp), 51, 1), Ip(udp6, p => Put(p, 46, 0), isVouchedFor: false)]);
        yield return new("U4 an empty datagram", null, [FrameFactory.Frame(FrameFactory.Udp(Guest, Server, []))]);
        yield return new("U5 stumps at our servers", null, Range(0, 300).SelectMany(n => new[] { 53, 67, 69, 547 }
            .Select(port => FrameFactory.Frame(FrameFactory.Udp(Guest, FrameFactory.Endpoint("10.0.2.3", port), new byte[n])))));
        yield return new("U7 reflection", DropReason.BadSourceAddress, [FrameFactory.Frame(FrameFactory.Udp(FrameFactory.Endpoint("10.0.2.3", 53), FrameFactory.Endpoint("10.0.2.3", 53), new byte[20]))]);

        yield return new("T1 data offsets that cannot be", DropReason.BadTcpHeader, Range(0, 5).Concat([15]).Select(n => Ip(tcp, p => p[32] = (byte)(n << 4))));
        yield return new("T2 options of any kind", null, Range(0, 256).Select(n => Ip(Segment(TcpFlags.Syn, 100 + n, 8), p =>
        {
            p[32] = 7 << 4;
            (p[40], p[41], p[42], p[43], p[44], p[45], p[46], p[47]) = ((byte)(n / 40), (byte)(n % 40), 2, 4, 0, 0, 3, 3);
        })));
        yield return new("T3 SYN with FIN", DropReason.BadTcpFlags, [FrameFactory.Frame(Segment(TcpFlags.Syn | TcpFlags.Fin)), FrameFactory.Frame(Segment(TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Psh))]);
        yield return new("T3 SYN with RST", DropReason.TcpNoFlow, [FrameFactory.Frame(Segment(TcpFlags.Syn | TcpFlags.Rst))]);
        yield return new("T3 every combination of flags", null, Range(0, 256).Select(n => FrameFactory.Frame(Segment((TcpFlags)n, 1000 + n))));
        yield return new("T7 SYN to every port", null, Range(1, 3000).Select(n => FrameFactory.Frame(Segment(TcpFlags.Syn, 2000, toPort: n))));
        yield return new("T7 SYN from and to port 0", DropReason.BadTcpHeader, [FrameFactory.Frame(Segment(TcpFlags.Syn, 0)), FrameFactory.Frame(Segment(TcpFlags.Syn, 1, toPort: 0))]);
        yield return new("T13 extremes of TOS and TTL", null, Range(0, 256).Select(n => FrameFactory.Frame(FrameFactory.Udp(Guest, Server, "x"u8, (byte)n, (byte)Math.Max(2, n)))));
    }

    public static TheoryData<string> Names() => [.. Classes().Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Are_refused_for_what_they_are(string name)
    {
        Class hostile = Classes().Single(c => c.Name == name);
        int i = 0;
        foreach (byte[] frame in hostile.Frames)
        {
            long before = _stack.Counters.DroppedInAll(), reason = hostile.Reason is { } why ? _stack.Counters.Dropped(why) : 0;
            _stack.Inject(frame);
            long counted = _stack.Counters.DroppedInAll() - before;
            if (hostile.Reason is { } expected)
                Assert.True(counted == 1 && _stack.Counters.Dropped(expected) == reason + 1, $"frame {i} is counted {counted} times, {_stack.Counters.Dropped(expected) - reason} of them as {expected}");
            Assert.InRange(counted, 0, 1);
            _replies = 0;
            _stack.Turn();
            Look();
            Assert.InRange(_replies, 0, 1); // nothing is amplified
            i++;
        }
        Assert.True(i > 0);
        _control.Echo(name);
        foreach (FakeSocket socket in _stack.Host.Sockets.ToArray())
            if (socket is { IsOpen: true, Kind: FakeSocketKind.Tcp }) socket.DeliverReset();
        _stack.Turn();
        _stack.Host.Frames.Clear();
        _stack.Advance(TimeSpan.FromMinutes(20));
        Assert.Equal(0, _stack.Tcp.Flows.Count);
        Assert.InRange(_stack.Pool.InUse, 0, _held + 2);
        Assert.Empty(_stack.Reports);
    }

    /// <summary>F7: memory stays where it is, and the oldest go.</summary>
    [Fact]
    public void A_hundred_thousand_fragments_that_are_never_completed()
    {
        var fragment = new byte[20 + 800];
        for (int i = 0; i < 100_000; i++)
        {
            Ipv4Builder.Write(fragment, new Ipv4Fields(Guest.Address.Ipv4, Server.Address.Ipv4, IpProtocol.Udp, 64, 0, (ushort)i, false, true, i / 65536 * 8, 800));
            _stack.InjectPacket(fragment);
            if (i % 5000 == 0) _control.Echo($"fragment {i}");
        }
        Assert.InRange(_stack.Pool.InUse, 0, _held + 70);
        _stack.Advance(TimeSpan.FromSeconds(31));
        Look();
        Assert.Equal(0, _stack.Reassembler.Count);
        Assert.InRange(_stack.Pool.InUse, 0, _held + 2);
    }

    /// <summary>U6: the table is capped, the idlest goes.</summary>
    [Fact]
    public void Seventy_thousand_source_ports()
    {
        for (int i = 0; i < 70_000; i++)
        {
            IpEndpoint from = FrameFactory.Endpoint(i < 60_000 ? "10.0.2.100" : "10.0.2.101", 1024 + i % 60_000);
            _stack.InjectPacket(FrameFactory.Udp(from, Server, "x"u8));
            if (i % 10_000 == 0) _control.Echo($"port {i}");
        }
        Assert.Equal(new Core.Ip.DatagramLimits().UdpMappings, _stack.Udp.Mappings.Count);
        Assert.InRange(_stack.Host.OpenCount, 0, _stack.Udp.Mappings.Count + 2);
        _stack.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(0, _stack.Udp.Mappings.Count);
        _control.Echo("afterwards");
    }

    /// <summary>T4, T12: the urgent pointer means nothing, and no port has a helper.</summary>
    [Theory]
    [InlineData(113)]
    [InlineData(21)]
    [InlineData(6667)]
    [InlineData(554)]
    [InlineData(80)]
    public void Octets_are_octets(int port)
    {
        var next = new SequenceNumber(1000);
        _stack.InjectPacket(Segment(TcpFlags.Syn, 4000, toPort: port, sequence: next));
        FakeSocket socket = _stack.Host.Last;
        socket.CompleteConnect();
        _stack.Turn();
        SequenceNumber iss = SentPacket.Parse(_stack.Host.Frames[^1]).Tcp.Sequence;
        next += 1;
        byte[] said = Encoding.ASCII.GetBytes("PORT 10,0,2,100,4,1\r\nUSER 1234 , 80\r\nPRIVMSG x :\u0001DCC CHAT chat 167772772 4000\u0001\r\nSETUP rtsp://x RTSP/1.0\r\nTransport: RTP/AVP;client_port=4000-4001\r\n\r\n");
        socket.LimitSend(20); // and full afterwards
        for (int at = 0, i = 0; at < said.Length; at += 7, i++)
        {
            byte[] piece = said[at..Math.Min(at + 7, said.Length)];
            int urgent = new[] { 0, 1, 7, 8, 65535 }[i % 5];
            for (int copy = 0; copy < 2; copy++)
            {
                byte[] packet = Segment(TcpFlags.Ack | TcpFlags.Urg, 4000, 0, port, next, iss + 1, piece);
                Put(packet, 20 + 18, (urgent + copy) & 0xffff);
                _stack.InjectPacket(packet, new VirtioNetHeader(VirtioNetFlags.NeedsCsum, VirtioGsoType.None, 0, 0, 0, 0));
            }
            next += piece.Length;
        }
        socket.MakeRoom(10_000);
        _stack.Turn();
        Look();
        Assert.Equal(said, socket.Sent.ToArray());
        _control.Echo("afterwards");
    }

    private void Look()
    {
        foreach (byte[] frame in _stack.Host.Frames)
        {
            _replies++;
            if (frame[22] == 8 && frame[23] == 6) continue;
            SentPacket packet = SentPacket.Parse(frame);
            if (packet.Protocol == IpProtocol.Tcp && packet.Destination == ControlConnection.Guest) _control.OnPacket(packet);
        }
        _stack.Host.Frames.Clear();
        Assert.Empty(_stack.Reports);
    }

    // --- What frames are made of

    private static IEnumerable<int> Range(int from, int beyond) => Enumerable.Range(from, beyond - from);

    private static byte[] Segment(
        TcpFlags flags, int fromPort = 4000, int options = 0, int toPort = 80, SequenceNumber sequence = default, SequenceNumber acknowledgment = default,
        ReadOnlySpan<byte> payload = default)
    {
        var fields = new TcpFields((ushort)fromPort, (ushort)toPort, sequence, acknowledgment, flags, 65535);
        return FrameFactory.Tcp(Guest.Address, Server.Address, fields, default, options > 0 ? new byte[options] : payload);
    }

    /// <summary>A packet with something changed, its header checksum made good again; the link may vouch for the rest.</summary>
    private static byte[] Ip(byte[] packet, Action<byte[]> change, bool isVouchedFor = true)
    {
        packet = [.. packet];
        bool isIpv4 = packet[0] >> 4 == 4;
        change(packet);
        if (isIpv4)
        {
            int headerLength = Math.Clamp((packet[0] & 15) * 4, 20, packet.Length);
            Put(packet, 10, 0);
            Put(packet, 10, ~FrameFactory.SlowSum(packet.AsSpan(0, headerLength)) & 0xffff);
        }
        byte[] frame = FrameFactory.Frame(packet);
        Put(frame, 22, isIpv4 ? 0x0800 : 0x86dd);
        if (isVouchedFor) frame[0] = 1; // NEEDS_CSUM
        return frame;
    }

    private static byte[] WithOptions(byte[] packet, int seed)
    {
        byte[] junk = FrameFactory.Pattern(40, seed);
        (junk[0], junk[1]) = ((byte)new[] { 131, 137, 7, 68, 0, 1, 148 }[seed % 7], (byte)new[] { 0, 1, 3, 39, 40, 41, 255 }[seed / 7 % 7]);
        byte[] longer = [.. packet.AsSpan(0, 20), .. junk, .. packet.AsSpan(20)];
        longer[0] = 0x4f;
        Put(longer, 2, longer.Length);
        Put(longer, 10, 0);
        Put(longer, 10, ~FrameFactory.SlowSum(longer.AsSpan(0, 60)) & 0xffff);
        return longer;
    }

    private static byte[] Extended(byte[] header, byte[]? next = null, int first = 60, int second = 60)
    {
        byte[] inner = FrameFactory.Udp(Guest6, Server6, "x"u8)[40..];
        if (next is not null) header = [(byte)second, .. header.AsSpan(1), .. next];
        return FrameFactory.Frame(FrameFactory.Packet(Guest6.Address, Server6.Address, (IpProtocol)first, [.. header, .. inner]));
    }

    private static byte[] Chain(int count)
    {
        var octets = new List<byte>();
        for (int i = 0; i < count; i++) octets.AddRange([i + 1 < count ? (byte)60 : (byte)17, 0, 1, 4, 0, 0, 0, 0]);
        return [.. octets, .. FrameFactory.Udp(Guest6, Server6, "x"u8).AsSpan(40)];
    }

    private static byte[] SixFrom(byte[] packet, IpAddress source)
    {
        packet = [.. packet];
        source.WriteIpv6(packet.AsSpan(8));
        return packet;
    }

    private static byte[] Neighbour(int type, byte hopLimit, byte[] option)
    {
        IpAddress from = IpAddress.Parse("fe80::100"), to = IpAddress.Parse("ff02::1:ff00:2");
        var body = new byte[type == 133 ? 0 : 16];
        if (type is 135 or 136) IpAddress.Parse("fd00::2").WriteIpv6(body);
        byte[] message = FrameFactory.IcmpMessage(from, to, (byte)type, 0, 0, [.. body, .. option]);
        return FrameFactory.Frame(FrameFactory.Packet(from, to, IpProtocol.Icmpv6, message, hopLimit: hopLimit));
    }

    private static byte[] Arp(ArpOperation operation)
    {
        var frame = new byte[24 + ArpBuilder.Length];
        ArpBuilder.Write(frame.AsSpan(24), new ArpFields(operation, FrameFactory.GuestMac, Guest.Address.Ipv4, default, Ipv4Address.Parse("10.0.2.2")));
        EthernetBuilder.Write(frame.AsSpan(10), MacAddress.Broadcast, FrameFactory.GuestMac, EtherType.Arp);
        return frame;
    }

    private static byte[] WithSource(byte[] frame, MacAddress source)
    {
        source.Write(frame.AsSpan(16));
        return frame;
    }

    private static byte[] WithDestination(byte[] frame, MacAddress destination)
    {
        destination.Write(frame.AsSpan(10));
        return frame;
    }

    private static byte[] With16(byte[] frame, int at, int value)
    {
        Put(frame, at, value);
        return frame;
    }

    private static byte[] Changed(byte[] frame, int at, byte by)
    {
        frame[at] ^= by;
        return frame;
    }

    private static void Put(byte[] octets, int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(octets.AsSpan(at), (ushort)value);
}
