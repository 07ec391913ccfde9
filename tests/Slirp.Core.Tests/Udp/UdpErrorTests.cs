using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Udp;

/// <summary>What the host's errors become: the ICMP error that a router would have sent, about the guest's own datagram.</summary>
public sealed class UdpErrorTests
{
    private static readonly IpAddress Router = IpAddress.Parse("203.0.113.1");
    private static readonly IpAddress Router6 = IpAddress.Parse("2001:db8:ffff::1");

    private readonly DatagramHarness _h = new();

    // Host's error queue → what the guest gets: type, code, rest.
    public static TheoryData<string, bool, byte, byte, uint, uint> Relayed => new()
    {
        { "network unreachable", true, 3, 0, 0, 0 },
        { "host unreachable", true, 3, 1, 0, 0 },
        { "port unreachable", true, 3, 3, 0, 0 },
        { "fragmentation needed", true, 3, 4, 1400, 1400 },
        { "fragmentation needed, MTU not told", true, 3, 4, 0, 576 },
        { "host prohibited", true, 3, 10, 0, 0 },
        { "prohibited", true, 3, 13, 0, 0 },
        { "hop limit exceeded: traceroute", true, 11, 0, 0, 0 },
        { "parameter problem", true, 12, 0, 9, 9u << 24 },
        { "no route", false, 1, 0, 0, 0 },
        { "prohibited", false, 1, 1, 0, 0 },
        { "address unreachable", false, 1, 3, 0, 0 },
        { "port unreachable", false, 1, 4, 0, 0 },
        { "packet too big", false, 2, 0, 1280, 1280 },
        { "hop limit exceeded", false, 3, 0, 0, 0 },
        { "parameter problem", false, 4, 1, 6, 6 },
    };

