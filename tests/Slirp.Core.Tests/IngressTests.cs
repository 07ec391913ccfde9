using System.Text;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests;

/// <summary>Frames as the link reads them: what is passed on to whom, and what is refused.</summary>
public sealed class IngressTests : IDisposable
{
    private static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 5000);
    private static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::100", 5000);
    private static readonly IpEndpoint Server = FrameFactory.Endpoint("192.0.2.7", 4000);
    private static readonly IpEndpoint Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);

    private readonly RecordingServices _services = new();
    private readonly StackHarness _stack;

    public IngressTests() => _stack = new StackHarness((_, _, _, _, _, _, _) => _services);

    public void Dispose()
    {
        Assert.Empty(_stack.Reports);
        _stack.CloseAll();
        Assert.Equal(0, _stack.Pool.InUse);
    }

    private sealed class RecordingServices : IGuestServices
    {
        public List<byte[]> Taken { get; } = [];

        public void OnArp(MacAddress source, ReadOnlySpan<byte> packet, Instant now)
        {
        }

        public void OnNeighbourDiscovery(
            MacAddress source, IpAddress from, IpAddress to, byte hopLimit, ReadOnlySpan<byte> message, Instant now) =>
            Taken.Add(message.ToArray());

        public bool OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now)
        {
            if (datagram.Destination.Port != 53) return false;
            Taken.Add(payload.ToArray());
            return true;
        }

        public bool TryRedirectTcp(IpEndpoint destination, Instant now, out IpEndpoint host)
        {
            host = default;
            return false;
        }

        public bool TryRedirectTcpElsewhere(IpEndpoint failed, bool isSilent, Instant now, out IpEndpoint host)
        {
            host = default;
            return false;
        }

        public void OnEvent(EventTarget target, HostEvents events, Instant now)
        {
        }

        public void OnTimer(EventTarget target, Instant now)
        {
        }
    }

    private static VirtioNetHeader Train(int segmentSize) =>
        new(VirtioNetFlags.NeedsCsum, VirtioGsoType.UdpL4, 42, (ushort)segmentSize, 34, 6);

    private long Dropped(DropReason reason) => _stack.Counters.Dropped(reason);

    [Fact]
    public void A_train_of_datagrams_to_a_server_of_ours_comes_one_by_one()
    {
        byte[] three = FrameFactory.Pattern(250);
        _stack.InjectPacket(FrameFactory.Udp(Guest, FrameFactory.Endpoint("10.0.2.3", 53), three), Train(100));
        Assert.Equal([three[..100], three[100..200], three[200..]], _services.Taken);
    }

    [Fact]
    public void An_empty_datagram_reaches_a_server_of_ours_once()
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, FrameFactory.Endpoint("10.0.2.3", 53), []));
        Assert.Equal([[]], _services.Taken);
    }

    [Fact]
    public void A_train_to_the_gateway_that_no_server_wants_goes_on_whole()
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, FrameFactory.Endpoint("10.0.2.2", 99), FrameFactory.Pattern(250)), Train(100));
        SentDatagram sent = Assert.Single(_stack.Host.Last.Datagrams);
        Assert.Equal((250, 100), (sent.Payload.Length, sent.Options.SegmentSize));
    }

    /// <summary>Linux sets DF on whatever fits its own link. Where only the size of this link made it one packet, the host
    /// fragments.</summary>
    [Theory]
    [InlineData(1472, true)]
    [InlineData(1473, false)]
    [InlineData(9000, false)]
    public void DF_beyond_the_MTU_of_an_Ethernet_is_the_links(int length, bool isKept)
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(length), dontFragment: true));
        _stack.Turn();
        Assert.Equal(isKept, Assert.Single(_stack.Host.Last.Datagrams).Options.DontFragment);
        _stack.InjectPacket(FrameFactory.Echo(Guest.Address, Server.Address, 1, 1, FrameFactory.Pattern(length), dontFragment: true));
        Assert.Equal(isKept, Assert.Single(_stack.Host.Last.Datagrams).Options.DontFragment);
        _stack.InjectPacket(FrameFactory.Udp(Guest6, Server6, FrameFactory.Pattern(length - 20))); // which has DF by nature
        _stack.Turn();
        Assert.Equal(isKept, Assert.Single(_stack.Host.Last.Datagrams).Options.DontFragment);
    }

    [Theory]
    [InlineData(1472, true)]
    [InlineData(1473, false)]
    public void DF_of_a_train_is_that_of_its_datagrams(int segmentSize, bool isKept)
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(20_000), dontFragment: true), Train(segmentSize));
        Assert.Equal(isKept, Assert.Single(_stack.Host.Last.Datagrams).Options.DontFragment);
    }

    /// <summary>RFC 1122 section 3.2.2: nobody is told off for speaking to all.</summary>
    [Theory]
    [InlineData("10.0.2.255")]
    [InlineData("255.255.255.255")]
    public void What_goes_to_many_and_interests_nobody_is_dropped_in_silence(string address)
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, FrameFactory.Endpoint(address, 7), "x"u8));
        _stack.Turn();
        Assert.Empty(_stack.Host.TakePackets());
        Assert.Equal(1, Dropped(DropReason.BadDestinationAddress));
    }

    [Fact]
    public void The_DNS_address_has_closed_ports_like_any_host()
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, FrameFactory.Endpoint("10.0.2.3", 7), "x"u8));
        SentPacket told = Assert.Single(_stack.Host.TakePackets());
        Assert.Equal((3, 3), (told.IcmpType, told.IcmpCode));
    }

    /// <summary>A frame whose header says "segments of one octet" would cost us a send for each.</summary>
    [Fact]
    public void A_train_longer_than_any_kernel_makes_is_refused()
    {
        _stack.InjectPacket(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1400)), Train(1));
        Assert.Empty(_stack.Host.Sockets);
        Assert.Equal(1, Dropped(DropReason.BadUdpHeader));
    }

    [Theory]
    [InlineData(0, 6)]
    [InlineData(1, 40)]
    [InlineData(3, 56)]
    public void An_unrecognised_next_header_is_pointed_at(int optionHeaders, int pointer)
    {
        // Destination options, eight octets each, then a protocol that nobody has.
        var payload = new byte[optionHeaders * 8 + 20];
        for (int i = 0; i < optionHeaders; i++)
        {
            payload[i * 8] = i + 1 < optionHeaders ? (byte)60 : (byte)253;
            (payload[i * 8 + 2], payload[i * 8 + 3]) = (1, 4); // PadN
        }
        var first = (IpProtocol)(optionHeaders > 0 ? 60 : 253);
        _stack.InjectPacket(FrameFactory.Packet(Guest6.Address, Server6.Address, first, payload));
        SentPacket error = Assert.Single(_stack.Host.TakePackets());
        Assert.Equal((4, 1, (uint)pointer), (error.IcmpType, error.IcmpCode, error.IcmpRest));
        Assert.Equal(253, error.IcmpBody[pointer]);
    }

    [Theory]
    [InlineData("::")] // Scenario 6.4
    [InlineData("::1")]
    [InlineData("ff02::1")]
    [InlineData("fd00::2")] // the gateway's own
    [InlineData("fd00::3")] // U7: our DNS address
    [InlineData("fe80::2")]
    public void Nobody_is_there_under_such_a_source6(string source)
    {
        IpEndpoint from = FrameFactory.Endpoint(source, 53);
        _stack.InjectPacket(FrameFactory.Udp(from, Server6, "x"u8));
        _stack.InjectPacket(FrameFactory.Udp(from, FrameFactory.Endpoint("fd00::3", 53), "x"u8));
        var syn = new TcpFields(53, 80, new SequenceNumber(1), default, TcpFlags.Syn, 1000);
        _stack.InjectPacket(FrameFactory.Tcp(from.Address, Server6.Address, syn));
        Assert.Empty(_stack.Host.Sockets);
        Assert.Empty(_services.Taken);
        Assert.Empty(_stack.Host.Frames);
        Assert.Equal(3, Dropped(DropReason.BadSourceAddress));
    }

    [Fact]
    public void Without_an_address_one_may_look_for_one()
    {
        IpAddress any = IpAddress.Ipv6Any, group = IpAddress.Parse("ff02::1:ff00:100");
        byte[] solicitation = FrameFactory.IcmpMessage(any, group, 135, 0, 0, FrameFactory.Pattern(16));
        _stack.InjectPacket(FrameFactory.Packet(any, group, IpProtocol.Icmpv6, solicitation, hopLimit: 255));
        Assert.Single(_services.Taken);
    }

    /// <summary>Scenario 34: an Ethernet frame is filled up to its least length, or has more behind it, and none of that is the
    /// segment's: an acknowledgment stays one, and data ends where the packet says.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_frame_is_filled_up_with_is_no_part_of_a_segment(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = v4 ? (Guest, Server) : (Guest6, Server6);
        SequenceNumber ours = default;
        void Says(TcpFlags flags, int sequence, int acknowledgment = 0, string data = "")
        {
            var fields = new TcpFields(guest.Port, server.Port, new SequenceNumber(5000) + sequence, ours + acknowledgment, flags, 65535);
            byte[] packet = FrameFactory.Tcp(guest.Address, server.Address, fields, default, Encoding.ASCII.GetBytes(data));
            _stack.Inject([.. FrameFactory.Frame(packet), .. "padding"u8]);
            _stack.Turn();
        }

        Says(TcpFlags.Syn, 0);
        FakeSocket socket = _stack.Host.Last;
        socket.CompleteConnect();
        _stack.Turn();
        ours = Assert.Single(_stack.Host.TakePackets()).Tcp.Sequence;
        Says(TcpFlags.Ack, 1, 1);
        socket.Deliver("answer"u8);
        _stack.Turn();
        Assert.Equal("answer"u8.ToArray(), Assert.Single(_stack.Host.TakePackets()).TcpPayload.ToArray());
        Says(TcpFlags.Ack, 1, 1 + 6);
        _stack.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(_stack.Host.Frames); // it was heard, and was nothing to acknowledge
        Assert.Equal(0, socket.SentCount);

        Says(TcpFlags.Ack, 1, 1 + 6, "question");
        Assert.Equal("question"u8.ToArray(), socket.Sent.ToArray());
        Assert.Equal(new SequenceNumber(5000 + 1 + 8), Assert.Single(_stack.Host.TakePackets()).Tcp.Acknowledgment);
        Says(TcpFlags.Fin | TcpFlags.Ack, 1 + 8, 1 + 6);
        Assert.True(socket.IsSendShutDown);
        Assert.Equal(8, socket.SentCount);
        Assert.Equal(0, _stack.Counters.DroppedInAll());
    }

    /// <summary>Scenario U2: only a DHCP client has no address.</summary>
    [Fact]
    public void A_datagram_from_nowhere_goes_nowhere()
    {
        _stack.InjectPacket(FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 0), Server, "x"u8));
        _stack.InjectPacket(FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 68), Server, "x"u8));
        Assert.Empty(_stack.Host.Sockets);
        Assert.Equal(2, Dropped(DropReason.BadSourceAddress));
    }
}
