using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Losses that nothing tells of: where reports are not to be had, or what mends a loss is lost itself, the oldest
/// segment is sent again after two round trips, and the timer is never needed.</summary>
public sealed class ProbeTests : LossConversation
{
    private void NoTimerFired() => Assert.Equal(0, World.Counters.TcpRetransmitTimeouts);

    [Fact]
    public void A_flight_that_is_lost_is_begun_again_after_two_round_trips()
    {
        Begins();
        LosesSegments(5);
        World.AdvanceMilliseconds(15);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(2);
        SendsSegment(0);
        Guest.ReceivesNothing();
        for (int i = 1; i < 5; i++)
        {
            Acknowledges(i);
            SendsSegment(i);
            Guest.ReceivesNothing();
        }
        Acknowledges(5);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
        NoTimerFired();
    }

    [Fact]
    public void A_lone_segment_may_wait_for_its_acknowledgment()
    {
        Begins();
        LosesSegments(1);
        World.AdvanceMilliseconds(195);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void One_duplicate_in_a_small_flight_is_enough()
    {
        Begins();
        LosesSegments(2);
        World.AdvanceMilliseconds(8);
        Acknowledges(0);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(3); // the time that RACK gives a late segment
        SendsSegment(0);
        Guest.ReceivesNothing();
        Acknowledges(2);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
        NoTimerFired();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_retransmission_that_is_lost_is_sent_again_without_the_timer(bool sack)
    {
        Begins(sack);
        LosesSegments(10);
        World.AdvanceMilliseconds(8);
        for (int i = 0; i < 3; i++)
        {
            if (sack) Acknowledges(0, (1, 10));
            else Acknowledges(0);
        }
        SendsSegment(0);
        World.AdvanceMilliseconds(15);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(2);
        SendsSegment(0);
        Guest.ReceivesNothing();
        Acknowledges(10);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
        NoTimerFired();
    }

    /// <summary>What lies behind a hole is reported beside the timestamp of what lay before it (RFC 7323 section 4.3).</summary>
    [Fact]
    public void The_report_of_a_probe_is_not_taken_for_one_of_the_first_copy()
    {
        Begins(sack: true, timestamps: true);
        LosesSegments(3);
        World.AdvanceMilliseconds(17);
        SendsSegment(2);
        World.AdvanceMilliseconds(8);
        var blocks = default(SackBlocks);
        blocks.Add(Guest.PeerIss + 1 + 2 * Mss, Guest.PeerIss + 1 + 3 * Mss);
        Guest.Sends(Ack, ack: 1, options: new TcpOptions { HasTimestamps = true, TimestampValue = Guest.TimestampNow, TimestampEcho = Guest.PeerTimestamp, Sack = blocks });
        World.AdvanceMilliseconds(3);
        SendsSegment(0);
        SendsSegment(1);
        NoTimerFired();
    }

    /// <summary>The reordering timer finds the loss, and what mends it is lost as well.</summary>
    [Fact]
    public void What_the_reordering_timer_has_sent_again_is_watched()
    {
        Begins(sack: true);
        LosesSegments(3);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 3));
        World.AdvanceMilliseconds(3);
        SendsSegment(0);
        World.AdvanceMilliseconds(17);
        SendsSegment(0);
        NoTimerFired();
    }

