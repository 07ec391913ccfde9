using Slirp.Core.Ip;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Udp;

/// <summary>Which socket speaks for whom, for how long (RFC 4787).</summary>
public sealed class UdpMappingTests
{
    private readonly DatagramHarness _h = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_datagram_goes_out_and_its_answer_comes_back(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.GuestSends(FrameFactory.Udp(guest, server, "ping"u8, trafficClass: 0xb8, hopLimit: 33));
        FakeSocket socket = Assert.Single(_h.Host.Sockets);
        Assert.Equal(v4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6, socket.Family);
        Assert.Null(socket.Peer);
        SentDatagram sent = Assert.Single(socket.Datagrams);
        Assert.Equal(server, sent.Destination);
        Assert.Equal("ping"u8.ToArray(), sent.Payload);
        Assert.Equal(new DatagramOptions(0, 0xb8, 32, false), sent.Options);

        socket.DeliverDatagram(server, "pong"u8, trafficClass: 0x12);
        SentPacket answer = _h.GuestReceivesOne();
        Assert.Equal(server, answer.Source);
        Assert.Equal(guest, answer.Destination);
        Assert.Equal(0x12, answer.TrafficClass);
        Assert.Equal(FrameFactory.GuestMac, answer.DestinationMac);
        Assert.Equal("pong"u8.ToArray(), answer.UdpPayload);
        _h.AssertCloses();
    }

    [Fact]
    public void One_socket_serves_every_destination_and_anyone_may_answer()
    {
        for (int i = 0; i < 20; i++) _h.GuestSendsUdp(Guest, FrameFactory.Endpoint($"192.0.2.{i + 1}", 4000 + i), [(byte)i]);
        FakeSocket socket = Assert.Single(_h.Host.Sockets);
        Assert.Equal(20, socket.Datagrams.Count);
        Assert.All(socket.Datagrams, d => Assert.Equal(d.Payload[0] + 4000, d.Destination.Port));

        IpEndpoint stranger = FrameFactory.Endpoint("198.51.100.1", 9);
        socket.DeliverDatagram(stranger, "hello"u8);
        Assert.Equal(stranger, _h.GuestReceivesOne().Source);
        Assert.Equal(1, _h.Counters.UdpMappingsOpened);
    }

    [Fact]
    public void More_destinations_than_are_remembered_still_go_where_they_should()
    {
        IpEndpoint gateway = FrameFactory.Endpoint("10.0.2.2", 7);
        for (int round = 0; round < 3; round++)
        {
            _h.GuestSendsUdp(Guest, gateway, "home"u8);
            for (int i = 0; i < 7; i++) _h.GuestSendsUdp(Guest, Server with { Port = (ushort)(i + 1) }, [(byte)(i + 1)]);
        }
        Assert.Equal(24, _h.Host.Last.Datagrams.Count);
        Assert.All(_h.Host.Last.Datagrams, d => Assert.Equal(
            d.Payload.Length == 4 ? FrameFactory.Endpoint("127.0.0.1", 7) : Server with { Port = d.Payload[0] }, d.Destination));
    }

    [Fact]
    public void Each_guest_endpoint_has_a_socket_of_its_own()
    {
        for (int port = 1; port <= 100; port++) _h.GuestSendsUdp(Guest with { Port = (ushort)port }, Server, "x"u8);
        Assert.Equal(100, _h.Udp.Mappings.Count);
        for (int i = 0; i < 100; i++) _h.Host.Sockets[i].DeliverDatagram(Server, [(byte)i]);
        List<SentPacket> answers = _h.GuestReceives();
        Assert.Equal(100, answers.Count);
        Assert.All(answers, a => Assert.Equal(a.UdpPayload[0] + 1, a.DestinationPort));
    }

    [Fact]
    public void An_empty_datagram_is_a_datagram()
    {
        _h.GuestSendsUdp(Guest, Server, default);
        Assert.Empty(Assert.Single(_h.Host.Last.Datagrams).Payload);
        _h.Host.Last.DeliverDatagram(Server, default);
        Assert.Equal(0, _h.GuestReceivesOne().UdpPayload.Length);
    }

    [Fact]
    public void The_gateway_stands_for_host_loopback_both_ways()
    {
        IpEndpoint gateway = FrameFactory.Endpoint("10.0.2.2", 4000);
        _h.GuestSendsUdp(Guest, gateway, "x"u8);
        IpEndpoint loopback = FrameFactory.Endpoint("127.0.0.1", 4000);
        Assert.Equal(loopback, Assert.Single(_h.Host.Last.Datagrams).Destination);
        _h.Host.Last.DeliverDatagram(loopback, "y"u8);
        Assert.Equal(gateway, _h.GuestReceivesOne().Source);
    }

