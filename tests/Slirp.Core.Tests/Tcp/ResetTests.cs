using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Resets, and segments that would end or disturb a connection without having a right to (RFC 5961).</summary>
public sealed class ResetTests : TcpConversation
{
    [Fact]
    public void The_guests_reset_resets_the_host()
    {
        Guest.Connects();
        Guest.Sends(Rst);
        Host.IsReset();
        FlowIsGone();
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_reset_behind_data_discards_what_the_socket_did_not_take()
    {
        Guest.Connects();
        Host.Socket.LimitSend(3);
        Guest.Sends(Ack, data: "sent and then reset"u8);
        Guest.Receives(Ack);
        Guest.Sends(RstAck);
        Host.Hears("sen"u8);
        Host.IsReset();
        FlowIsGone();
    }

    [Theory]
    [InlineData(1, "gone")]
    [InlineData(2, "challenged")]
    [InlineData(60_000, "challenged")]
    [InlineData(0, "dropped")]
    [InlineData(-5, "dropped")]
    [InlineData(5_000_000, "dropped")]
    [InlineData(int.MinValue, "dropped")]
    public void Only_the_exact_number_resets(int seq, string outcome)
    {
        Guest.Connects();
        Guest.Sends(Rst, seq: seq);
        switch (outcome)
        {
            case "gone":
                FlowIsGone();
                break;
            case "challenged":
                Guest.Receives(Ack, seq: 1, ack: 1);
                Dropped(DropReason.TcpBadReset);
                FlowIs(GuestTcpState.Established);
                break;
            default:
                Guest.ReceivesNothing();
                Dropped(DropReason.TcpOutsideWindow);
                FlowIs(GuestTcpState.Established);
                break;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(-70_000)]
    [InlineData(10_000_000)]
    public void A_SYN_never_disturbs(int seq)
    {
        Guest.Connects();
        Guest.Sends(Syn, seq: seq);
        Guest.Receives(Ack, seq: 1, ack: 1);
        World.AdvanceMilliseconds(500);
        Guest.Sends(SynAck, seq: seq);
        Guest.Receives(Ack, seq: 1, ack: 1);
        FlowIs(GuestTcpState.Established);
        Guest.Next = 1;
        Guest.Sends(Ack, data: "on"u8);
        Host.Hears("on"u8);
        Guest.TakesAll();
    }

    /// <summary>RFC 5961 section 7: an attacker, or two ends that have lost each other, get an answer now and then; and what
    /// one flow is asked does not show in another's answers.</summary>
    [Fact]
    public void Challenges_are_limited_flow_by_flow()
    {
        Guest.Connects();
        ScriptedGuest other = AnotherGuest(2);
        other.Connects();
        for (int i = 0; i < 1000; i++)
        {
            Guest.Sends(Rst, seq: 100 + i);
            Guest.Sends(Syn, seq: 5000 + i);
            Guest.Sends(Ack, seq: 1, ack: 100_000);
            Guest.Sends(Ack, seq: 10_000_000 + i);
        }
        Guest.Receives(Ack, seq: 1, ack: 1);
        Guest.ReceivesNothing();
        Guest.Next = 1;
        other.Sends(Rst, seq: 100);
        other.Receives(Ack, seq: 1, ack: 1);
        Assert.Equal(2, World.Counters.TcpChallengeAcks);
        World.AdvanceMilliseconds(501);
        Guest.Sends(Rst, seq: 100);
        Guest.Receives(Ack, seq: 1, ack: 1);
    }

    [Fact]
    public void Data_that_came_twice_is_acknowledged_each_time()
    {
        Guest.Connects();
        Guest.Sends(Ack, data: "x"u8);
        Guest.Receives(Ack, ack: 2);
        for (int i = 0; i < 100; i++)
        {
            Guest.Sends(Ack, seq: 1, data: "x"u8);
            Guest.Receives(Ack, ack: 2);
        }
    }

    /// <summary>A server that answers and closes on what it did not read: its answer comes before its reset.</summary>
    [Fact]
    public void What_the_host_said_before_its_reset_is_not_lost_when_a_send_meets_the_reset_first()
    {
        Guest.Connects();
        Host.Socket.Deliver("413 too large"u8);
        Host.Socket.DeliverReset();
        Guest.Queues(Ack, data: Octets(1000)); // before the loop has seen the events
        World.Turn();
        Guest.Receives("413 too large"u8);
        Guest.Receives(RstAck, seq: 14, ack: 1);
        FlowIsGone();
        Host.IsReset();
    }

    [Fact]
    public void That_answer_waits_for_the_guests_window_and_the_reset_with_it()
    {
        Guest.Connects();
        Host.Socket.Deliver(Octets(3000));
        Host.Socket.DeliverReset();
        Guest.Sends(Ack, data: Octets(1000), window: 0);
        Guest.Sends(Ack, seq: 1, data: Octets(1000), window: 0); // not acknowledged, and so sent again
        Assert.True(World.Host.TakePackets().TrueForAll(p => p.TcpPayload.IsEmpty && p.Tcp.Acknowledgment == Guest.Iss + 1));
        Guest.Sends(Ack, seq: 1, window: 65535);
        Assert.Equal(Octets(3000), Guest.TakesAll());
        FlowIsGone();
        Host.IsReset();
    }

    [Theory]
    [InlineData(2)] // never sent
    [InlineData(1_000_000)]
    [InlineData(int.MaxValue)]
    [InlineData(-9_000_000)] // older than any window (RFC 5961 section 5.2)
    [InlineData(int.MinValue + 2)]
    public void An_impossible_acknowledgment_is_answered_and_its_data_not_taken(int ack)
    {
        Guest.Connects();
        Guest.Sends(Ack, seq: 1, ack: ack, data: "forged"u8);
        Guest.Receives(Ack, seq: 1, ack: 1);
        Dropped(DropReason.TcpBadAcknowledgment);
        Host.HearsNothing();
    }

    [Fact]
    public void An_old_acknowledgment_is_harmless()
    {
        Guest.Connects();
        Host.Says(Octets(5000));
        Guest.Receives(Ack);
        Guest.Sends(Ack);
        Guest.Sends(Ack, ack: 100, data: "delayed"u8);
        Host.Hears("delayed"u8);
        Guest.Receives(Ack, seq: 5001, ack: 8);
        Assert.Equal(0, World.Counters.DroppedInAll());
    }

    [Theory]
    [InlineData(TcpFlags.None)]
    [InlineData(TcpFlags.Fin)]
    [InlineData(TcpFlags.Psh | TcpFlags.Urg)]
    public void Without_ACK_nothing_is_taken(TcpFlags flags)
    {
        Guest.Connects();
        Guest.Sends(flags, seq: 1, data: "x"u8);
        Host.HearsNothing();
        Guest.ReceivesNothing();
        Dropped(DropReason.BadTcpFlags);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void The_hosts_reset_resets_the_guest_after_what_came_before()
    {
        Guest.Connects();
        Host.Socket.Deliver("before"u8);
        Host.Socket.DeliverReset();
        World.Turn();
        Guest.Receives("before"u8);
        Guest.Receives(RstAck, seq: 7, ack: 1);
        FlowIsGone();
        Assert.Equal(0, World.Host.OpenCount);
    }

    [Fact]
    public void The_hosts_reset_after_its_FIN_still_resets_the_guest()
    {
        Guest.Connects();
        Host.Says("data"u8);
        Guest.Receives("data"u8);
        Host.Closes();
        Guest.Receives(FinAck, seq: 5);
        Guest.Sends(Ack);
        Host.Resets();
        Guest.Receives(RstAck, seq: 6, ack: 1);
        FlowIsGone();
    }

    [Fact]
    public void A_host_that_resets_while_the_guest_has_closed_its_window()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Socket.Deliver("undeliverable yet"u8);
        Host.Socket.DeliverReset();
        World.Turn();
        Guest.ReceivesNothing();
        Guest.Sends(Ack);
        Guest.Receives("undeliverable yet"u8);
        Guest.Receives(RstAck);
        FlowIsGone();
    }

    [Fact]
    public void The_error_of_a_timed_out_host_is_a_reset()
    {
        Guest.Connects();
        Host.Socket.DeliverReset(HostError.TimedOut);
        World.Turn();
        Guest.Receives(RstAck, seq: 1, ack: 1);
        FlowIsGone();
    }

    [Fact]
    public void A_reset_for_a_guest_that_did_not_get_all_is_confirmed_by_its_challenge()
    {
        Guest.Connects();
        Host.Says("lost"u8);
        World.Host.Frames.Clear();
        Host.Resets();
        Guest.Receives(RstAck, seq: 5); // beyond what the guest expects: it asks back (RFC 5961 section 3.2)
        Guest.Sends(Ack, ack: 1);
        Guest.Receives(Rst, seq: 1);
    }

    [Theory]
    [InlineData(TcpFlags.Ack, TcpFlags.Rst)]
    [InlineData(TcpFlags.Fin | TcpFlags.Ack, TcpFlags.Rst)]
    [InlineData(TcpFlags.Syn | TcpFlags.Ack, TcpFlags.Rst)]
    [InlineData(TcpFlags.Fin, TcpFlags.Rst | TcpFlags.Ack)]
    [InlineData(TcpFlags.None, TcpFlags.Rst | TcpFlags.Ack)]
    public void A_segment_for_no_connection_is_reset(TcpFlags flags, TcpFlags answer)
    {
        Guest.Sends(flags, seq: 10, ack: 77, data: "abc"u8);
        SentPacket reset = Guest.Receives(answer);
        int length = 3 + ((flags & (Fin | Syn)) != 0 ? 1 : 0);
        if ((flags & Ack) != 0) Assert.Equal(Guest.PeerIss + 77, reset.Tcp.Sequence);
        else Assert.Equal(Guest.Iss + 10 + length, reset.Tcp.Acknowledgment);
        Dropped(DropReason.TcpNoFlow);
    }

    [Theory]
    [InlineData(TcpFlags.Rst)]
    [InlineData(TcpFlags.Rst | TcpFlags.Ack)]
    [InlineData(TcpFlags.Rst | TcpFlags.Syn)]
    [InlineData(TcpFlags.Syn | TcpFlags.Fin)]
    public void But_never_a_reset_and_never_nonsense(TcpFlags flags)
    {
        Guest.Sends(flags, seq: 0);
        Guest.ReceivesNothing();
        Assert.Equal(1, World.Counters.DroppedInAll());
        Assert.Equal(0, World.Engine.Flows.Count);
    }

    [Fact]
    public void Every_flag_combination_at_every_stage_leaves_a_world_in_order()
    {
        for (int flags = 0; flags < 64; flags++)
        {
            for (int stage = 0; stage < 6; stage++)
            {
                Guest = AnotherGuest(1000 + flags * 6 + stage);
                Host = new ScriptedHost(World);
                Reaches(stage);
                World.Host.Frames.Clear();
                foreach (int seq in new[] { Guest.Next, Guest.Next + 10, Guest.Next - 10, 0 })
                    Guest.Sends((TcpFlags)flags, seq: seq, data: "data"u8);
                World.Host.TakePackets(); // parsed and checked
            }
        }
    }

    private void Reaches(int stage)
    {
        Guest.Sends(Syn);
        if (stage == 0) return;
        Host.Accepts();
        Guest.Receives(SynAck);
        if (stage == 1) return;
        Guest.Sends(Ack);
        if (stage is 3 or 5) Host.Closes();
        if (stage is 4 or 5) Guest.Sends(FinAck, ack: 1);
    }
}