    [Fact]
    public void The_end_and_its_FIN_are_probed_in_one_segment()
    {
        Begins(sack: true);
        Host.Socket.Deliver(Stream.AsSpan(0, 100));
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        World.Host.Frames.Clear();
        World.AdvanceMilliseconds(17);
        Guest.Receives(Ack | Fin, seq: 1, length: 100);
        Guest.Sends(Ack);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
        NoTimerFired();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_end_is_probed_though_what_comes_before_it_lies_in_another_slot(bool closes)
    {
        Restart(new TcpHarnessOptions()); // where one frame has many segments, one read fills a slot
        Begins(sack: true);
        Host.Says(Stream.AsSpan(0, 64_000));
        Host.Socket.Deliver(Stream.AsSpan(64_000, 100));
        if (closes) Host.Socket.DeliverEndOfFile();
        World.Turn();
        World.Host.Frames.Clear();
        World.AdvanceMilliseconds(17);
        SentPacket probe = Guest.Receives(closes ? FinAck : Ack, seq: 64_001, length: 100);
        Assert.True(probe.TcpPayload.SequenceEqual(Stream.AsSpan(64_000, 100)));
        Guest.ReceivesNothing();
        NoTimerFired();
    }

    [Fact]
    public void What_is_lost_after_a_timeout_does_not_wait_for_a_longer_one()
    {
        Begins();
        LosesSegments(20);
        while (World.Counters.TcpRetransmitTimeouts < 3)
        {
            World.Host.Frames.Clear();
            World.AdvanceMilliseconds(1);
        }
        SendsSegment(0);
        Acknowledges(1);
        SendsSegment(1);
        SendsSegment(2);
        Guest.ReceivesNothing(); // they are lost
        World.AdvanceMilliseconds(17);
        SendsSegment(1);
        Assert.Equal(3, World.Counters.TcpRetransmitTimeouts);
    }

    [Fact]
    public void Each_probe_waits_twice_as_long_until_the_timer_ends_it()
    {
        Begins();
        LosesSegments(5);
        int passed = 0;
        foreach (int due in new[] { 16, 48, 112, 216 })
        {
            World.AdvanceMilliseconds(due - 1 - passed);
            Guest.ReceivesNothing();
            World.AdvanceMilliseconds(2);
            passed = due + 1;
            SendsSegment(0);
            Guest.ReceivesNothing();
        }
        Assert.Equal((3, 1), (World.Counters.TcpTailProbes, World.Counters.TcpRetransmitTimeouts));
    }

    [Fact]
    public void Round_trips_that_have_grown_are_learnt()
    {
        Begins();
        long before = 0;
        for (int i = 0; i < 24; i++)
        {
            before = World.Counters.TcpTailProbes;
            LosesSegments(2);
            World.AdvanceMilliseconds(60);
            World.Host.Frames.Clear();
            Acknowledges(2 * (i + 1));
        }
        Assert.Equal(before, World.Counters.TcpTailProbes);
        NoTimerFired();
    }

    /// <summary>Found by chance: the guest has all, but what it said was lost time and again. The timestamp that it echoes at
    /// last is that of the first copy, and no measure of a round trip.</summary>
    [Fact]
    public void Lost_acknowledgments_do_not_make_the_timer_slow()
    {
        Begins(timestamps: true);
        LosesSegments(1);
        World.AdvanceSeconds(7); // 0.2 + 0.4 + 0.8 + 1.6 + 3.2
        Assert.Equal(5, World.Counters.TcpRetransmitTimeouts);
        World.Host.Frames.Clear();
        Guest.Sends(Ack, ack: 1 + Mss);
        LosesSegments(1);
        World.AdvanceMilliseconds(600);
        SendsSegment(1);
    }

    /// <summary>Recovery ends where it began, and what was sent again beyond that is lost once more.</summary>
    [Fact]
    public void A_hole_below_a_report_is_probed_outside_recovery_too()
    {
        Begins(sack: true);
        LosesSegments(10);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 10));
        SendsSegment(0);
        LosesSegments(3);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (11, 13), (1, 10));
        SendsSegment(0);
        SendsSegment(10);
        World.AdvanceMilliseconds(8);
        Acknowledges(10, (11, 13));
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(17);
        SendsSegment(10);
        NoTimerFired();
    }

    [Fact]
    public void An_answer_to_a_SYN_that_came_twice_is_not_measured()
    {
        Guest.SynOptions = new TcpOptions { Mss = Mss, WindowScale = 7 };
        Guest.Sends(Syn);
        World.Host.Last.CompleteConnect();
        World.Turn();
        World.AdvanceMilliseconds(500);
        World.Host.Frames.Clear(); // it was lost
        Guest.Sends(Syn);
        Guest.Receives(SynAck);
        Guest.Sends(Ack);
        LosesSegments(1);
        World.AdvanceMilliseconds(999);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(1); // RFC 6298 section 2.1: nothing is known
        SendsSegment(0);
    }

    /// <summary>RFC 3522 and 4015: the guest was stopped for a while, and then answers what was sent before.</summary>
    [Theory]
    [InlineData(20, 0, false)] // a probe
    [InlineData(500, 1, false)]
    [InlineData(500, 1, true)]
    [InlineData(5000, 4, false)]
    public void A_timeout_that_was_wrong_is_undone(int milliseconds, int timeouts, bool sack)
    {
        Begins(sack, timestamps: true);
        LosesSegments(40);
        World.AdvanceMilliseconds(milliseconds);
        Assert.Equal(timeouts, World.Counters.TcpRetransmitTimeouts);
        World.Host.Frames.Clear();
        Guest.Sends(Ack, ack: 1 + 10 * Mss); // it echoes what came before the timer fired
        Guest.ReceivesNothing();
        LosesSegments(60);
    }
}
