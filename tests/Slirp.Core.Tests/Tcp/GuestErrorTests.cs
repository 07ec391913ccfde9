using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>ICMP errors of the guest's about segments of ours (RFC 5461, RFC 5927, RFC 1191, RFC 8201).</summary>
public sealed class GuestErrorTests : LossConversation
{
    private static readonly IpEndpoint Listener = FrameFactory.Endpoint("10.0.2.100", 8080);
    private static readonly IpEndpoint Client = FrameFactory.Endpoint("198.51.100.9", 50123);

    /// <summary>What is under way was too large to arrive: all of it goes again at once in smaller pieces, for this is no
    /// congestion, and so does the rest.</summary>
    [Theory]
    [InlineData(false, false, 700, 660)]
    [InlineData(true, false, 700, 660)]
    [InlineData(true, true, 700, 648)]
    [InlineData(true, false, 500, 460)]
    [InlineData(true, false, 68, 64)] // as small as a guest may announce
    [InlineData(true, false, 0, 966)] // an old router does not say: the next plateau below 1040 is 1006
    public void A_narrower_link_behind_the_guest_is_heeded_at_once(bool sack, bool timestamps, int mtu, int segment)
    {
        Begins(sack, timestamps);
        LosesSegments(8);
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: true, mtu), 1));
        AssertWindowOfABeginner(segment);
        Assert.Equal(Stream[..Said], TakesInSegmentsOf(segment, Said));
        Host.Says(Stream.AsSpan(Said, 3000));
        Assert.Equal(Stream[Said..(Said + 3000)], TakesInSegmentsOf(segment, 3000));
        Assert.Equal(0, World.Counters.TcpRetransmitTimeouts);
    }

    /// <summary>Each packet of a flight has its error, and whoever makes them up can make more: one answer to them all.</summary>
    [Fact]
    public void Many_errors_at_once_cost_one_retransmission()
    {
        Begins(sack: true);
        LosesSegments(8);
        for (int mtu = 1000; mtu > 600; mtu--)
            World.Engine.TryHear(IcmpError.PacketTooBig(isIpv4: true, mtu), About(1, 20 + 20 + Mss));
        World.Turn();
        AssertWindowOfABeginner(601 - 40);
    }

    /// <summary>RFC 1191 section 5: what is told of packets that were sent before the path was known says nothing new.</summary>
    [Fact]
    public void A_router_that_names_no_size_is_heeded_once_for_a_flight()
    {
        Begins(sack: true);
        LosesSegments(8);
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: true, 0), 1));
        for (int i = 1; i < 8; i++) Assert.False(Hears(IcmpError.PacketTooBig(isIpv4: true, 0), 1 + i * Mss));
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: true, 0), 1, packetLength: 1006));
    }

    /// <summary>RFC 5681 section 4.3: a copy that is lost as well is congestion again, once for all that was sent since.</summary>
    [Fact]
    public void Copies_that_are_lost_again_and_again_become_fewer()
    {
        Begins(sack: true);
        LosesSegments(200);
        var sizes = new List<int>();
        int held = 150;
        for (int round = 0; round < 5; round++, held += 3)
        {
            World.AdvanceMilliseconds(8);
            Acknowledges(0, (held, held + 3));
            World.AdvanceMilliseconds(20);
            sizes.Add(World.Host.Frames.Count);
            World.Host.Frames.Clear();
        }
        Assert.True(sizes[^1] < sizes[0] / 2, string.Join(' ', sizes));
    }

    [Theory]
    [InlineData(0)] // the SYN, long acknowledged
    [InlineData(1 + 8 * Mss)] // not sent yet
    [InlineData(1 + 100 * Mss)]
    public void An_error_about_what_is_not_under_way_is_not_believed(int sequence)
    {
        Begins();
        LosesSegments(8);
        Assert.False(Hears(IcmpError.PacketTooBig(isIpv4: true, 700), sequence));
        Guest.ReceivesNothing();
    }

    [Fact]
    public void The_same_news_again_or_of_a_wider_link_changes_nothing()
    {
        Begins();
        LosesSegments(8);
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: true, 700), 1));
        World.Host.Frames.Clear();
        Assert.False(Hears(IcmpError.PacketTooBig(isIpv4: true, 700), 1));
        Assert.False(Hears(IcmpError.PacketTooBig(isIpv4: true, 1400), 1));
        Guest.ReceivesNothing();
    }

    [Theory]
    [InlineData(1400, 1340)]
    [InlineData(600, 1220)] // RFC 8200 section 5: no link is narrower than 1280
    public void IPv6_knows_packets_that_are_too_big(int mtu, int segment)
    {
        Guest = new ScriptedGuest(World, GuestEnd6, ServerEnd6) { SynOptions = new TcpOptions { Mss = 1440 } };
        Guest.Connects();
        Host.Says(Stream.AsSpan(0, 1440));
        World.Host.Frames.Clear();
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: false, mtu), 1));
        AssertSegmentsOfAtMost(segment);
        Assert.Equal(Stream[..1440], Guest.TakesAll());
    }

    /// <summary>A timeout that was wrong is undone when the guest answers late; one on a path that was too narrow was right.</summary>
    [Fact]
    public void What_the_narrow_link_has_lost_is_not_taken_for_late()
    {
        Begins(sack: true, timestamps: true);
        LosesSegments(4);
        while (World.Counters.TcpRetransmitTimeouts == 0) World.AdvanceMilliseconds(1);
        World.Host.Frames.Clear();
        Assert.True(Hears(IcmpError.PacketTooBig(isIpv4: true, 700), 1));
        for (int round = 0; round < 20 && Guest.Seen < 1 + Said; round++)
        {
            Guest.TakesAll();
            World.AdvanceMilliseconds(8);
            Guest.Sends(Ack);
        }
        Assert.Equal(1 + Said, Guest.Seen);
        Assert.Equal(1, World.Counters.TcpRetransmitTimeouts);
    }

    public static TheoryData<byte, byte> Refusals4 => new() { { 3, 0 }, { 3, 1 }, { 3, 2 }, { 3, 3 }, { 3, 9 }, { 3, 10 }, { 3, 13 } };

    [Theory]
    [MemberData(nameof(Refusals4))]
    public void A_connection_from_outside_that_the_guest_calls_unreachable_is_reset_outside(byte type, byte code)
    {
        Comes();
        Assert.True(Hears(new IcmpHeader(type, code), 0));
        Host.IsReset();
        FlowIsGone();
    }

    [Theory]
    [InlineData(3, 4)] // a SYN is never too big
    [InlineData(11, 0)]
    [InlineData(12, 0)]
    [InlineData(4, 0)]
    [InlineData(5, 1)]
    [InlineData(0, 0)]
    public void Other_errors_about_a_SYN_are_not_heeded(byte type, byte code)
    {
        Comes();
        Assert.False(Hears(new IcmpHeader(type, code, 1000), 0));
        FlowIs(GuestTcpState.SynSent);
    }

    [Theory]
    [MemberData(nameof(Refusals4))]
    public void An_open_connection_outlives_what_the_guest_calls_unreachable(byte type, byte code)
    {
        Begins();
        LosesSegments(1);
        Assert.False(Hears(new IcmpHeader(type, code), 1));
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void A_connect_of_the_guest_s_that_waits_for_the_host_has_nothing_under_way()
    {
        Guest.Sends(Syn);
        Assert.False(Hears(new IcmpHeader(3, 3), 0));
        Assert.False(Hears(IcmpError.PacketTooBig(isIpv4: true, 700), 0));
        FlowIs(GuestTcpState.SynHeld);
    }

    private void Comes()
    {
        Guest = new ScriptedGuest(World, Listener, Client);
        FakeSocket accepted = World.Host.Accept(Client);
        Host.Socket = accepted;
        World.Engine.OpenInbound(accepted.Handle, new FlowKey(Listener, Client), FrameFactory.GuestMac, World.Now);
        World.Turn();
        Guest.Receives(Syn, seq: 0);
    }

    private QuotedSegment About(int sequence, int packetLength) => new(Guest.Remote, Guest.Local, Guest.PeerIss + sequence, packetLength);

    private byte[] TakesInSegmentsOf(int most, int length)
    {
        var octets = new List<byte>();
        while (octets.Count < length)
        {
            AssertSegmentsOfAtMost(most);
            octets.AddRange(Guest.TakesAll());
            Guest.Sends(Ack);
        }
        return [.. octets];
    }

    private bool Hears(in IcmpHeader error, int sequence, int packetLength = 20 + 20 + Mss)
    {
        bool isHeard = World.Engine.TryHear(error, About(sequence, packetLength));
        World.Turn();
        return isHeard;
    }

    /// <summary>What is sent into a path that is not known (RFC 6928).</summary>
    private void AssertWindowOfABeginner(int segment) =>
        Assert.InRange(World.Host.Frames.Sum(frame => SentPacket.Parse(frame).TcpPayload.Length), segment, 10 * segment);

    private void AssertSegmentsOfAtMost(int length)
    {
        Assert.NotEmpty(World.Host.Frames);
        foreach (byte[] frame in World.Host.Frames) Assert.InRange(SentPacket.Parse(frame).TcpPayload.Length, 1, length);
    }
}