    [Theory]
    [InlineData("fd00::100", "fd00::2")]
    [InlineData("fe80::100", "fe80::2")]
    [InlineData("fd00::100", "fe80::2")]
    public void The_gateway_answers_from_the_address_that_was_asked(string guest, string gateway)
    {
        IpEndpoint from = FrameFactory.Endpoint(guest, 5000), to = FrameFactory.Endpoint(gateway, 4000);
        _h.GuestSendsUdp(from, to, "x"u8);
        Assert.Equal(FrameFactory.Endpoint("::1", 4000), Assert.Single(_h.Host.Last.Datagrams).Destination);
        _h.Host.Last.DeliverDatagram(FrameFactory.Endpoint("::1", 4000), "y"u8);
        Assert.Equal(to, _h.GuestReceivesOne().Source);
    }

    [Fact]
    public void Disabled_host_loopback_is_closed_in_both_directions()
    {
        var h = new DatagramHarness(plan: FrameFactory.Plan with { EnableHostLoopback = false });
        h.GuestSendsUdp(Guest, FrameFactory.Endpoint("10.0.2.2", 4000), "x"u8);
        Assert.Empty(h.Host.Sockets);
        SentPacket error = h.GuestReceivesOne();
        Assert.Equal((3, 13), (error.IcmpType, error.IcmpCode));
        Assert.Equal(1, h.Counters.Dropped(DropReason.RefusedByGate));

        h.GuestSendsUdp(Guest, Server, "x"u8);
        h.Host.Last.DeliverDatagram(FrameFactory.Endpoint("127.0.0.1", 1), "from the host"u8);
        Assert.Empty(h.GuestReceives());
        Assert.Equal(2, h.Counters.Dropped(DropReason.RefusedByGate));
    }

    [Theory]
    [InlineData("255.255.255.255")]
    [InlineData("10.0.2.255")]
    [InlineData("10.0.2.77")]
    [InlineData("127.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("ff00::fb")]
    [InlineData("ff01::fb")]
    [InlineData("fe80::77")]
    public void Who_cannot_be_there_is_not_asked(string destination)
    {
        IpEndpoint to = FrameFactory.Endpoint(destination, 5353);
        _h.GuestSendsUdp(to.Address.IsIpv4 ? Guest : Guest6, to, "x"u8);
        Assert.Empty(_h.Host.Sockets);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(1, _h.Counters.Dropped(DropReason.BadDestinationAddress));
    }

    /// <summary>Scenario 45. The hop limit is the guest's own: receivers on the link may look at it.</summary>
    [Theory]
    [InlineData("239.255.255.250", 1)]
    [InlineData("224.0.0.251", 255)]
    [InlineData("ff02::c", 1)]
    [InlineData("ff0e::1", 255)]
    public void A_group_is_asked_and_whoever_answers_is_heard(string group, byte hopLimit)
    {
        IpEndpoint to = FrameFactory.Endpoint(group, 1900);
        (IpEndpoint guest, IpEndpoint member) = Pair(to.Address.IsIpv4);
        _h.GuestSends(FrameFactory.Udp(guest, to, "who?"u8, hopLimit: hopLimit));
        SentDatagram sent = Assert.Single(_h.Host.Last.Datagrams);
        Assert.Equal((to, hopLimit), (sent.Destination, sent.Options.HopLimit));
        _h.Host.Last.DeliverDatagram(member, "I"u8);
        Assert.Equal(member, _h.GuestReceivesOne().Source);
    }

    /// <summary>RFC 1122 section 3.2.2.</summary>
    [Fact]
    public void A_group_that_there_is_no_route_to_is_no_error()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.FailSends(HostError.NetworkUnreachable, HostError.NetworkUnreachable);
        _h.GuestSendsUdp(Guest, FrameFactory.Endpoint("239.255.255.250", 1900), "who?"u8);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(1, _h.Counters.Dropped(DropReason.UdpHostSendFailed));
    }

    [Fact]
    public void Port_zero_is_no_destination_but_may_be_a_source()
    {
        _h.GuestSendsUdp(Guest, Server with { Port = 0 }, "x"u8);
        Assert.Empty(_h.Host.Sockets);
        _h.GuestSendsUdp(Guest with { Port = 0 }, Server, "x"u8);
        Assert.Single(_h.Host.Last.Datagrams);
    }

    [Fact]
    public void A_question_is_forgotten_after_thirty_seconds()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Wait(29.9);
        Assert.Equal(1, _h.Udp.Mappings.Count);
        _h.Wait(0.2);
        Assert.Equal(0, _h.Udp.Mappings.Count);
        Assert.False(_h.Host.Last.IsOpen);
        _h.GuestSendsUdp(Guest, Server, "again"u8); // not "dropped for ever"
        Assert.Equal("again"u8.ToArray(), Assert.Single(_h.Host.Last.Datagrams).Payload);
    }

