using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Segments that come before their turn, twice, or across each other (RFC 9293 section 3.10.7.4, RFC 2018).</summary>
public sealed class OutOfOrderTests : TcpConversation
{
    private readonly byte[] _stream = Octets(200_000, 7);

    /// <summary>Sends the octets of the stream from <paramref name="from"/> up to <paramref name="to"/>, counted from 0.</summary>
    private void Sends(int from, int to) => Guest.Sends(Ack, seq: from + 1, data: _stream.AsSpan(from, to - from));

    private SentPacket Acknowledges(int octets) => Guest.Receives(Ack, ack: octets + 1);

    private (int From, int To)[] Reported(SentPacket packet)
    {
        SackBlocks sack = TcpOptions.Parse(packet.Tcp.Options).Sack;
        var blocks = new (int, int)[sack.Count];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = (sack[i].Left.Since(Guest.Iss) - 1, sack[i].Right.Since(Guest.Iss) - 1);
        return blocks;
    }

    [Fact]
    public void A_hole_is_reported_and_filled()
    {
        Guest.Connects();
        Sends(0, 100);
        Acknowledges(100);
        Sends(200, 300);
        Assert.Equal([(200, 300)], Reported(Acknowledges(100)));
        Host.Hears(_stream.AsSpan(0, 100));
        Sends(100, 200);
        Assert.Empty(Reported(Acknowledges(300)));
        Host.Hears(_stream.AsSpan(100, 200));
    }

    [Fact]
    public void The_latest_arrival_is_reported_first()
    {
        Guest.Connects();
        Sends(500, 600);
        Acknowledges(0);
        Sends(100, 200);
        Assert.Equal([(100, 200), (500, 600)], Reported(Acknowledges(0)));
        Sends(600, 700);
        Assert.Equal([(500, 700), (100, 200)], Reported(Acknowledges(0)));
        Sends(300, 310);
        Sends(800, 810);
        World.Host.Frames.RemoveAt(0);
        Assert.Equal((800, 810), Reported(Acknowledges(0))[0]);
    }

    [Fact]
    public void With_timestamps_three_blocks_fit()
    {
        Guest.HasTimestamps = true;
        Guest.Connects();
        for (int i = 1; i <= 6; i++) Guest.Sends(Ack, seq: i * 100, data: _stream.AsSpan(0, 10));
        Assert.Equal(3, Reported(SentPacket.Parse(World.Host.Frames[^1])).Length);
        Guest.TakesAll();
    }

    [Theory]
    [InlineData(68, false, 3)]
    [InlineData(68, true, 1)]
    [InlineData(80, true, 3)]
    public void As_many_blocks_are_reported_as_the_MTU_has_room_for(int mtu, bool timestamps, int blocks)
    {
        Restart(new TcpHarnessOptions { Mtu = mtu });
        Guest.HasTimestamps = timestamps;
        Guest.Connects();
        for (int i = 1; i <= 6; i++) Guest.Sends(Ack, seq: i * 100, data: _stream.AsSpan(0, 10));
        SentPacket last = SentPacket.Parse(World.Host.Frames[^1]);
        Assert.Equal(blocks, Reported(last).Length);
        Assert.InRange(last.IpLength, 40, mtu);
        Guest.TakesAll();
    }

