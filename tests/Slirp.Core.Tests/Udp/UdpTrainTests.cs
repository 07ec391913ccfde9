using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Udp;

/// <summary>Datagrams of one turn that go the same way travel together, and arrive as they were sent.</summary>
public sealed class UdpTrainTests
{
    private static readonly IpEndpoint Other = FrameFactory.Endpoint("192.0.2.8", 4000);

    private readonly DatagramHarness _h = new();

    private List<SentDatagram> Sent => _h.Host.Last.Datagrams;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Datagrams_of_one_turn_leave_in_one_call(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.GuestSendsTogether(Enumerable.Range(0, 30).Select(i => FrameFactory.Udp(guest, server, Numbered(i, 1400))));
        SentDatagram train = Assert.Single(Sent);
        Assert.Equal((1400, server), (train.Options.SegmentSize, train.Destination));
        Assert.Equal(Enumerable.Range(0, 30).SelectMany(i => Numbered(i, 1400)), train.Payload);
        Assert.False(_h.Udp.HasWork);
    }

    [Fact]
    public void A_shorter_one_ends_a_train_and_a_longer_one_begins_another()
    {
        SendsTogether(1000, 1000, 600, 600, 800, 1, 0, 5);
        Assert.Equal([1000, 1000, 600, 600, 800, 1, 0, 5], Sent.SelectMany(Lengths));
        Assert.Equal([2600, 600, 801, 0, 5], Sent.Select(d => d.Payload.Length));
    }

    [Fact]
    public void Large_ones_go_alone_and_in_order()
    {
        SendsTogether(100, 100, 20_000, 20_000, 100);
        Assert.Equal([100, 100, 20_000, 20_000, 100], Sent.SelectMany(Lengths));
    }

    [Fact]
    public void A_train_is_what_one_packet_holds_and_the_kernel_takes()
    {
        SendsTogether([.. Enumerable.Repeat(10_000, 20)]);
        Assert.Equal([60_000, 60_000, 60_000, 20_000], Sent.Select(d => d.Payload.Length));
        Sent.Clear();
        SendsTogether([.. Enumerable.Repeat(10, 200)]);
        Assert.Equal([640, 640, 640, 80], Sent.Select(d => d.Payload.Length));
    }

    [Fact]
    public void Other_options_begin_another_train_and_keep_the_order()
    {
        byte[] Marked(int i, byte tos) => FrameFactory.Udp(Guest, Server, Numbered(i, 10), trafficClass: tos);
        _h.GuestSendsTogether(Marked(0, 8), Marked(1, 8), Marked(2, 0), Marked(3, 8));
        Assert.Equal([8, 0, 8], Sent.Select(d => (int)d.Options.TrafficClass));
        Assert.Equal(Enumerable.Range(0, 4).SelectMany(i => Numbered(i, 10)), Sent.SelectMany(d => d.Payload));
    }

    [Fact]
    public void Destinations_in_turn_have_a_train_each()
    {
        _h.GuestSendsTogether(Enumerable.Range(0, 20).Select(i => FrameFactory.Udp(Guest, i % 2 == 0 ? Server : Other, Numbered(i, 100))));
        Assert.Equal([1000, 1000], Sent.Select(d => d.Payload.Length));
        Assert.Equal([Server, Other], Sent.Select(d => d.Destination));
    }

    [Fact]
    public void More_conversations_than_trains_lose_nothing()
    {
        var expected = new List<string>();
        var packets = new List<byte[]>();
        for (int i = 0; i < 60; i++)
        {
            var to = new IpEndpoint(Server.Address, (ushort)(4000 + i % 7));
            packets.Add(FrameFactory.Udp(Guest, to, Numbered(i, 50)));
            expected.Add($"{to.Port}:{i}");
        }
        _h.GuestSendsTogether(packets);
        IEnumerable<string> sent = Sent.SelectMany(d => d.Payload.Chunk(50).Select(p => $"{d.Destination.Port}:{p[0]}"));
        Assert.Equal(expected.OrderBy(s => s, StringComparer.Ordinal), sent.OrderBy(s => s, StringComparer.Ordinal));
    }

