using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Loss on the way to the guest: RFC 6298 (timer), 5681 and 6582 (duplicates), 6675 (SACK).</summary>
public sealed class RetransmissionTests : LossConversation
{
    private void Begins(bool sack = true)
    {
        Guest.SynOptions = new TcpOptions { Mss = Mss, WindowScale = 7, SackPermitted = sack };
        Guest.Connects();
    }

    /// <summary>Time passes until the timer fires; probes before that are lost.</summary>
    private void TimesOut()
    {
        while (World.Counters.TcpRetransmitTimeouts == 0)
        {
            World.Host.Frames.Clear();
            World.AdvanceMilliseconds(1);
        }
    }

    [Fact]
    public void The_timer_sends_the_segment_again_and_backs_off()
    {
        Begins(sack: false);
        LosesSegments(1);
        int wait = 200;
        for (int i = 0; i < 8; i++, wait *= 2)
        {
            World.AdvanceMilliseconds(wait - 1);
            Guest.ReceivesNothing();
            World.AdvanceMilliseconds(1);
            SendsSegment(0);
            Guest.ReceivesNothing();
        }
        Acknowledges(1);
        World.AdvanceSeconds(100);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void After_the_timer_sending_starts_over_with_one_segment()
    {
        Begins(sack: false);
        LosesSegments(3);
        TimesOut();
        SendsSegment(0);
        Guest.ReceivesNothing(); // RFC 5681 section 3.1: the loss window is one segment
        Acknowledges(1);
        SendsSegment(1);
        SendsSegment(2);
        Acknowledges(3);
        World.AdvanceSeconds(100);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_guest_that_never_answers_is_given_up()
    {
        Begins();
        LosesSegments(1);
        World.AdvanceSeconds(100);
        FlowIs(GuestTcpState.Established); // RFC 9293 section 3.8.3: at least 100 s
        World.AdvanceSeconds(400);
        Assert.Equal(RstAck, SentPacket.Parse(World.Host.Frames[^1]).Tcp.Flags);
        World.Host.Frames.Clear();
        FlowIsGone();
        Host.IsReset();
    }

    /// <summary>Scenario O3.</summary>
    [Theory]
    [InlineData(1500)]
    [InlineData(10_000)]
    public void The_timer_follows_a_round_trip_that_grew_beyond_it(int milliseconds)
    {
        Begins();
        // Every first segment is sent again before its acknowledgment comes, and so may not be measured. The backed-off
        // timeout has to stay (Karn) until it is longer than the round trip and one can.
        for (int i = 0; i < 6; i++)
        {
            LosesSegments(1);
            World.AdvanceMilliseconds(milliseconds);
            Guest.TakesAll();
            Guest.Sends(Ack, ack: 1 + (i + 1) * Mss);
        }
        LosesSegments(1);
        World.AdvanceMilliseconds(milliseconds - 10);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(3 * milliseconds);
        SendsSegment(6);
        Guest.TakesAll();
    }

    /// <summary>Scenario O3: what takes no time at all that a clock shows is measured too, and is not asked for without end.</summary>
    [Fact]
    public void A_round_trip_of_no_time_has_the_shortest_timer()
    {
        Begins();
        for (int i = 0; i < 100; i++)
        {
            LosesSegments(1);
            Guest.Sends(Ack, ack: 1 + (i + 1) * Mss);
            Guest.ReceivesNothing();
        }
        LosesSegments(1);
        World.AdvanceMilliseconds(199);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(1);
        SendsSegment(100);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Three_duplicates_send_the_missing_segment_at_once()
    {
        Begins(sack: false);
        LosesSegments(6);
        Acknowledges(1);
        Acknowledges(1);
        Acknowledges(1);
        Guest.ReceivesNothing();
        Acknowledges(1);
        SendsSegment(1);
        Guest.ReceivesNothing();
        Acknowledges(1); // more duplicates say nothing new
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_partial_acknowledgment_sends_the_next_missing_segment()
    {
        Begins(sack: false);
        LosesSegments(8);
        for (int i = 0; i < 4; i++) Acknowledges(1);
        SendsSegment(1);
        Acknowledges(4); // RFC 6582 section 3.2, step 3
        SendsSegment(4);
        Acknowledges(6);
        SendsSegment(6);
        Acknowledges(8);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void SACK_sends_exactly_the_holes()
    {
        Begins();
        LosesSegments(10);
        Acknowledges(1, (2, 3));
        Acknowledges(1, (4, 5), (2, 3));
        Guest.ReceivesNothing();
        Acknowledges(1, (6, 9), (4, 5), (2, 3));
        SendsSegment(1);
        SendsSegment(3);
        SendsSegment(5);
        Guest.ReceivesNothing();
        Acknowledges(9);
        SendsSegment(9); // a partial acknowledgment that leaves nothing reported: the rescue of RFC 6675 section 4, rule 4
        Acknowledges(10);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Recovery_halves_what_is_under_way_and_ends()
    {
        Begins();
        LosesSegments(100);
        Acknowledges(0, (1, 50));
        SendsSegment(0);
        Acknowledges(100);
        Guest.ReceivesNothing();
        Host.Says(Stream.AsSpan(0, 200_000));
        Assert.InRange(World.Host.Frames.Count, 45, 55);
        Guest.TakesAll();
    }

    [Fact]
    public void A_guest_that_discards_what_it_reported_gets_it_again()
    {
        Begins();
        LosesSegments(6);
        Acknowledges(0, (1, 6));
        SendsSegment(0);
        // It acknowledges the first and has forgotten the rest (RFC 2018 section 8).
        Acknowledges(1);
        Guest.TakesAll();
        for (int i = 0; i < 20 && Guest.Seen < 1 + 6 * Mss; i++)
        {
            World.AdvanceSeconds(1);
            Guest.TakesAll();
            Guest.Sends(Ack);
        }
        Assert.Equal(1 + 6 * Mss, Guest.Seen);
    }

    [Theory]
    [InlineData(5, 3)] // inverted
    [InlineData(20, 30)] // never sent
    [InlineData(-5, -3)] // acknowledged long ago (RFC 2883)
    [InlineData(-5, 3)]
    [InlineData(0, 0)]
    public void Nonsense_in_SACK_is_ignored(int from, int to)
    {
        Begins();
        LosesSegments(10);
        for (int i = 0; i < 2; i++) Acknowledges(0, (from, to));
        Guest.ReceivesNothing();
        Acknowledges(10);
        World.AdvanceSeconds(5);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_lost_FIN_behind_reported_data_is_recovered()
    {
        Begins();
        Host.Socket.Deliver(Stream.AsSpan(0, 5 * Mss));
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        World.Host.Frames.Clear();
        Acknowledges(0, (1, 5));
        SendsSegment(0);
        Acknowledges(5);
        Guest.Receives(FinAck, seq: 1 + 5 * Mss);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Acknowledging_more_than_was_sent_again_goes_on_from_there()
    {
        Begins(sack: false);
        LosesSegments(5);
        TimesOut();
        SendsSegment(0);
        Acknowledges(5); // the first copies had arrived after all
        Guest.ReceivesNothing();
        Host.Says(Stream.AsSpan(Said, Mss));
        SendsSegment(5);
    }

    [Fact]
    public void Window_updates_are_no_duplicates()
    {
        Begins(sack: false);
        LosesSegments(5);
        for (int i = 1; i <= 10; i++) Guest.Sends(Ack, ack: 1, window: 65535 - i);
        Guest.ReceivesNothing();
    }

    /// <summary>Something was sent twice before, and nothing is missing (RFC 2883 section 4).</summary>
    [Fact]
    public void Reports_of_what_came_twice_are_no_duplicates()
    {
        Begins();
        LosesSegments(5);
        Acknowledges(5);
        LosesSegments(5);
        for (int i = 0; i < 5; i++) Acknowledges(5, (i, i + 1));
        Guest.ReceivesNothing();
        LosesSegments(100); // the congestion window is what it was
        Guest.ReceivesNothing();
    }

    [Fact]
    public void The_guests_own_data_is_no_duplicate()
    {
        Begins(sack: false);
        LosesSegments(5);
        for (int i = 0; i < 10; i++)
        {
            Guest.Sends(Ack, ack: 1, data: Octets(100));
            Guest.Receives(Ack, seq: 1 + 5 * Mss, length: 0);
        }
        Guest.ReceivesNothing();
    }
}
