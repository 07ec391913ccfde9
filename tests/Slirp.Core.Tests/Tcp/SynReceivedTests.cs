using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>SYN-RECEIVED: our SYN-ACK is out and nothing else may follow before its acknowledgment.</summary>
public sealed class SynReceivedTests : TcpConversation
{
    private void ReachesSynReceived()
    {
        Guest.Sends(Syn);
        Host.Accepts();
        Guest.Receives(SynAck, seq: 0, ack: 1);
        FlowIs(GuestTcpState.SynReceived);
    }

    [Fact]
    public void The_SYN_ACK_is_repeated_with_back_off_and_given_up()
    {
        ReachesSynReceived();
        foreach (int wait in new[] { 1, 2, 4, 8, 16, 32 })
        {
            World.AdvanceSeconds(wait - 0.1);
            Guest.ReceivesNothing();
            World.AdvanceSeconds(0.1);
            Guest.Receives(SynAck, seq: 0, ack: 1);
        }
        World.AdvanceSeconds(59.9); // the longest interval
        Guest.ReceivesNothing();
        World.AdvanceSeconds(0.2);
        Guest.Receives(RstAck, seq: 1);
        FlowIsGone();
        Host.IsReset();
    }

    [Fact]
    public void Each_repeated_SYN_asks_for_the_SYN_ACK_again_and_costs_no_patience()
    {
        ReachesSynReceived();
        for (int i = 0; i < 20; i++)
        {
            World.AdvanceMilliseconds(40);
            Guest.Sends(Syn);
            World.AdvanceMilliseconds(2);
            Guest.Receives(SynAck, seq: 0, ack: 1);
            Guest.ReceivesNothing();
        }
        // The timer of the last one still runs on its first interval.
        World.AdvanceSeconds(1.1);
        Guest.Receives(SynAck, seq: 0, ack: 1);
        Guest.Next = 1;
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void Nothing_the_server_says_goes_before_the_guests_ACK()
    {
        ReachesSynReceived();
        Host.Says("banner"u8);
        Host.Closes();
        Guest.ReceivesNothing();
        Guest.Sends(Ack);
        Guest.Receives("banner"u8);
        Guest.Receives(FinAck, seq: 7);
    }

    [Fact]
    public void Data_and_FIN_may_come_with_the_ACK()
    {
        ReachesSynReceived();
        Guest.Sends(FinAck, data: "all"u8);
        Guest.Receives(Ack, ack: 5);
        FlowIs(GuestTcpState.CloseWait);
        Host.Hears("all"u8);
        Host.HearsEnd();
    }

    [Fact]
    public void Data_in_the_SYN_is_not_acknowledged_and_is_taken_when_it_comes_again()
    {
        Guest.Queues(Syn, data: "early"u8);
        World.Turn();
        Host.Accepts();
        Guest.Receives(SynAck, ack: 1);
        Guest.Sends(Syn, data: "early"u8); // the SYN-ACK was lost
        Guest.Receives(SynAck, seq: 0, ack: 1);
        Guest.Next = 1;
        Guest.Sends(Ack, data: "early"u8);
        Guest.Receives(Ack, ack: 6);
        Host.Hears("early"u8);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_wrong_acknowledgment_is_answered_by_its_reset(int ack)
    {
        ReachesSynReceived();
        Guest.Sends(Ack, ack: ack);
        SentPacket reset = Guest.Receives(Rst, seq: ack); // RFC 9293 section 3.10.7.4: SEQ=SEG.ACK
        Assert.Equal(0, reset.TcpPayload.Length);
        FlowIs(GuestTcpState.SynReceived);
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void A_reset_ends_it_on_both_sides()
    {
        ReachesSynReceived();
        Guest.Sends(Rst);
        FlowIsGone();
        Host.IsReset();
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_reset_inside_the_window_but_not_exact_is_challenged()
    {
        ReachesSynReceived();
        Guest.Sends(Rst, seq: 100);
        Guest.Receives(Ack, seq: 1, ack: 1);
        FlowIs(GuestTcpState.SynReceived);
    }

    [Fact]
    public void A_SYN_with_another_number_is_challenged_and_the_guests_reset_ends_it()
    {
        ReachesSynReceived();
        Guest.Sends(Syn, seq: 1000);
        Guest.Receives(Ack, seq: 1, ack: 1);
        Guest.Sends(Rst, seq: 1); // what a guest in SYN-SENT says to that: SEQ=SEG.ACK
        FlowIsGone();
    }

    [Fact]
    public void A_segment_without_ACK_is_dropped()
    {
        ReachesSynReceived();
        Guest.Sends(TcpFlags.None, seq: 1, data: "x"u8);
        Guest.ReceivesNothing();
        Dropped(DropReason.BadTcpFlags);
        Host.HearsNothing();
    }

    [Fact]
    public void The_host_that_resets_meanwhile_is_reported_once_the_guest_can_hear_it()
    {
        ReachesSynReceived();
        Host.Resets();
        Guest.Sends(Ack);
        Guest.Receives(RstAck, seq: 1, ack: 1);
        FlowIsGone();
    }
}
