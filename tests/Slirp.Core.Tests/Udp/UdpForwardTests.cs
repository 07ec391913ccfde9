using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Udp;

/// <summary>Datagrams from outside through a forward, and the guest's answers.</summary>
public class UdpForwardTests
{
    private static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 53);
    private static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::100", 53);
    private static readonly IpEndpoint Remote = FrameFactory.Endpoint("192.0.2.7", 4000);
    private static readonly IpEndpoint Remote6 = FrameFactory.Endpoint("2001:db8::7", 4000);
    private static readonly IpAddress Hit = IpAddress.Parse("198.51.100.1");
    private static readonly IpAddress Hit6 = IpAddress.Parse("2001:db8::1");

    private readonly FakeHost _host = new();
    private readonly FakeClock _clock = new();
    private readonly Counters _counters = new();
    private readonly TimerWheel _timers;
    private readonly FramePool _pool = new(4 << 20, poison: true);
    private readonly FakeStations _stations = new();
    private readonly FrameSender<FakeWorld> _sender;
    private readonly UdpForwards<FakeWorld> _forwards;
    private readonly Dictionary<FakeSocket, UdpForwardPort> _ports = [];

    public UdpForwardTests() : this(new UdpForwardLimits { Associations = 8 })
    {
    }

    private UdpForwardTests(UdpForwardLimits limits)
    {
        NetworkPlan plan = FrameFactory.Plan with { EnableHostLoopback = false };
        var world = new FakeWorld(_host);
        _timers = new TimerWheel(_clock.Now);
        _sender = new FrameSender<FakeWorld>(world, LinkOffloads.All, plan.Mtu, plan.OurMac, _counters);
        _forwards = new UdpForwards<FakeWorld>(
            world, _sender, plan, new FlowGate(new HostMap(plan)), _stations, _pool, _timers, _counters, limits);
    }

    [Fact]
    public void The_guest_sees_the_true_remote_and_its_answer_leaves_from_the_address_that_was_hit()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        SentPacket packet = Assert.Single(Receives(socket, Remote, "question", Hit));
        Assert.Equal((Remote, Guest, "question"), (packet.Source, packet.Destination, Text(packet)));
        Assert.Equal(FrameFactory.GuestMac, packet.DestinationMac);

        Assert.True(Answers(Guest, Remote, "answer"));
        SentDatagram sent = Assert.Single(socket.Datagrams);
        Assert.Equal(Remote, sent.Destination);
        Assert.Equal("answer"u8.ToArray(), sent.Payload);
        Assert.Equal(Hit, sent.Options.LocalAddress);
        Assert.Equal(63, sent.Options.HopLimit);
    }

    [Fact]
    public void Who_spoke_to_an_address_that_is_gone_is_forgotten_and_may_speak_to_another()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        IpAddress other = IpAddress.Parse("198.51.100.2");
        Receives(socket, Remote, "question", Hit);
        Receives(socket, Remote with { Port = 4001 }, "question", other);
        _forwards.CloseLost(Network.HostAddressesTests.Of($"{other}/32"));
        Assert.False(Answers(Guest, Remote, "answer"));
        Assert.True(Answers(Guest, Remote with { Port = 4001 }, "answer"));
        SentPacket packet = Assert.Single(Receives(socket, Remote, "again", other));
        Assert.Equal(Remote, packet.Source);
        Assert.True(Answers(Guest, Remote, "answer"));
        Assert.Equal(other, socket.Datagrams[^1].Options.LocalAddress);
    }

    [Fact]
    public void A_forward_of_one_address_leaves_the_source_to_the_socket()
    {
        FakeSocket socket = Open("198.51.100.1", 8053, Guest);
        Receives(socket, Remote, "x");
        Assert.True(Answers(Guest, Remote, "y"));
        Assert.True(Assert.Single(socket.Datagrams).Options.LocalAddress.IsAny);
    }

    [Theory]
    [InlineData("127.0.0.1", "10.0.2.100", "10.0.2.2", "loopback would mean the guest itself")]
    [InlineData("127.0.4.9", "10.0.2.100", "10.0.2.2", "all of 127/8")]
    [InlineData("::1", "fd00::100", "fd00::2", "loopback in the guest's family")]
    [InlineData("::1", "10.0.2.100", "10.0.2.2", "loopback across families")]
    [InlineData("2001:db8::7", "10.0.2.100", "10.0.2.2", "the other family")]
    [InlineData("192.0.2.7", "fd00::100", "fd00::2", "the other family, the other way")]
    [InlineData("10.0.2.100", "10.0.2.100", "10.0.2.2", "a host that has the guest's address itself")]
    [InlineData("10.0.2.7", "10.0.2.100", "10.0.2.2", "a host that has the guest's network itself")]
    [InlineData("fe80::7", "fd00::100", "fd00::2", "the host's link is not the guest's")]
    public void The_gateway_stands_in_for_whom_the_guest_could_not_answer(string remote, string guest, string seen, string why)
    {
        IpEndpoint from = FrameFactory.Endpoint(remote, 4000), to = FrameFactory.Endpoint(guest, 53);
        FakeSocket socket = Open(from.Address.IsIpv4 ? "0.0.0.0" : "::", 8053, to);
        SentPacket packet = Assert.Single(Receives(socket, from, "question", from.Address.IsIpv4 ? Hit : Hit6));
        Assert.True(packet.Source == FrameFactory.Endpoint(seen, 4000), $"{why}: {packet.Source}");
        Assert.True(Answers(to, packet.Source, "answer"));
        Assert.Equal(from, Assert.Single(socket.Datagrams).Destination);
    }

    [Fact]
    public void One_remote_at_two_forwards_of_a_guest_port_gets_each_answer_from_where_it_asked()
    {
        FakeSocket first = Open("0.0.0.0", 8001, Guest), second = Open("0.0.0.0", 8002, Guest);
        SentPacket one = Assert.Single(Receives(first, Remote, "one", Hit));
        SentPacket two = Assert.Single(Receives(second, Remote, "two", Hit));
        Assert.Equal(Remote, one.Source);
        Assert.Equal(IpAddress.Parse("10.0.2.2"), two.Source.Address);
        Assert.True(Answers(Guest, two.Source, "to two"));
        Assert.True(Answers(Guest, one.Source, "to one"));
        Assert.Equal("to one"u8.ToArray(), Assert.Single(first.Datagrams).Payload);
        SentDatagram toTwo = Assert.Single(second.Datagrams);
        Assert.Equal(("to two", Remote), (System.Text.Encoding.ASCII.GetString(toTwo.Payload), toTwo.Destination));
    }

    [Fact]
    public void One_remote_at_two_addresses_of_one_forward_gets_each_answer_from_where_it_asked()
    {
        FakeSocket socket = Open("0.0.0.0", 8001, Guest);
        IpAddress other = IpAddress.Parse("198.51.100.2");
        SentPacket one = Assert.Single(Receives(socket, Remote, "one", Hit));
        SentPacket two = Assert.Single(Receives(socket, Remote, "two", other));
        Assert.True(Answers(Guest, two.Source, "2"));
        Assert.True(Answers(Guest, one.Source, "1"));
        Assert.Equal([other, Hit], socket.Datagrams.Select(d => d.Options.LocalAddress));
    }

    [Fact]
    public void An_empty_datagram_is_a_datagram_both_ways()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        SentPacket packet = Assert.Single(Receives(socket, Remote, "", Hit));
        Assert.Empty(packet.UdpPayload.ToArray());
        Assert.True(Answers(Guest, Remote, ""));
        Assert.Empty(Assert.Single(socket.Datagrams).Payload);
    }

    [Theory]
    [InlineData("192.0.2.7", 0, "198.51.100.1", DropReason.BadUdpHeader)]
    [InlineData("224.0.0.1", 5, "198.51.100.1", DropReason.BadSourceAddress)]
    [InlineData("255.255.255.255", 5, "198.51.100.1", DropReason.BadSourceAddress)]
    [InlineData("0.0.0.0", 5, "198.51.100.1", DropReason.BadSourceAddress)]
    [InlineData("192.0.2.7", 5, "255.255.255.255", DropReason.BadSourceAddress)]
    [InlineData("192.0.2.7", 5, "239.1.1.1", DropReason.BadSourceAddress)]
    [InlineData("198.51.100.1", 8053, "198.51.100.1", DropReason.ForwardLoop)]
    [InlineData("127.0.0.1", 8053, "127.0.0.1", DropReason.ForwardLoop)]
    [InlineData("127.0.0.1", 8054, "127.0.0.1", DropReason.ForwardLoop)]
    [InlineData("203.0.113.9", 8055, "198.51.100.1", DropReason.ForwardLoop)]
    public void What_nobody_could_answer_and_what_we_sent_ourselves_is_dropped(string from, int port, string hit, DropReason reason)
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Open("0.0.0.0", 8054, Guest);
        Open("203.0.113.9", 8055, Guest);
        Assert.Empty(Receives(socket, FrameFactory.Endpoint(from, port), "x", IpAddress.Parse(hit)));
        Assert.Equal(1, _counters.Dropped(reason));
        Assert.Equal(0, _forwards.AssociationCount);
    }

    [Fact]
    public void A_remote_may_use_the_port_number_that_is_forwarded_here()
    {
        FakeSocket socket = Open("0.0.0.0", 123, Guest);
        Assert.Single(Receives(socket, FrameFactory.Endpoint("192.0.2.7", 123), "ntp", Hit));
    }

    [Fact]
    public void Only_the_pair_that_spoke_is_answered_through_the_forward()
    {
        Receives(Open("0.0.0.0", 8053, Guest), Remote, "x", Hit);
        Assert.False(Answers(Guest, Remote with { Port = 4001 }, "y"));
        Assert.False(Answers(Guest with { Port = 54 }, Remote, "y"));
        Assert.False(Answers(Guest, FrameFactory.Endpoint("10.0.2.2", 4000), "y"));
    }

    [Fact]
    public void Coalesced_datagrams_go_both_ways_whole()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        byte[] octets = FrameFactory.Pattern(2500);
        socket.DeliverDatagram(Remote, octets, segmentSize: 1000, localAddress: Hit);
        SentPacket packet = Assert.Single(Turn(socket));
        Assert.Equal([1000, 1000, 500], packet.UdpDatagrams().Select(d => d.Length));
        Assert.True(_forwards.TryCarryAnswer(FrameFactory.GuestMac, Guest, Remote, octets, As(1000), [], _clock.Now));
        Assert.Equal(1000, Assert.Single(socket.Datagrams).Options.SegmentSize);
    }

    [Fact]
    public void Segments_that_do_not_fit_the_path_go_one_by_one()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Receives(socket, Remote, "x", Hit);
        socket.PathMtu = 600;
        Assert.True(_forwards.TryCarryAnswer(
            FrameFactory.GuestMac, Guest, Remote, FrameFactory.Pattern(2500), As(1000), [], _clock.Now));
        Assert.Equal([1000, 1000, 500], socket.Datagrams.Select(d => d.Payload.Length));
        Assert.All(socket.Datagrams, d => Assert.Equal(Hit, d.Options.LocalAddress));
    }

    [Fact]
    public void Idle_remotes_are_forgotten_sooner_if_they_were_never_answered()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Receives(socket, Remote, "x", Hit);
        Receives(socket, Remote with { Port = 4001 }, "x", Hit);
        Answers(Guest, Remote, "y");
        Wait(29);
        Assert.Equal(2, _forwards.AssociationCount);
        Wait(2);
        Assert.Equal(1, _forwards.AssociationCount);
        Wait(88);
        Assert.Equal(1, _forwards.AssociationCount);
        Wait(2);
        Assert.Equal(0, _forwards.AssociationCount);
        Assert.False(Answers(Guest, Remote, "late"));
        AssertCloses();
    }

    [Fact]
    public void A_flood_of_sources_does_not_push_out_a_conversation()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Receives(socket, Remote, "x", Hit);
        Answers(Guest, Remote, "y");
        for (int port = 1; port <= 100; port++) Receives(socket, FrameFactory.Endpoint("203.0.113.1", port), "flood", Hit);
        Assert.Equal(8, _forwards.AssociationCount);
        Assert.True(Answers(Guest, Remote, "still here"));
    }

    [Fact]
    public void Removing_a_forward_forgets_its_remotes_and_no_others()
    {
        FakeSocket first = Open("0.0.0.0", 8001, Guest), second = Open("0.0.0.0", 8002, Guest with { Port = 54 });
        Receives(first, Remote, "x", Hit);
        Receives(second, Remote, "x", Hit);
        _forwards.Remove([_ports[first]]);
        Assert.False(Answers(Guest, Remote, "y"));
        Assert.True(Answers(Guest with { Port = 54 }, Remote, "y"));
        first.DeliverDatagram(Remote, "z"u8, localAddress: Hit);
        _forwards.OnReadable(_ports[first], _clock.Now);
        Assert.Equal(1, first.UnreadDatagrams); // its socket is somebody else's now
    }

    [Fact]
    public void A_guest_that_nobody_has_heard_of_is_told_by_broadcast_until_it_is_found()
    {
        _stations.IsKnown = false;
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Assert.Equal(MacAddress.Broadcast, Assert.Single(Receives(socket, Remote, "1", Hit)).DestinationMac);
        _stations.IsKnown = true;
        Assert.Equal(FrameFactory.GuestMac, Assert.Single(Receives(socket, Remote, "2", Hit)).DestinationMac);
    }

    [Fact]
    public void A_busy_port_leaves_turns_to_others()
    {
        FakeSocket busy = Open("0.0.0.0", 8001, Guest), quiet = Open("0.0.0.0", 8002, Guest);
        for (int i = 0; i < 100; i++) busy.DeliverDatagram(Remote, "x"u8, localAddress: Hit);
        quiet.DeliverDatagram(Remote6 with { Address = IpAddress.Parse("192.0.2.9") }, "x"u8, localAddress: Hit);
        _forwards.OnReadable(_ports[busy], _clock.Now);
        Assert.True(_forwards.HasWork);
        Assert.True(busy.UnreadDatagrams > 0);
        _forwards.OnReadable(_ports[quiet], _clock.Now);
        Assert.Equal(0, quiet.UnreadDatagrams);
        while (_forwards.HasWork) _forwards.RunReady(_clock.Now);
        Assert.Equal(0, busy.UnreadDatagrams);
    }

    [Fact]
    public void A_link_local_remote_is_answered_through_its_link()
    {
        FakeSocket socket = Open("::", 8053, Guest6);
        SentPacket packet = Assert.Single(Receives(socket, FrameFactory.Endpoint("fe80::7", 9), "x", IpAddress.Parse("fe80::1"), link: 3));
        Assert.True(Answers(Guest6, packet.Source, "y"));
        Receives(socket, FrameFactory.Endpoint("fe80::7", 9), "x", IpAddress.Parse("fe80::1"), link: 4); // a bridge made anew
        Assert.True(Answers(Guest6, packet.Source, "y"));
        Assert.Equal([3u, 4u], socket.Datagrams.Select(datagram => datagram.Options.InterfaceIndex));
    }

    private FakeSocket Open(string address, int port, IpEndpoint guest)
    {
        IpEndpoint bound = FrameFactory.Endpoint(address, port);
        AddressFamily family = bound.Address.IsIpv4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6;
        Assert.True(new FakeWorld(_host).OpenUdp(family, null, default, out HostSocket socket).IsOk);
        var forward = new UdpForwardPort(socket, bound, guest);
        _forwards.Add(forward);
        _ports[_host.Last] = forward;
        return _host.Last;
    }

    private List<SentPacket> Receives(FakeSocket socket, IpEndpoint from, string text, IpAddress hit = default, uint link = 0)
    {
        socket.DeliverDatagram(from, System.Text.Encoding.ASCII.GetBytes(text), localAddress: hit, interfaceIndex: link);
        return Turn(socket);
    }

    private List<SentPacket> Turn(FakeSocket socket)
    {
        _forwards.OnReadable(_ports[socket], _clock.Now);
        while (_forwards.HasWork) _forwards.RunReady(_clock.Now);
        return _host.TakePackets();
    }

    private bool Answers(IpEndpoint from, IpEndpoint to, string text)
    {
        bool taken = _forwards.TryCarryAnswer(
            FrameFactory.GuestMac, from, to, System.Text.Encoding.ASCII.GetBytes(text), As(0), [], _clock.Now);
        while (_forwards.HasWork) _forwards.RunReady(_clock.Now);
        return taken;
    }

    [Fact]
    public void DF_of_an_answer_is_kept_and_the_guest_feels_its_way_down_to_the_path_MTU()
    {
        FakeSocket socket = Open("0.0.0.0", 8053, Guest);
        Receives(socket, Remote, "question", Hit);
        socket.PathMtu = 1400;
        var mtus = new List<uint>();
        foreach (int length in new[] { 9000, 8100, 4300, 1950, 1460, 980 })
        {
            byte[] packet = FrameFactory.Udp(Guest, Remote, FrameFactory.Pattern(length), dontFragment: true);
            Span<byte> octets = packet.AsSpan(packet.Length - length);
            Assert.True(_forwards.TryCarryAnswer(
                FrameFactory.GuestMac, Guest, Remote, octets, As(0) with { DontFragment = true }, packet, _clock.Now));
            _forwards.RunReady(_clock.Now);
            foreach (SentPacket error in _host.TakePackets())
            {
                Assert.Equal((3, 4), (error.IcmpType, error.IcmpCode));
                mtus.Add(error.IcmpRest);
            }
        }
        Assert.Equal([8166, 4352, 2002, 1492, 1006], mtus);
        Assert.True(Assert.Single(socket.Datagrams).Options.DontFragment);
        Assert.Equal(5, _counters.Dropped(DropReason.UdpHostSendFailed));
    }

    /// <summary>A guest ignores less than what every IPv6 link carries (RFC 8201 section 4).</summary>
    [Theory]
    [InlineData(1440, 0)]
    [InlineData(2880, 1440)]
    public void The_guest_is_told_no_IPv6_path_below_1280(int length, int segmentSize)
    {
        FakeSocket socket = Open("::", 8053, Guest6);
        IpEndpoint remote = FrameFactory.Endpoint("2001:db8::9", 5000);
        Receives(socket, remote, "question", IpAddress.Parse("2001:db8::1"));
        socket.PathMtu = 1400;
        byte[] packet = FrameFactory.Udp(Guest6, remote, FrameFactory.Pattern(length));
        Assert.True(_forwards.TryCarryAnswer(FrameFactory.GuestMac, Guest6, remote, packet.AsSpan(packet.Length - length),
            As(segmentSize) with { DontFragment = true }, packet, _clock.Now));
        _forwards.RunReady(_clock.Now);
        SentPacket told = Assert.Single(_host.TakePackets());
        Assert.Equal((2, 0, 1280u), (told.IcmpType, told.IcmpCode, told.IcmpRest));
    }

    /// <summary>The host's packet has another length than the guest's, and like any source the host may fragment it.</summary>
    [Fact]
    public void DF_is_not_carried_into_the_other_family()
    {
        FakeSocket socket = Open("::", 8053, Guest);
        SentPacket question = Assert.Single(Receives(socket, FrameFactory.Endpoint("2001:db8::9", 5000), "question", IpAddress.Parse("2001:db8::1")));
        socket.PathMtu = 1500;
        byte[] packet = FrameFactory.Udp(Guest, question.Source, FrameFactory.Pattern(1472), dontFragment: true);
        Assert.True(_forwards.TryCarryAnswer(FrameFactory.GuestMac, Guest, question.Source, packet.AsSpan(packet.Length - 1472),
            As(0) with { DontFragment = true }, packet, _clock.Now));
        _forwards.RunReady(_clock.Now);
        Assert.Empty(_host.TakePackets());
        Assert.False(Assert.Single(socket.Datagrams).Options.DontFragment);
    }

    private static DatagramOptions As(int segmentSize) => new(segmentSize, 0, 64, DontFragment: false);

    private void Wait(double seconds)
    {
        _clock.AdvanceSeconds(seconds);
        while (_timers.TryTakeDue(_clock.Now, out EventTarget due))
        {
            Assert.Equal(EventKind.ForwardUpkeep, due.Kind);
            _forwards.OnTimer(_clock.Now);
        }
    }

    private void AssertCloses()
    {
        _forwards.CloseAll();
        Assert.Equal(0, _pool.InUse);
        Assert.Equal(0, _timers.Count);
        Assert.Equal(_counters.UdpAssociationsOpened, _counters.UdpAssociationsClosed);
    }

    private static string Text(SentPacket packet) => System.Text.Encoding.ASCII.GetString(packet.UdpPayload);
}
