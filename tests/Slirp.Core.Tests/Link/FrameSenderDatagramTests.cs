using Slirp.Core.Icmp;
using Slirp.Core.Link;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Link;

public sealed class FrameSenderDatagramTests
{
    private static readonly IpEndpoint Server4 = FrameFactory.Endpoint("192.0.2.7", 4000);
    private static readonly IpEndpoint Guest4 = FrameFactory.Endpoint("10.0.2.100", 5000);
    private static readonly IpEndpoint Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);
    private static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::100", 5000);

    private readonly FakeHost _host = new();
    private readonly Counters _counters = new();

    private FrameSender<FakeWorld> Sender(LinkOffloads offloads = LinkOffloads.All, int mtu = 1500) =>
        new(new FakeWorld(_host), offloads, mtu, FrameFactory.OurMac, _counters);

    private static void Send(FrameSender<FakeWorld> sender, bool v4, ReadOnlySpan<byte> payload, int segmentSize = 0) => Assert.Equal(
        LinkResult.Ok,
        sender.SendUdp(FrameFactory.GuestMac, v4 ? Server4 : Server6, v4 ? Guest4 : Guest6, payload, segmentSize, 0x2e));

    [Theory]
    [InlineData(true, 0, 1)]
    [InlineData(true, 1, 1)]
    [InlineData(true, 1472, 1)] // 1500 - 20 - 8: just fits
    [InlineData(true, 1473, 2)]
    [InlineData(true, 2952, 2)] // two full pieces of 1480
    [InlineData(true, 2953, 3)]
    [InlineData(true, 65507, 45)]
    [InlineData(false, 1452, 1)]
    [InlineData(false, 1453, 2)]
    [InlineData(false, 65527, 46)] // a payload length of 65535, in pieces of 1448
    public void A_datagram_of_any_length_arrives_whole(bool v4, int length, int frames)
    {
        byte[] payload = FrameFactory.Pattern(length);
        foreach (LinkOffloads offloads in new[] { LinkOffloads.All, LinkOffloads.None })
        {
            Send(Sender(offloads), v4, payload);
            List<SentPacket> packets = _host.TakePackets();
            Assert.Equal(frames, packets.Count);
            Assert.All(packets, p => Assert.True(p.IpLength <= 1500, p.ToString()));
            SentPacket whole = Assert.Single(SentPacket.Reassemble(packets));
            Assert.Equal(v4 ? Server4 : Server6, whole.Source);
            Assert.Equal(v4 ? Guest4 : Guest6, whole.Destination);
            Assert.Equal(0x2e, whole.TrafficClass);
            Assert.Equal(64, whole.HopLimit);
            Assert.Equal(FrameFactory.GuestMac, packets[0].DestinationMac);
            Assert.True(whole.UdpPayload.SequenceEqual(payload));
        }
    }

    [Theory]
    [InlineData(68)]
    [InlineData(576)]
    [InlineData(1280)]
    [InlineData(9000)]
    [InlineData(65521)]
    public void Fragments_fit_any_mtu(int mtu)
    {
        byte[] payload = FrameFactory.Pattern(20_001);
        foreach (bool v4 in new[] { true, false })
        {
            Send(Sender(mtu: mtu), v4, payload);
            List<SentPacket> packets = _host.TakePackets();
            Assert.All(packets, p => Assert.True(p.IpLength <= mtu, p.ToString()));
            Assert.True(Assert.Single(SentPacket.Reassemble(packets)).UdpPayload.SequenceEqual(payload));
        }
    }

    [Fact]
    public void What_no_packet_can_hold_is_counted_and_not_sent()
    {
        Send(Sender(), v4: true, new byte[65508]);
        Send(Sender(), v4: false, new byte[65528]);
        Assert.Empty(_host.Frames);
        Assert.Equal(2, _counters.Dropped(DropReason.PacketTooBig));
    }

    [Theory]
    [InlineData(true, 1200, 12_345, 1)]
    [InlineData(true, 1472, 44 * 1472, 1)]
    [InlineData(true, 1472, 45 * 1472, 2)] // 66 240 octets: more than one packet may claim
    [InlineData(false, 1452, 44 * 1452 + 7, 1)]
    [InlineData(true, 1, 100, 1)]
    public void Datagrams_of_one_size_share_a_frame(bool v4, int segment, int length, int frames)
    {
        byte[] payload = FrameFactory.Pattern(length);
        Send(Sender(), v4, payload, segment);
        List<SentPacket> packets = _host.TakePackets();
        Assert.Equal(frames, packets.Count);
        AssertDatagrams(payload, segment, packets);
    }

    [Theory]
    [InlineData(LinkOffloads.All & ~LinkOffloads.UdpSegmentation)]
    [InlineData(LinkOffloads.All & ~LinkOffloads.Checksum)]
    [InlineData(LinkOffloads.None)]
    public void Without_the_offload_each_datagram_has_its_frame(LinkOffloads offloads)
    {
        byte[] payload = FrameFactory.Pattern(10_000);
        Send(Sender(offloads), v4: true, payload, 1300);
        List<SentPacket> packets = _host.TakePackets();
        Assert.Equal(8, packets.Count);
        AssertDatagrams(payload, 1300, packets);
    }

    [Fact]
    public void Segments_larger_than_the_mtu_are_fragmented_each()
    {
        byte[] payload = FrameFactory.Pattern(5_000);
        Send(Sender(), v4: true, payload, 2_000);
        AssertDatagrams(payload, 2_000, SentPacket.Reassemble(_host.TakePackets()));
    }

    [Fact]
    public void Fragment_identifiers_do_not_count_up_and_do_not_come_back()
    {
        FrameSender<FakeWorld> sender = Sender();
        var seen = new HashSet<uint>();
        int inOrder = 0;
        uint last = 0;
        for (int i = 0; i < 2_000; i++)
        {
            Send(sender, v4: true, new byte[1473]);
            uint id = _host.TakePackets()[0].Identification;
            Assert.True(seen.Add(id), $"identification {id} twice in {i} packets");
            if (id == last + 1) inOrder++;
            last = id;
        }
        Assert.True(inOrder < 20, $"{inOrder} of 2000 follow their predecessor");
    }

    [Fact]
    public void A_lost_fragment_ends_the_datagram()
    {
        _host.LinkResult = LinkResult.Busy;
        LinkResult result = Sender().SendUdp(FrameFactory.GuestMac, Server4, Guest4, new byte[9_000], 0, 0);
        Assert.Equal(LinkResult.Busy, result);
        Assert.Equal(1, _counters.DroppedInAll());
    }

    [Theory]
    [InlineData("10.0.2.100", "192.0.2.7", 548)]
    [InlineData("fd00::100", "2001:db8::7", 1232)]
    public void An_error_quotes_as_much_as_the_rfc_wants(string guest, string server, int quoted)
    {
        byte[] packet = FrameFactory.Udp(FrameFactory.Endpoint(guest, 1), FrameFactory.Endpoint(server, 2), FrameFactory.Pattern(3_000));
        bool v4 = packet[0] >> 4 == 4;
        Assert.True(Sender().SendIcmpError(
            FrameFactory.GuestMac, IpAddress.Parse(server), IcmpError.PortUnreachable(v4), packet, default));
        SentPacket error = Assert.Single(_host.TakePackets());
        Assert.Equal(IpAddress.Parse(server), error.From);
        Assert.Equal(IpAddress.Parse(guest), error.To);
        Assert.Equal(v4 ? (3, 3) : (1, 4), (error.IcmpType, error.IcmpCode));
        Assert.True(error.IcmpBody.SequenceEqual(packet.AsSpan(0, quoted)));
    }

    public static TheoryData<string, byte[]> NeverAnswered
    {
        get
        {
            IpAddress guest = Guest4.Address, server = Server4.Address, guest6 = Guest6.Address, server6 = Server6.Address;
            byte[] udp = FrameFactory.Udp(Guest4, Server4, FrameFactory.Pattern(64));
            byte[] udp6 = FrameFactory.Udp(Guest6, Server6, FrameFactory.Pattern(64));
            byte[] error = FrameFactory.IcmpMessage(guest, server, 3, 3, 0, udp);
            byte[] error6 = FrameFactory.IcmpMessage(guest6, server6, 1, 4, 0, udp6);
            return new TheoryData<string, byte[]>
            {
                { "about an error", FrameFactory.Packet(guest, server, IpProtocol.Icmp, error) },
                { "about an ICMPv6 error", FrameFactory.Packet(guest6, server6, IpProtocol.Icmpv6, error6) },
                { "about a redirect", FrameFactory.Packet(guest6, server6, IpProtocol.Icmpv6, FrameFactory.IcmpMessage(guest6, server6, 137, 0, 0, udp6)) },
                { "about ICMP cut short", FrameFactory.Packet(guest, server, IpProtocol.Icmp, [8, 0, 0, 0]) },
                { "about a later fragment", FragmentFactory.Piece(udp, 8, FrameFactory.Pattern(16), true, 7) },
                { "about a later IPv6 fragment", FragmentFactory.Piece(udp6, 8, FrameFactory.Pattern(16), true, 7) },
                { "to multicast", FrameFactory.Udp(Guest4, FrameFactory.Endpoint("224.0.0.251", 5353), default) },
                { "to IPv6 multicast", FrameFactory.Udp(Guest6, FrameFactory.Endpoint("ff02::fb", 5353), default) },
                { "to broadcast", FrameFactory.Udp(Guest4, FrameFactory.Endpoint("255.255.255.255", 67), default) },
                { "from nobody", FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 68), Server4, default) },
                { "from loopback", FrameFactory.Udp(FrameFactory.Endpoint("127.0.0.1", 68), Server4, default) },
                { "not an IP packet", [1, 2, 3] },
            };
        }
    }

    [Theory]
    [MemberData(nameof(NeverAnswered))]
    public void No_error_is_sent(string why, byte[] packet)
    {
        IpAddress source = packet[0] >> 4 == 6 ? Server6.Address : Server4.Address;
        Assert.False(Sender().SendIcmpError(FrameFactory.GuestMac, source, IcmpError.HostUnreachable(source.IsIpv4), packet, default), why);
        Assert.Empty(_host.Frames);
    }

    [Fact]
    public void Errors_are_limited_but_not_those_about_size()
    {
        FrameSender<FakeWorld> sender = Sender();
        byte[] packet = FrameFactory.Udp(Guest4, Server4, default);
        var clock = new FakeClock();
        int Sent(IcmpHeader error, int tries)
        {
            int sent = 0;
            for (int i = 0; i < tries; i++)
                if (sender.SendIcmpError(FrameFactory.GuestMac, Server4.Address, error, packet, clock.Now)) sent++;
            return sent;
        }
        Assert.Equal(50, Sent(IcmpError.PortUnreachable(true), 200));
        Assert.Equal(200, Sent(IcmpError.PacketTooBig(true, 1400), 200));
        clock.AdvanceMilliseconds(10);
        Assert.Equal(10, Sent(IcmpError.PortUnreachable(true), 200));
        clock.AdvanceSeconds(3600);
        Assert.Equal(50, Sent(IcmpError.PortUnreachable(true), 200));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_icmp_message_gets_its_checksum_and_its_fragments(bool v4)
    {
        IpAddress from = v4 ? Server4.Address : Server6.Address, to = v4 ? Guest4.Address : Guest6.Address;
        byte[] data = FrameFactory.Pattern(30_000);
        byte[] message = FrameFactory.EchoMessage(from, to, 7, 0, data, isReply: true);
        message[2] ^= 0xff; // the sender does not trust what stands there
        Sender().SendIcmp(FrameFactory.GuestMac, from, to, message);
        SentPacket whole = Assert.Single(SentPacket.Reassemble(_host.TakePackets()));
        Assert.Equal((7, 0), (whole.EchoIdentifier, whole.EchoSequence));
        Assert.True(whole.IcmpBody.SequenceEqual(data));
    }

    private static void AssertDatagrams(byte[] payload, int segment, List<SentPacket> packets)
    {
        int at = 0;
        foreach (SentPacket packet in packets)
        {
            foreach (byte[] datagram in packet.UdpDatagrams())
            {
                Assert.Equal(Math.Min(segment, payload.Length - at), datagram.Length);
                Assert.True(payload.AsSpan(at, datagram.Length).SequenceEqual(datagram));
                at += datagram.Length;
            }
        }
        Assert.Equal(payload.Length, at);
    }
}