    [Fact]
    public void A_train_that_the_host_refuses_goes_one_by_one_and_is_not_tried_again()
    {
        SendsTogether(10);
        _h.Host.Last.PathMtu = 1000;
        SendsTogether(1400, 1400, 1400);
        Assert.Equal([10, 1400, 1400, 1400], Sent.Select(d => d.Payload.Length)); // without DF the host fragments them
        Assert.Equal(0, _h.Counters.DroppedInAll());
        _h.Host.Last.FailSends(HostError.None, HostError.None, HostError.Other, HostError.Other);
        SendsTogether(1400, 1400);
        Assert.Equal(6, Sent.Count); // one call each: the failures wait for later ones
        SendsTogether(900, 900);
        Assert.Equal([900, 900], Sent[6..].Select(d => d.Payload.Length)); // small enough for a train, which those have met
    }

    [Fact]
    public void What_is_lost_of_a_train_is_counted_and_the_guest_is_told_once()
    {
        SendsTogether(10);
        _h.Host.Last.PathMtu = 1000;
        byte[] first = FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1400), dontFragment: true);
        _h.GuestSendsTogether(first, first, first);
        SentPacket told = _h.GuestReceivesOne();
        Assert.Equal((3, 4, 1000u), (told.IcmpType, told.IcmpCode, told.IcmpRest));
        Assert.True(told.IcmpBody.SequenceEqual(first.AsSpan(0, 548)));
        Assert.Equal(3, _h.Counters.Dropped(DropReason.UdpHostSendFailed));
    }

    [Fact]
    public void A_full_socket_loses_the_train_and_no_more()
    {
        SendsTogether(10);
        _h.Host.Last.FailSends(HostError.WouldBlock);
        SendsTogether(700, 700, 700);
        Assert.Equal(3, _h.Counters.Dropped(DropReason.UdpHostSendFailed));
        SendsTogether(700, 700);
        Assert.Equal([10, 1400], Sent.Select(d => d.Payload.Length));
    }

    [Fact]
    public void A_mapping_that_makes_room_within_the_turn_takes_its_train_along()
    {
        var h = new DatagramHarness(new() { UdpMappings = 1 });
        h.GuestSendsTogether(FrameFactory.Udp(Guest with { Port = 1 }, Server, "x"u8), FrameFactory.Udp(Guest with { Port = 2 }, Server, "y"u8));
        Assert.Equal("y"u8.ToArray(), Assert.Single(h.Host.Last.Datagrams).Payload);
        Assert.Empty(h.Host.Sockets[0].Datagrams);
        Assert.Equal(1, h.Counters.Dropped(DropReason.UdpFlowLimit));
        h.AssertCloses();
    }

    [Fact]
    public void Datagrams_of_one_turn_reach_the_guest_in_one_frame()
    {
        SendsTogether(1);
        for (int i = 0; i < 25; i++) _h.Host.Last.DeliverDatagram(Server, Numbered(i, 1400));
        SentPacket frame = _h.GuestReceivesOne();
        Assert.Equal((VirtioGsoType.UdpL4, 1400), (frame.Virtio.GsoType, frame.Virtio.GsoSize));
        Assert.Equal(Enumerable.Range(0, 25).SelectMany(i => Numbered(i, 1400)), frame.UdpDatagrams().SelectMany(d => d));
    }

    [Fact]
    public void What_differs_goes_on_by_itself_and_in_order()
    {
        SendsTogether(1);
        FakeSocket socket = _h.Host.Last;
        socket.DeliverDatagram(Server, Numbered(0, 100));
        socket.DeliverDatagram(Server, Numbered(1, 100));
        socket.DeliverDatagram(Server, Numbered(2, 40)); // shorter: the last of them
        socket.DeliverDatagram(Server, Numbered(3, 40));
        socket.DeliverDatagram(Server, []);
        socket.DeliverDatagram(Other, Numbered(4, 40)); // another sender
        socket.DeliverDatagram(Other, Numbered(5, 40), trafficClass: 3); // congestion was experienced
        socket.DeliverDatagram(Other, FrameFactory.Pattern(300), segmentSize: 100); // together already
        socket.DeliverDatagram(Other, FrameFactory.Pattern(65_507));
        socket.DeliverDatagram(Other, Numbered(6, 40));
        List<SentPacket> packets = SentPacket.Reassemble(_h.GuestReceives());
        Assert.Equal([3, 1, 1, 1, 1, 3, 1, 1], packets.Select(p => p.Virtio.GsoType == VirtioGsoType.UdpL4 ? p.UdpDatagrams().Count : 1));
        Assert.Equal([240, 40, 0, 40, 40, 300, 65_507, 40], packets.Select(p => p.UdpPayload.Length));
        Assert.Equal(3, packets[4].TrafficClass);
    }

    [Fact]
    public void Without_segmentation_on_the_link_each_datagram_has_its_frame()
    {
        var h = new DatagramHarness(offloads: LinkOffloads.VirtioHeader | LinkOffloads.Checksum);
        h.GuestSendsUdp(Guest, Server, "x"u8);
        for (int i = 0; i < 5; i++) h.Host.Last.DeliverDatagram(Server, Numbered(i, 500));
        Assert.Equal(Enumerable.Range(0, 5).Select(i => (byte)i), h.GuestReceives().Select(p => p.UdpPayload[0]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Many_of_every_size_keep_their_boundaries_both_ways(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        var random = new Random(7);
        var sizes = new List<int>();
        for (int i = 0; i < 2000; i++)
            sizes.Add(i > 0 && random.Next(3) > 0 ? sizes[i - 1] : random.Next(random.Next(2) == 0 ? 200 : 30_000));
        foreach (int[] turn in sizes.Chunk(32))
            _h.GuestSendsTogether(turn.Select(size => FrameFactory.Udp(guest, server, FrameFactory.Pattern(size))));
        Assert.Equal(sizes, Sent.SelectMany(Lengths));
        Assert.True(Sent.Count < 1500, $"{Sent.Count} calls for 2000 datagrams");

        foreach (int size in sizes) _h.Host.Last.DeliverDatagram(server, FrameFactory.Pattern(size));
        List<SentPacket> packets = SentPacket.Reassemble(_h.GuestReceives());
        Assert.Equal(sizes, packets.SelectMany(
            p => p.Virtio.GsoType == VirtioGsoType.UdpL4 ? p.UdpDatagrams().Select(d => d.Length) : [p.UdpPayload.Length]));
        _h.AssertCloses();
    }

    [Fact]
    public void A_train_allocates_nothing()
    {
        _h.Host.Records = false;
        byte[] packet = FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(1000));
        int headers = packet.Length - 1000;
        SendsTogether(10);
        for (int i = 0; i < 5_000; i++) _h.Host.Last.DeliverDatagram(Server, packet.AsSpan(headers));
        long allocated = Allocation.Of(() =>
        {
            for (int i = 0; i < 64; i++)
            {
                _h.Udp.OnDatagram(
                    FrameFactory.GuestMac, Guest, Server, packet.AsSpan(headers), 0, 0, 64, false, packet, _h.Clock.Now);
                if (i % 32 == 31) _h.Turn();
            }
        });
        Assert.InRange(_h.Host.Last.UnreadDatagrams, 1, 4_999); // every run carried datagrams toward the guest as well
        AssertNoneAllocated(allocated);
    }

    private void SendsTogether(params int[] lengths) =>
        _h.GuestSendsTogether(lengths.Select((length, i) => FrameFactory.Udp(Guest, Server, Numbered(i, length))));

    private static byte[] Numbered(int number, int length) => [.. Enumerable.Repeat((byte)number, length)];

    private static IEnumerable<int> Lengths(SentDatagram sent) =>
        sent.Options.SegmentSize == 0 ? [sent.Payload.Length] : sent.Payload.Chunk(sent.Options.SegmentSize).Select(d => d.Length);
}
