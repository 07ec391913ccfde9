using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Udp;

/// <summary>Boundaries and octets: lengths, segmentation both ways, turns, what is lost and counted.</summary>
public sealed class UdpDataTests
{
    private readonly DatagramHarness _h = new();

    [Theory]
    [InlineData(true, 1472, 1)]
    [InlineData(true, 1473, 2)]
    [InlineData(true, 65507, 45)]
    [InlineData(false, 65527, 46)]
    public void Any_length_passes_both_ways(bool v4, int length, int frames)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        byte[] payload = FrameFactory.Pattern(length);
        _h.Udp.OnDatagram(FrameFactory.GuestMac, guest, server, payload, 0, 0, 64, false, [], _h.Clock.Now);
        Assert.Equal(payload, Assert.Single(_h.Host.Last.Datagrams).Payload);
        _h.Host.Last.DeliverDatagram(server, payload);
        List<SentPacket> packets = _h.GuestReceives();
        Assert.Equal(frames, packets.Count);
        Assert.True(Assert.Single(SentPacket.Reassemble(packets)).UdpPayload.SequenceEqual(payload));
    }

    [Fact]
    public void Segments_of_a_guest_frame_leave_in_one_call()
    {
        byte[] payload = FrameFactory.Pattern(20_000);
        _h.GuestSends(FrameFactory.Udp(Guest, Server, payload, dontFragment: true), segmentSize: 1200);
        SentDatagram sent = Assert.Single(_h.Host.Last.Datagrams);
        Assert.Equal(new DatagramOptions(1200, 0, 63, true), sent.Options);
        Assert.Equal(payload, sent.Payload);
    }

    [Fact]
    public void A_single_segment_is_a_plain_datagram()
    {
        _h.GuestSends(FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1200)), segmentSize: 1200);
        Assert.Equal(0, Assert.Single(_h.Host.Last.Datagrams).Options.SegmentSize);
    }

    [Fact]
    public void Where_the_host_cannot_segment_each_datagram_has_its_call()
    {
        _h.GuestSendsUdp(Guest, Server, "first"u8);
        _h.Host.Last.FailSends(HostError.Other, HostError.Other);
        byte[] payload = FrameFactory.Pattern(3_000);
        _h.GuestSends(FrameFactory.Udp(Guest, Server, payload), segmentSize: 1200);
        List<SentDatagram> sent = _h.Host.Last.Datagrams[1..];
        Assert.Equal([1200, 1200, 600], sent.Select(d => d.Payload.Length));
        Assert.Equal(payload, sent.SelectMany(d => d.Payload));
        Assert.All(sent, d => Assert.Equal(0, d.Options.SegmentSize));
        Assert.Equal(0, _h.Counters.DroppedInAll());
    }

    [Fact]
    public void Coalesced_datagrams_reach_the_guest_in_one_frame()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        byte[] payload = FrameFactory.Pattern(40 * 1400 + 3);
        _h.Host.Last.DeliverDatagram(Server, payload, segmentSize: 1400);
        SentPacket frame = _h.GuestReceivesOne();
        Assert.Equal((VirtioGsoType.UdpL4, 1400), (frame.Virtio.GsoType, frame.Virtio.GsoSize));
        List<byte[]> datagrams = frame.UdpDatagrams();
        Assert.Equal(41, datagrams.Count);
        Assert.Equal(payload, datagrams.SelectMany(d => d));
    }

    [Fact]
    public void A_flood_on_one_socket_lets_the_others_have_their_turn()
    {
        _h.GuestSendsUdp(Guest with { Port = 1 }, Server, "x"u8);
        _h.GuestSendsUdp(Guest with { Port = 2 }, Server, "x"u8);
        for (int i = 0; i < 100; i++) _h.Host.Sockets[0].DeliverDatagram(Server, [(byte)i]);
        _h.Host.Sockets[1].DeliverDatagram(Server, "patient"u8);
        _h.Turn();
        List<SentPacket> turn = _h.Host.TakePackets();
        Assert.Contains(turn, p => p.DestinationPort == 2);
        Assert.InRange(turn.Sum(p => p.UdpDatagrams().Count), 2, 70);
        Assert.True(_h.Udp.HasWork);
        List<SentPacket> rest = _h.GuestReceives();
        Assert.False(_h.Udp.HasWork);
        byte[] order = [.. turn.Concat(rest).Where(p => p.DestinationPort == 1).SelectMany(p => p.UdpDatagrams()).Select(d => d[0])];
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (byte)i), order);
    }

    [Fact]
    public void A_socket_closed_while_it_waits_for_its_turn_is_forgotten()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        for (int i = 0; i < 200; i++) _h.Host.Last.DeliverDatagram(Server, [(byte)i]);
        _h.Host.TryTakeEvent(out EventTarget target, out HostEvents events);
        _h.Udp.OnHostEvents(target, events, _h.Clock.Now);
        Assert.True(_h.Udp.HasWork);
        _h.Udp.Mappings.Close(_h.Udp.Mappings.At(target.Index)!);
        _h.Udp.RunReady(_h.Clock.Now);
        Assert.False(_h.Udp.HasWork);
        Assert.Equal(32, Assert.Single(_h.Host.TakePackets()).UdpDatagrams().Count);
    }

    [Theory]
    [InlineData(HostError.WouldBlock)]
    [InlineData(HostError.NoBuffers)]
    public void What_the_host_has_no_room_for_is_lost_and_counted(HostError error)
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.Last.FailSends(error);
        _h.GuestSendsUdp(Guest, Server, "y"u8);
        Assert.Single(_h.Host.Last.Datagrams);
        Assert.Equal(1, _h.Counters.Dropped(DropReason.UdpHostSendFailed));
        Assert.Empty(_h.GuestReceives());
    }

    [Fact]
    public void A_guest_link_that_is_down_costs_the_frame_only()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.Host.LinkResult = LinkResult.Down;
        _h.Host.Last.DeliverDatagram(Server, "y"u8);
        Assert.Empty(_h.GuestReceives());
        Assert.Equal(1, _h.Counters.Dropped(DropReason.LinkDown));
        _h.Host.LinkResult = LinkResult.Ok;
        _h.Host.Last.DeliverDatagram(Server, "z"u8);
        Assert.Equal("z"u8.ToArray(), _h.GuestReceivesOne().UdpPayload);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_datagram_allocates_nothing(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        byte[] payload = FrameFactory.Pattern(30_000);
        byte[] packet = FrameFactory.Udp(guest, server, payload);
        _h.Host.Records = false;
        _h.Udp.OnDatagram(FrameFactory.GuestMac, guest, server, payload, 1400, 0, 64, false, packet, _h.Clock.Now);
        for (int i = 0; i < 1_000; i++) _h.Host.Last.DeliverDatagram(server, payload, i % 2 == 0 ? 1400 : 0);
        long allocated = Allocation.Of(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                _h.Udp.OnDatagram(FrameFactory.GuestMac, guest, server, payload, 1400, 0, 64, false, packet, _h.Clock.Now);
                if (i % 33 == 0) _h.Turn();
            }
        });
        Assert.InRange(_h.Host.Last.UnreadDatagrams, 1, 900); // every run carried datagrams toward the guest as well
        AssertNoneAllocated(allocated);
    }

    [Fact]
    public void A_mapping_in_the_place_of_another_allocates_nothing()
    {
        var h = new DatagramHarness(new() { UdpMappings = 16 });
        h.Host.Records = false;
        byte[] packet = FrameFactory.Udp(Guest, Server, default);
        long perMapping = Allocation.Of(() =>
        {
            for (int port = 1; port <= 64; port++) Send(port);
        }) / 64;
        // The fake host makes a socket with its queues each time; the engine adds nothing that would show beside them.
        long perSocket = Allocation.Of(() =>
        {
            var world = new FakeWorld(new FakeHost());
            for (int i = 0; i < 64; i++) world.OpenUdp(AddressFamily.Ipv4, null, new EventTarget(EventKind.UdpMapping, i, 0), out _);
        }) / 64;
        Assert.True(perMapping <= perSocket + 64, $"{perMapping} octets a mapping, {perSocket} of them the fake socket's");

        void Send(int port) => h.Udp.OnDatagram(
            FrameFactory.GuestMac, Guest with { Port = (ushort)port }, Server, default, 0, 0, 64, false, packet, h.Clock.Now);
    }
}
