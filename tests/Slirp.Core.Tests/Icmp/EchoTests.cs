using Slirp.Core.Ip;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Icmp;

public sealed class EchoTests
{
    private readonly DatagramHarness _h = new();

    private static byte[] Ping(bool v4, ushort identifier = 0x1234, ushort sequence = 0, int length = 56)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        return FrameFactory.Echo(guest.Address, server.Address, identifier, sequence, FrameFactory.Pattern(length));
    }

    /// <summary>The server's answer to a request as it left the host, under the identifier the kernel chose.</summary>
    private static byte[] Reply(bool v4, byte[] request, ushort kernelIdentifier)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        ushort sequence = (ushort)(request[6] << 8 | request[7]);
        return FrameFactory.EchoMessage(server.Address, guest.Address, kernelIdentifier, sequence, request.AsSpan(8), isReply: true);
    }

    [Theory]
    [InlineData(true, 0, 56)]
    [InlineData(true, 1, 0)]
    [InlineData(true, 65535, 65507)]
    [InlineData(false, 0, 56)]
    [InlineData(false, 7, 65507)]
    public void A_request_goes_out_and_its_reply_comes_back(bool v4, ushort sequence, int length)
    {
        byte[] packet = Ping(v4, sequence: sequence, length: length);
        _h.GuestSends(packet);
        FakeSocket socket = Assert.Single(_h.Host.Sockets);
        Assert.Equal(FakeSocketKind.Ping, socket.Kind);
        SentDatagram sent = Assert.Single(socket.Datagrams);
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        Assert.Equal(new IpEndpoint(server.Address, 0), sent.Destination);
        Assert.Equal(packet[(v4 ? 20 : 40)..], sent.Payload);
        Assert.Equal(63, sent.Options.HopLimit);

        socket.DeliverDatagram(new IpEndpoint(server.Address, 0), Reply(v4, sent.Payload, 0xbeef));
        SentPacket reply = Assert.Single(SentPacket.Reassemble(_h.GuestReceives()));
        Assert.Equal(server.Address, reply.From);
        Assert.Equal(guest.Address, reply.To);
        Assert.Equal(v4 ? 0 : 129, reply.IcmpType);
        Assert.Equal((0x1234, sequence), (reply.EchoIdentifier, reply.EchoSequence));
        Assert.True(reply.IcmpBody.SequenceEqual(FrameFactory.Pattern(length)));
        _h.AssertCloses();
    }

    [Fact]
    public void Without_a_reply_there_is_none()
    {
        _h.GuestSends(Ping(true));
        Assert.Empty(_h.GuestReceives());
        _h.Wait(31);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(0, _h.Icmp.Mappings.Count);
    }

    [Theory]
    [InlineData("10.0.2.100", "10.0.2.2", 56)]
    [InlineData("10.0.2.100", "10.0.2.3", 0)]
    [InlineData("10.0.2.100", "10.0.2.2", 65507)]
    [InlineData("fd00::100", "fd00::2", 1000)]
    [InlineData("fd00::100", "fd00::3", 1000)]
    [InlineData("fe80::100", "fe80::2", 65000)]
    public void Our_own_addresses_answer_for_themselves(string guest, string ours, int length)
    {
        var h = new DatagramHarness(plan: FrameFactory.Plan with { EnableHostLoopback = false });
        IpAddress from = IpAddress.Parse(guest), to = IpAddress.Parse(ours);
        h.GuestSends(FrameFactory.Echo(from, to, 9, 0, FrameFactory.Pattern(length), trafficClass: 0x20));
        SentPacket reply = Assert.Single(SentPacket.Reassemble(h.GuestReceives()));
        Assert.Equal((to, from), (reply.From, reply.To));
        Assert.Equal((9, 0, 0x20), (reply.EchoIdentifier, reply.EchoSequence, reply.TrafficClass));
        Assert.True(reply.IcmpBody.SequenceEqual(FrameFactory.Pattern(length)));
        Assert.Empty(h.Host.Sockets);
    }

    [Theory]
    [InlineData("10.0.2.100", "10.0.2.255")]
    [InlineData("10.0.2.100", "255.255.255.255")]
    [InlineData("10.0.2.100", "224.0.0.1")]
    [InlineData("fd00::100", "ff02::1")]
    public void Nobody_answers_for_everybody(string guest, string everybody)
    {
        _h.GuestSends(FrameFactory.Echo(IpAddress.Parse(guest), IpAddress.Parse(everybody), 1, 1, default));
        Assert.Empty(_h.Host.Sockets);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(1, _h.Counters.DroppedInAll());
    }

    [Fact]
    public void Each_identifier_has_its_socket_and_gets_its_own_replies()
    {
        for (ushort id = 1; id <= 10; id++) _h.GuestSends(Ping(true, id, id));
        Assert.Equal(10, _h.Host.OpenCount);
        for (int i = 9; i >= 0; i--)
        {
            FakeSocket socket = _h.Host.Sockets[i];
            socket.DeliverDatagram(new IpEndpoint(Server.Address, 0), Reply(true, socket.Datagrams[0].Payload, (ushort)(0x7000 + i)));
            SentPacket reply = _h.GuestReceivesOne();
            Assert.Equal((i + 1, i + 1), (reply.EchoIdentifier, reply.EchoSequence));
        }
        _h.GuestSends(Ping(true, 5, 77));
        Assert.Equal(10, _h.Host.OpenCount);
    }

    [Fact]
    public void Pings_expire_and_the_idlest_makes_room()
    {
        var h = new DatagramHarness(new DatagramLimits { PingMappings = 3 });
        for (ushort id = 1; id <= 3; id++) h.GuestSends(Ping(true, id));
        h.GuestSends(Ping(true, 1, 1));
        h.GuestSends(Ping(true, 4));
        Assert.False(h.Host.Sockets[1].IsOpen);
        Assert.Equal(3, h.Host.OpenCount);
        h.Wait(29);
        h.GuestSends(Ping(true, 4, 1));
        h.Wait(2);
        Assert.Equal(1, h.Icmp.Mappings.Count);
        h.AssertCloses();
    }

    [Fact]
    public void A_host_that_forbids_it_is_reported_and_the_guest_is_told()
    {
        _h.Host.OpenPingOutcome = HostError.AccessDenied;
        Assert.False(_h.Icmp.PingForbidden);
        byte[] packet = Ping(true);
        _h.GuestSends(packet);
        Assert.True(_h.Icmp.PingForbidden);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((3, 13), (told.IcmpType, told.IcmpCode));
        Assert.Equal(FrameFactory.Plan.Gateway, told.From);
        Assert.True(told.IcmpBody.SequenceEqual(packet));
        Assert.Equal(1, _h.Counters.Dropped(DropReason.PingUnavailable));
        _h.AssertCloses();
    }

    [Theory]
    [InlineData(true, 11, 0)]
    [InlineData(true, 3, 1)]
    [InlineData(false, 3, 0)]
    [InlineData(false, 1, 3)]
    public void Errors_about_a_request_come_back_with_its_identifier(bool v4, byte type, byte code)
    {
        byte[] packet = Ping(v4, sequence: 3);
        _h.GuestSends(packet);
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        byte[] onTheWire = FrameFactory.EchoMessage(guest.Address, server.Address, 0xbeef, 3, FrameFactory.Pattern(56));
        IpAddress router = IpAddress.Parse(v4 ? "203.0.113.1" : "2001:db8:ffff::1");
        _h.Host.Last.DeliverError(
            new HostIcmpError(new IpEndpoint(server.Address, 0), router, type, code, 0, false), onTheWire, HostError.HostUnreachable);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((type, code), (told.IcmpType, told.IcmpCode));
        Assert.Equal(router, told.From);
        SentPacket quoted = SentPacket.ParseIp(told.IcmpBody);
        Assert.Equal((guest.Address, server.Address), (quoted.From, quoted.To));
        Assert.Equal((v4 ? 8 : 128, 0x1234, 3), (quoted.IcmpType, quoted.EchoIdentifier, quoted.EchoSequence));
    }

    [Fact]
    public void An_error_that_quotes_nothing_still_names_the_identifier()
    {
        _h.GuestSends(Ping(true));
        _h.Host.Last.DeliverError(new HostIcmpError(new IpEndpoint(Server.Address, 0), Server.Address, 3, 1, 0, false));
        SentPacket quoted = SentPacket.ParseIp(_h.GuestReceivesOne().IcmpBody);
        Assert.Equal((8, 0x1234), (quoted.IcmpType, quoted.EchoIdentifier));
    }

    [Fact]
    public void A_route_that_is_missing_is_told_at_once()
    {
        _h.GuestSends(Ping(true));
        _h.Host.Last.FailSends(HostError.NetworkUnreachable, HostError.NetworkUnreachable);
        _h.GuestSends(Ping(true, sequence: 1));
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((3, 0), (told.IcmpType, told.IcmpCode));
    }

    public static TheoryData<string, byte[], DropReason> Refused
    {
        get
        {
            IpAddress from = Guest.Address, to = Server.Address;
            byte[] damaged = FrameFactory.EchoMessage(from, to, 1, 1, FrameFactory.Pattern(20));
            damaged[10] ^= 1;
            return new TheoryData<string, byte[], DropReason>
            {
                { "empty", [], DropReason.BadIcmp },
                { "cut short", [8, 0, 0, 0], DropReason.BadIcmp },
                { "wrong checksum", damaged, DropReason.BadIcmpChecksum },
                { "a code that echo has not", FrameFactory.IcmpMessage(from, to, 8, 1, 0, default), DropReason.BadIcmp },
                { "an unasked reply", FrameFactory.IcmpMessage(from, to, 0, 0, 0, default), DropReason.IcmpNotSupported },
                { "an error", FrameFactory.IcmpMessage(from, to, 3, 3, 0, FrameFactory.Pattern(28)), DropReason.IcmpNotSupported },
                { "a timestamp", FrameFactory.IcmpMessage(from, to, 13, 0, 0, new byte[12]), DropReason.IcmpNotSupported },
                { "an unknown type", FrameFactory.IcmpMessage(from, to, 255, 0, 0, default), DropReason.IcmpNotSupported },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Anything_else_is_counted_once_and_dropped(string why, byte[] message, DropReason reason)
    {
        foreach (IpAddress to in new[] { Server.Address, (IpAddress)FrameFactory.Plan.Gateway })
        {
            var h = new DatagramHarness();
            byte[] packet = FrameFactory.Packet(Guest.Address, to, IpProtocol.Icmp, message);
            h.Icmp.OnMessage(FrameFactory.GuestMac, Guest.Address, to, message, 0, 64, false, packet, h.Clock.Now);
            Assert.True(h.Counters.Dropped(reason) == 1, why);
            Assert.Equal(1, h.Counters.DroppedInAll());
            Assert.Empty(h.GuestReceives());
            Assert.Empty(h.Host.Sockets);
        }
    }

    [Fact]
    public void What_is_no_reply_does_not_reach_the_guest()
    {
        _h.GuestSends(Ping(true));
        _h.Host.Last.DeliverDatagram(new IpEndpoint(Server.Address, 0), FrameFactory.IcmpMessage(Server.Address, Guest.Address, 13, 0, 0, default));
        _h.Host.Last.DeliverDatagram(new IpEndpoint(Server.Address, 0), [0, 0]);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(2, _h.Counters.Dropped(DropReason.BadIcmp));
    }
}