    public static TheoryData<string, int[]> Shapes => new()
    {
        { "the same twice", [100, 200, 100, 200] },
        { "one inside the other", [100, 200, 120, 180] },
        { "one around the other", [120, 180, 100, 200] },
        { "overlap on the left", [100, 200, 50, 150] },
        { "overlap on the right", [100, 200, 150, 250] },
        { "same start, longer", [100, 200, 100, 300] },
        { "same end, longer", [100, 200, 50, 200] },
        { "touching", [100, 200, 200, 300] },
        { "across two", [100, 200, 300, 400, 150, 350] },
        { "around two", [100, 200, 300, 400, 50, 450] },
        { "across many", [100, 110, 120, 130, 140, 150, 160, 170, 105, 165] },
        { "backwards", [400, 500, 300, 400, 200, 300, 100, 200] },
        { "in order across a hole", [100, 200, 0, 150] },
        { "in order around a hole", [100, 200, 300, 400, 0, 350] },
        { "large ones", [40_000, 64_000, 20_000, 60_000] },
        { "large in order around small", [100, 200, 300, 400, 0, 60_000] },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Any_overlap_gives_the_stream(string why, int[] edges)
    {
        Assert.NotEmpty(why);
        Guest.Connects();
        int end = 0;
        for (int i = 0; i < edges.Length; i += 2)
        {
            Sends(edges[i], edges[i + 1]);
            end = Math.Max(end, edges[i + 1]);
        }
        // Fill what is left, a piece that crosses everything.
        for (int at = 0; at < end; at += 50_000) Sends(at, Math.Min(at + 50_000, end));
        Host.Hears(_stream.AsSpan(0, end));
        Assert.Equal(1 + end, SentPacket.Parse(World.Host.Frames[^1]).Tcp.Acknowledgment.Since(Guest.Iss));
        Guest.TakesAll();
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void What_came_first_stays(string why, int[] edges)
    {
        Assert.NotEmpty(why);
        Guest.Connects();
        int end = 0;
        for (int i = 1; i < edges.Length; i += 2) end = Math.Max(end, edges[i]);
        var expected = new byte[end];
        var isSet = new bool[end];
        for (int i = 0; i < edges.Length + 2; i += 2)
        {
            // Each segment has content of its own; the last one fills all that is left.
            (int from, int to) = i < edges.Length ? (edges[i], edges[i + 1]) : (0, Math.Min(end, 60_000));
            byte[] own = Octets(to - from, 100 + i);
            for (int at = from; at < to; at++)
            {
                if (isSet[at]) continue;
                (expected[at], isSet[at]) = (own[at - from], true);
            }
            Guest.Sends(Ack, seq: from + 1, data: own);
        }
        int known = Array.IndexOf(isSet, false);
        Host.Hears(expected.AsSpan(0, known < 0 ? end : known));
        Guest.TakesAll();
    }

    [Fact]
    public void More_holes_than_are_kept_cost_a_retransmission_and_nothing_else()
    {
        Guest.Connects();
        for (int i = 0; i < 1500; i++) Sends(i * 2 + 1, i * 2 + 2);
        Dropped(DropReason.TcpTooManyHoles, 1500 - OutOfOrderQueue.MaxSegments);
        Guest.TakesAll();
        Sends(0, 3000);
        Acknowledges(3000);
        Host.Hears(_stream.AsSpan(0, 3000));
    }

    [Fact]
    public void One_octet_segments_in_reverse_are_put_in_order_in_reasonable_time()
    {
        Guest.Connects();
        for (int i = 999; i >= 0; i--) Guest.Queues(Ack, seq: i + 1, data: _stream.AsSpan(i, 1));
        World.Turn();
        Host.Hears(_stream.AsSpan(0, 1000));
        Acknowledges(1000);
    }

    [Fact]
    public void Octets_kept_out_of_order_survive_the_reuse_of_their_frames()
    {
        Guest.Connects();
        Sends(1000, 3000);
        Sends(30_000, 60_000);
        for (int i = 0; i < 50; i++) Sends(100_000 + i * 1000, 100_500 + i * 1000);
        Sends(0, 30_000);
        Host.Hears(_stream.AsSpan(0, 60_000));
        Guest.TakesAll();
    }

    [Fact]
    public void A_FIN_before_its_turn_waits()
    {
        Guest.Connects();
        Guest.Sends(FinAck, seq: 201, data: _stream.AsSpan(200, 100));
        Assert.Equal([(200, 300)], Reported(Guest.Receives(Ack, ack: 1)));
        FlowIs(GuestTcpState.Established);
        Sends(0, 200);
        Guest.Receives(Ack, ack: 302);
        FlowIs(GuestTcpState.CloseWait);
        Host.Hears(_stream.AsSpan(0, 300));
        Host.HearsEnd();
    }

    [Fact]
    public void Data_behind_the_FIN_is_not_data()
    {
        Guest.Connects();
        Guest.Sends(FinAck, seq: 101);
        Guest.Receives(Ack, ack: 1);
        Sends(0, 300);
        Guest.Receives(Ack, ack: 102);
        Host.Hears(_stream.AsSpan(0, 100));
        Host.HearsEnd();
    }

    [Fact]
    public void Held_octets_go_to_a_slow_socket_in_order()
    {
        Guest.Connects();
        Host.Socket.LimitSend(50);
        Sends(100, 60_000);
        Sends(0, 100);
        Guest.TakesAll();
        for (int i = 0; i < 70; i++)
        {
            Host.Socket.MakeRoom(1000);
            World.Turn();
        }
        Host.Hears(_stream.AsSpan(0, 60_000));
        Guest.TakesAll();
    }

    [Fact]
    public void A_guest_without_SACK_hears_of_every_segment_behind_a_hole()
    {
        // Its fast retransmission counts them (RFC 5681 section 4.2: an immediate duplicate ACK for each).
        Guest.SynOptions = new TcpOptions { Mss = 1460 };
        Guest.Connects();
        for (int i = 1; i <= 4; i++) Guest.Queues(Ack, seq: 1 + i * 1000, data: _stream.AsSpan(i * 1000, 1000));
        World.Turn();
        for (int i = 1; i <= 4; i++) Guest.Receives(Ack, ack: 1, length: 0);
        Guest.ReceivesNothing();
    }
}
