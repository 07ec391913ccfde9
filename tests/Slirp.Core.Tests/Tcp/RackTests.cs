using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>RFC 8985 toward the guest: what is lost is told by what arrives after it, and the tail by a probe.</summary>
public sealed class RackTests : LossConversation
{
    public RackTests() => Begins(sack: true);

    [Fact]
    public void A_single_report_waits_for_the_reordering_window_and_no_longer()
    {
        LosesSegments(4);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 2));
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(3); // a quarter of the shortest round trip
        SendsSegment(0);
        Guest.ReceivesNothing();
        Assert.Equal(0, World.Counters.TcpRetransmitTimeouts);
    }

    [Fact]
    public void What_is_merely_late_is_not_sent_again()
    {
        LosesSegments(4);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 2));
        World.AdvanceMilliseconds(1);
        Acknowledges(2);
        World.AdvanceMilliseconds(8);
        Acknowledges(4);
        World.AdvanceSeconds(10);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_retransmission_that_is_lost_is_sent_again_without_the_timer()
    {
        LosesSegments(10);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 10));
        SendsSegment(0); // and is lost
        LosesSegments(1);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 11)); // sent after it, and arrived
        World.AdvanceMilliseconds(3);
        SendsSegment(0);
        Assert.Equal(0, World.Counters.TcpRetransmitTimeouts);
    }

    [Fact]
    public void The_arrival_of_a_retransmission_tells_of_the_tail_behind_it()
    {
        LosesSegments(10);
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (1, 5));
        SendsSegment(0);
        World.AdvanceMilliseconds(9);
        Acknowledges(5);
        for (int i = 5; i < 9; i++) SendsSegment(i);
        World.AdvanceMilliseconds(9);
        Acknowledges(9);
        SendsSegment(9);
        Assert.Equal(0, World.Counters.TcpRetransmitTimeouts);
    }

    [Fact]
    public void The_tail_is_probed_after_two_round_trips()
    {
        LosesSegments(5);
        World.AdvanceMilliseconds(15);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(2);
        SendsSegment(4);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(8);
        Acknowledges(0, (4, 5));
        World.AdvanceMilliseconds(3);
        for (int i = 0; i < 2; i++) SendsSegment(i); // half of what was under way
        Assert.Equal((1, 0), (World.Counters.TcpTailProbes, World.Counters.TcpRetransmitTimeouts));
    }

    [Fact]
    public void One_probe_and_then_the_timer()
    {
        LosesSegments(5);
        World.AdvanceMilliseconds(17);
        SendsSegment(4);
        World.AdvanceMilliseconds(197);
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(4);
        SendsSegment(0);
        Guest.ReceivesNothing();
        Assert.Equal((1, 1), (World.Counters.TcpTailProbes, World.Counters.TcpRetransmitTimeouts));
    }

    /// <summary>RFC 8985 section 7.4: a loss that the probe itself has mended is a loss all the same.</summary>
    [Fact]
    public void A_tail_that_the_probe_mended_halves_the_window()
    {
        LosesSegments(40);
        World.AdvanceMilliseconds(17);
        SendsSegment(39);
        Acknowledges(40);
        LosesSegments(1);
        Acknowledges(41);
        Host.Says(Stream.AsSpan(0, 100_000));
        Assert.InRange(World.Host.Frames.Count, 19, 22);
        Guest.TakesAll();
    }

    [Fact]
    public void A_probe_that_came_twice_was_no_loss()
    {
        LosesSegments(40);
        World.AdvanceMilliseconds(17);
        SendsSegment(39);
        Acknowledges(40);
        Acknowledges(40, (39, 40)); // D-SACK
        LosesSegments(1);
        Acknowledges(41);
        Host.Says(Stream.AsSpan(0, 100_000));
        Assert.Equal(100, World.Host.Frames.Count);
        Guest.TakesAll();
    }

    [Fact]
    public void A_guest_that_cuts_reports_as_fine_as_it_can_costs_little_and_harms_only_itself()
    {
        LosesSegments(200);
        var random = new Random(5);
        for (int i = 0; i < 20_000; i++)
        {
            int from = random.Next(200 * Mss - 2);
            var blocks = default(SackBlocks);
            blocks.Add(Guest.PeerIss + 1 + from, Guest.PeerIss + 1 + from + 1 + random.Next(3));
            Guest.Sends(Ack, ack: 1, options: new TcpOptions { Sack = blocks });
            World.Host.Frames.Clear();
        }
        Acknowledges(200);
        World.Host.Frames.Clear();
        LosesSegments(1);
        Acknowledges(201);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void The_ledger_agrees_with_a_model()
    {
        var random = new Random(77);
        for (int round = 0; round < 300; round++)
        {
            var ranges = new SentRanges();
            var origin = new SequenceNumber((uint)random.NextInt64(1L << 32));
            var model = new List<(bool Sacked, bool Lost)>();
            int una = 0, clock = 0;
            for (int step = 0; step < 200; step++)
            {
                var now = new Instant(++clock * 1000);
                var delivery = new Delivery(now, default, null, 0);
                int from = random.Next(una, model.Count + 1), to = random.Next(from, Math.Min(model.Count, from + 30) + 1);
                switch (random.Next(6))
                {
                    case 0:
                        int length = random.Next(1, 20);
                        ranges.Sent(origin + model.Count, origin + model.Count + length, now);
                        for (int i = 0; i < length; i++) model.Add(default);
                        break;
                    case 1 when to > from:
                        ranges.Resent(origin + from, origin + to, now);
                        for (int i = from; i < to; i++) model[i] = (model[i].Sacked, false);
                        break;
                    case 2 when to > from:
                        ranges.Sack(origin + from, origin + to, ref delivery);
                        for (int i = from; i < to; i++) model[i] = (true, false);
                        break;
                    case 3 when to > from:
                        ranges.Advance(origin + to, ref delivery);
                        una = to;
                        break;
                    case 4 when random.Next(10) == 0:
                        ranges.MarkAllLost();
                        for (int i = una; i < model.Count; i++) if (!model[i].Sacked) model[i] = (false, true);
                        break;
                    case 5 when random.Next(10) == 0:
                        ranges.ForgetSacks();
                        for (int i = una; i < model.Count; i++) model[i] = (false, model[i].Lost);
                        break;
                    default:
                        break;
                }
                Agree(ranges, origin, model, una, $"round {round}, step {step}");
            }
        }
    }

    private static void Agree(SentRanges ranges, SequenceNumber origin, List<(bool Sacked, bool Lost)> model, int una, string where)
    {
        int sacked = 0, lost = 0, first = -1;
        for (int i = una; i < model.Count; i++)
        {
            if (model[i].Sacked) sacked++;
            if (!model[i].Lost) continue;
            if (lost++ == 0) first = i;
        }
        Assert.True((sacked, lost) == (ranges.Sacked, ranges.Lost), $"{where}: {ranges.Sacked} {ranges.Lost}, should be {sacked} {lost}");
        Assert.Equal(lost > 0, ranges.TryFindLost(out SequenceNumber start, out _));
        if (lost > 0) Assert.Equal(origin + first, start);
        Assert.Equal(una < model.Count && model[una].Sacked, ranges.HasReneged);
    }
}