    [Fact]
    public void Traffic_in_either_direction_keeps_a_mapping()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        for (int i = 0; i < 5; i++)
        {
            _h.Wait(25);
            _h.Host.Last.DeliverDatagram(Server, "y"u8);
            _h.Turn();
        }
        Assert.Equal(1, _h.Udp.Mappings.Count);
        _h.Wait(120.1);
        Assert.Equal(0, _h.Udp.Mappings.Count);
    }

    /// <summary>A program that has registered with a server waits for what the server has to say.</summary>
    [Fact]
    public void Who_was_answered_once_is_found_for_two_minutes()
    {
        _h.GuestSendsUdp(Guest, Server, "register"u8);
        _h.Host.Last.DeliverDatagram(Server, "registered"u8);
        _h.Turn();
        _h.Wait(119.9);
        _h.Host.Last.DeliverDatagram(Server, "a call"u8);
        Assert.Equal(2, _h.GuestReceives().Count);
        _h.Wait(119.9);
        Assert.Equal(1, _h.Udp.Mappings.Count);
        _h.Wait(0.2);
        Assert.Equal(0, _h.Udp.Mappings.Count);
    }

    [Fact]
    public void A_dns_question_is_forgotten_soon_after_its_answer()
    {
        IpEndpoint resolver = Server with { Port = 53 };
        _h.GuestSendsUdp(Guest, resolver, "A?"u8);
        _h.GuestSendsUdp(Guest, resolver, "AAAA?"u8);
        _h.Wait(1);
        _h.Host.Last.DeliverDatagram(resolver, "A"u8);
        _h.Wait(8);
        Assert.Equal(1, _h.Udp.Mappings.Count); // AAAA may still come
        _h.Host.Last.DeliverDatagram(resolver, "AAAA"u8);
        Assert.Equal(2, _h.GuestReceives().Count);
        _h.Wait(4.9);
        Assert.Equal(1, _h.Udp.Mappings.Count);
        _h.Wait(0.2);
        Assert.Equal(0, _h.Udp.Mappings.Count);

        _h.GuestSendsUdp(Guest, resolver, "unanswered"u8);
        _h.Wait(10.1);
        Assert.Equal(0, _h.Udp.Mappings.Count);
        _h.AssertCloses();
    }

    [Fact]
    public void A_socket_that_speaks_to_others_too_is_no_dns_client()
    {
        _h.GuestSendsUdp(Guest, Server with { Port = 53 }, "?"u8);
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.DeliverDatagram(Server, "y"u8);
        _h.Wait(20);
        Assert.Equal(1, _h.Udp.Mappings.Count);
    }

    [Fact]
    public void The_idlest_makes_room()
    {
        var h = new DatagramHarness(new DatagramLimits { UdpMappings = 8 });
        for (int port = 1; port <= 8; port++) h.GuestSendsUdp(Guest with { Port = (ushort)port }, Server, "x"u8);
        h.GuestSendsUdp(Guest with { Port = 1 }, Server, "still here"u8);
        h.Host.Sockets[1].DeliverDatagram(Server, "so is port 2"u8);
        h.Turn();
        h.GuestSendsUdp(Guest with { Port = 9 }, Server, "x"u8);
        Assert.Equal(8, h.Udp.Mappings.Count);
        Assert.False(h.Host.Sockets[2].IsOpen);
        Assert.Equal(8, h.Host.OpenCount);
        Assert.Equal(1, h.Counters.UdpMappingsClosed);
        h.AssertCloses();
    }

    [Fact]
    public void Seventy_thousand_source_ports_stay_within_the_cap()
    {
        var h = new DatagramHarness();
        h.Host.Records = false;
        for (int i = 0; i < 70_000; i++)
        {
            h.GuestSendsUdp(FrameFactory.Endpoint(i < 65536 ? "10.0.2.100" : "10.0.2.101", i & 0xffff), Server, "x"u8);
            Assert.True(h.Host.OpenCount <= 4096);
        }
        Assert.Equal(4096, h.Udp.Mappings.Count);
        h.Wait(31);
        Assert.Equal(0, h.Udp.Mappings.Count);
        h.AssertCloses();
    }

    [Fact]
    public void Without_descriptors_the_idlest_gives_up_its_own()
    {
        _h.Host.DescriptorLimit = 3;
        for (int port = 1; port <= 5; port++) _h.GuestSendsUdp(Guest with { Port = (ushort)port }, Server, "x"u8);
        Assert.Equal(5, _h.Host.Sockets.Count);
        Assert.Equal(3, _h.Udp.Mappings.Count);
        Assert.All(_h.Host.Sockets, s => Assert.Single(s.Datagrams));
        _h.AssertCloses();
    }

    [Fact]
    public void With_no_descriptor_at_all_the_datagram_is_counted()
    {
        _h.Host.DescriptorLimit = 0;
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        Assert.Equal(1, _h.Counters.Dropped(DropReason.UdpFlowLimit));
        Assert.Equal(0, _h.Udp.Mappings.Count);
        _h.Host.DescriptorLimit = 1;
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        Assert.Equal(1, _h.Udp.Mappings.Count);
        _h.AssertCloses();
    }

    [Fact]
    public void An_event_for_a_closed_mapping_is_dropped()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        EventTarget old = _h.Host.Last.Owner;
        _h.Wait(31);
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.DeliverDatagram(Server, "y"u8);
        _h.Host.TryTakeEvent(out _, out _);
        _h.Udp.OnHostEvents(old, HostEvents.Readable | HostEvents.Error, _h.Clock.Now);
        Assert.Equal(1, _h.Host.Last.UnreadDatagrams);
    }
}