    [Theory]
    [MemberData(nameof(Relayed))]
    public void An_icmp_error_reaches_the_guest(string what, bool v4, byte type, byte code, uint information, uint rest)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        IpAddress router = v4 ? Router : Router6;
        _h.GuestSendsUdp(guest, server, "the datagram"u8);
        var error = new HostIcmpError(server, router, type, code, information, IsLocal: false);
        _h.Host.Last.DeliverError(error, "the dat"u8, HostError.HostUnreachable);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal(router, told.From);
        Assert.Equal(guest.Address, told.To);
        Assert.True((type, code, rest) == (told.IcmpType, told.IcmpCode, told.IcmpRest), what);
        SentPacket quoted = SentPacket.ParseIp(told.IcmpBody); // also verifies lengths and checksums
        Assert.Equal(guest, quoted.Source);
        Assert.Equal(server, quoted.Destination);
        Assert.Equal("the dat"u8.ToArray(), quoted.UdpPayload);
    }

    /// <summary>The socket's buffer is full of what it has received, and has no room for the error that names the path's MTU.</summary>
    [Theory]
    [InlineData(true, 1006)]
    [InlineData(false, 1280)]
    public void A_path_MTU_that_nobody_names_is_felt_for_in_steps(bool v4, uint told)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.GuestSendsUdp(guest, server, "first"u8);
        _h.Host.Last.FailSends(HostError.MessageTooLong, HostError.MessageTooLong);
        _h.GuestSendsUdp(guest, server, FrameFactory.Pattern(1440));
        SentPacket tooBig = _h.GuestReceivesOne();
        Assert.Equal(v4 ? (3, 4, told) : (2, 0, told), (tooBig.IcmpType, tooBig.IcmpCode, tooBig.IcmpRest));
    }

    [Theory]
    [InlineData(true, 4, 0)] // source quench: RFC 6633
    [InlineData(true, 5, 1)] // redirect: the host's own links
    [InlineData(true, 8, 0)]
    [InlineData(false, 137, 0)]
    [InlineData(false, 200, 0)]
    public void Other_messages_are_not_for_guests(bool v4, byte type, byte code)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.GuestSendsUdp(guest, server, "x"u8);
        _h.Host.Last.DeliverError(new HostIcmpError(server, v4 ? Router : Router6, type, code, 0, false));
        Assert.Empty(_h.GuestReceives());
    }

    [Fact]
    public void A_closed_port_on_the_host_is_the_gateways()
    {
        IpEndpoint gateway = FrameFactory.Endpoint("10.0.2.2", 9);
        _h.GuestSendsUdp(Guest, gateway, "x"u8);
        IpEndpoint loopback = FrameFactory.Endpoint("127.0.0.1", 9);
        _h.Host.Last.DeliverError(new HostIcmpError(loopback, loopback.Address, 3, 3, 0, false));
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal(gateway.Address, told.From);
        Assert.Equal(gateway, SentPacket.ParseIp(told.IcmpBody).Destination);
    }

    [Fact]
    public void An_offender_that_is_not_known_is_the_gateway()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.DeliverError(new HostIcmpError(Server, IpAddress.Ipv6Any, 3, 1, 0, false));
        Assert.Equal(FrameFactory.Plan.Gateway, _h.GuestReceivesOne().From);
    }

    [Fact]
    public void An_error_of_another_datagram_costs_this_one_nothing()
    {
        _h.GuestSendsUdp(Guest, Server, "to a closed port"u8);
        _h.Host.Last.DeliverError(new HostIcmpError(Server, Server.Address, 3, 3, 0, false));
        _h.GuestSendsUdp(Guest, Server with { Port = 1 }, "to an open one"u8);
        Assert.Equal(2, _h.Host.Last.Datagrams.Count);
        Assert.Equal(0, _h.Counters.DroppedInAll());
        Assert.Equal((3, 3), (_h.GuestReceivesOne().IcmpType, 3));
    }

    /// <summary>Scenario O1: whoever says what of whom, no more than one guest endpoint is told of it, and it and the others go on.
    /// The second error is about somebody whom nobody here has asked.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_error_is_told_to_one_endpoint_and_ends_nobody_s_conversation(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        IpEndpoint other = guest with { Port = 5001 }, stranger = server with { Port = 9 };
        _h.GuestSendsUdp(guest, server, "one"u8);
        FakeSocket hit = _h.Host.Last;
        _h.GuestSendsUdp(other, server, "two"u8);
        FakeSocket spared = _h.Host.Last;
        foreach (IpEndpoint about in (IpEndpoint[])[server, stranger])
        {
            var error = new HostIcmpError(about, v4 ? Router : Router6, v4 ? (byte)3 : (byte)1, v4 ? (byte)3 : (byte)4, 0, IsLocal: false);
            hit.DeliverError(error, "one"u8);
            List<SentPacket> told = _h.GuestReceives();
            Assert.InRange(told.Count, about == server ? 1 : 0, 1);
            foreach (SentPacket quoted in told.Select(one => SentPacket.ParseIp(one.IcmpBody)))
                Assert.Equal((guest, about), (quoted.Source, quoted.Destination));
        }
        foreach ((IpEndpoint asker, FakeSocket socket) in ((IpEndpoint, FakeSocket)[])[(guest, hit), (other, spared)])
        {
            _h.GuestSendsUdp(asker, server, "again"u8);
            Assert.Equal(2, socket.Datagrams.Count);
            socket.DeliverDatagram(server, "answer"u8);
            SentPacket answer = _h.GuestReceivesOne();
            Assert.Equal((server, asker), (answer.Source, answer.Destination));
        }
        Assert.Equal(2, _h.Udp.Mappings.Count);
        Assert.Equal(0, _h.Counters.DroppedInAll());
    }

    [Fact]
    public void A_pending_error_does_not_hide_what_was_received()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.DeliverDatagram(Server, "answer"u8);
        _h.Host.Last.DeliverError(new HostIcmpError(Server, Server.Address, 3, 3, 0, false));
        List<SentPacket> received = _h.GuestReceives();
        Assert.Single(received, p => p.Protocol == IpProtocol.Udp);
        Assert.Single(received, p => p.Protocol == IpProtocol.Icmp);
    }

    [Fact]
    public void Many_errors_are_relayed_over_several_turns()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        for (int i = 0; i < 45; i++) _h.Host.Last.DeliverError(new HostIcmpError(Server, Router, 11, 0, 0, false));
        Assert.Equal(45, _h.GuestReceives().Count);
    }

    [Theory]
    [InlineData(true, HostError.NetworkUnreachable, 3, 0)]
    [InlineData(true, HostError.HostUnreachable, 3, 1)]
    [InlineData(true, HostError.AccessDenied, 3, 13)]
    [InlineData(true, HostError.Other, 3, 1)]
    [InlineData(false, HostError.NetworkUnreachable, 1, 0)]
    [InlineData(false, HostError.AddressNotAvailable, 1, 0)]
    [InlineData(false, HostError.HostUnreachable, 1, 3)]
    [InlineData(false, HostError.AccessDenied, 1, 1)]
    public void What_a_send_says_becomes_a_routers_answer(bool v4, HostError error, byte type, byte code)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.GuestSendsUdp(guest, server, "fine"u8);
        _h.Host.Last.FailSends(error, error);
        byte[] packet = FrameFactory.Udp(guest, server, "lost"u8);
        _h.GuestSends(packet);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal(FrameFactory.Plan.GatewayFor(guest.Address), told.From);
        Assert.Equal((type, code), (told.IcmpType, told.IcmpCode));
        Assert.True(told.IcmpBody.SequenceEqual(packet));
        Assert.Equal(1, _h.Counters.Dropped(DropReason.UdpHostSendFailed));
    }

    [Fact]
    public void A_host_without_the_family_has_no_route_for_it()
    {
        _h.Host.OpenUdpOutcome = HostError.NotSupported;
        _h.GuestSendsUdp(Guest6, Server6, "x"u8);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((1, 0), (told.IcmpType, told.IcmpCode));
        Assert.Equal(0, _h.Udp.Mappings.Count);
    }

    [Fact]
    public void Df_asks_for_the_path_mtu_and_is_told()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.PathMtu = 1000;
        byte[] packet = FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1400), dontFragment: true);
        _h.GuestSends(packet);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((3, 4, 1000u), (told.IcmpType, told.IcmpCode, told.IcmpRest));
        Assert.True(told.IcmpBody.SequenceEqual(packet.AsSpan(0, 548)));
        Assert.Single(_h.Host.Last.Datagrams);

        _h.GuestSends(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1400))); // without DF the host fragments
        Assert.Equal(2, _h.Host.Last.Datagrams.Count);
    }

    [Fact]
    public void Segments_too_large_for_the_path_are_told_too()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.PathMtu = 1000;
        _h.GuestSends(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(9_000), dontFragment: true), segmentSize: 1400);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((3, 4, 1000u), (told.IcmpType, told.IcmpCode, told.IcmpRest));
        Assert.Equal(6, _h.Counters.Dropped(DropReason.UdpHostSendFailed)); // the last is shorter and passes
    }

    [Fact]
    public void A_storm_of_errors_is_limited()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        for (int i = 0; i < 1_000; i++) _h.Host.Last.DeliverError(new HostIcmpError(Server, Router, 3, 1, 0, false));
        Assert.Equal(50, _h.GuestReceives().Count);
    }
}
