using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>The ends of a connection (RFC 9293 section 3.6): FIN is FIN, both ways and in either order, and what was sent
/// before it arrives before it.</summary>
public sealed class CloseTests : TcpConversation
{
    [Fact]
    public void The_guest_closes_first()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        FlowIs(GuestTcpState.CloseWait);
        Host.HearsEnd();
        Assert.True(Host.Socket.IsOpen);
        Host.Says("still talking"u8);
        Guest.Receives("still talking"u8);
        Guest.Sends(Ack);
        Host.Closes();
        Guest.Receives(FinAck, seq: 14);
        FlowIs(GuestTcpState.LastAck);
        Host.IsClosedPolitely();
        Guest.Sends(Ack);
        FlowIsGone();
        Guest.ReceivesNothing();
    }

    [Fact]
    public void The_host_closes_first()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck, seq: 1, ack: 1);
        FlowIs(GuestTcpState.FinWait1);
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.FinWait2);
        Guest.Sends(Ack, data: "still talking"u8);
        Guest.Receives(Ack, ack: 14);
        Host.Hears("still talking"u8);
        Guest.Sends(FinAck);
        Guest.Receives(Ack, seq: 2, ack: 15);
        FlowIs(GuestTcpState.TimeWait);
        Host.HearsEnd();
        Host.IsClosedPolitely();
        World.AdvanceSeconds(59);
        FlowIs(GuestTcpState.TimeWait);
        World.AdvanceSeconds(2);
        FlowIsGone();
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Both_close_at_once()
    {
        Guest.Connects();
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        Guest.Sends(FinAck, ack: 1); // sent before ours came
        Guest.Receives(FinAck, seq: 1, ack: 1);
        Guest.Receives(Ack, seq: 2, ack: 2);
        FlowIs(GuestTcpState.Closing);
        Host.IsClosedPolitely();
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.TimeWait);
    }

    [Fact]
    public void The_guests_FIN_may_acknowledge_ours()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck, seq: 1, ack: 1);
        Guest.Sends(FinAck);
        Guest.Receives(Ack, seq: 2, ack: 2);
        FlowIs(GuestTcpState.TimeWait);
    }

    [Fact]
    public void Data_and_FIN_in_one_segment()
    {
        Guest.Connects();
        Guest.Sends(FinAck, data: "last words"u8);
        Guest.Receives(Ack, ack: 12);
        Host.Hears("last words"u8);
        Host.HearsEnd();
    }

    [Fact]
    public void The_FIN_waits_for_data_that_the_socket_does_not_take()
    {
        byte[] octets = Octets(50_000);
        Guest.Connects();
        Host.Socket.LimitSend(10);
        Guest.Sends(FinAck, data: octets);
        Guest.Receives(Ack, ack: 50_002);
        Assert.False(Host.Socket.IsSendShutDown);
        Host.Socket.MakeRoom(20_000);
        World.Turn();
        Assert.False(Host.Socket.IsSendShutDown);
        Host.Socket.MakeRoom(50_000);
        World.Turn();
        Host.Hears(octets);
        Host.HearsEnd();
    }

    [Fact]
    public void Last_data_and_end_of_file_in_one_event()
    {
        byte[] octets = Octets(200_000);
        Guest.Connects();
        Host.Socket.Deliver(octets);
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        Assert.Equal(octets, Guest.TakesAll()[..octets.Length]);
        Assert.Equal(octets.Length + 2, Guest.Seen); // SYN and FIN
        FlowIs(GuestTcpState.FinWait1);
    }

    [Fact]
    public void Last_data_and_end_of_file_after_the_guest_has_closed()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack);
        Host.Socket.Deliver("answer"u8); // EPOLLIN | EPOLLRDHUP | EPOLLHUP at once (passt bug 202)
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        Guest.Receives("answer"u8);
        Guest.Receives(FinAck, seq: 7);
        Guest.Sends(Ack);
        FlowIsGone();
        Host.IsClosedPolitely();
    }

    [Fact]
    public void Data_that_the_window_holds_back_goes_before_the_FIN()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 1000;
        Guest.Connects();
        Host.Socket.Deliver(Octets(3000));
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        for (int at = 1; at < 3001; at += 1000)
        {
            Guest.Receives(Ack, seq: at, length: 1000);
            Guest.Sends(Ack);
        }
        Guest.Receives(FinAck, seq: 3001);
    }

    [Fact]
    public void A_FIN_needs_room_in_the_window_and_probes_for_it()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Closes();
        Guest.ReceivesNothing();
        World.AdvanceSeconds(0.3);
        Guest.Receives(Ack, seq: 0, length: 0);
        Guest.Sends(Ack, window: 10);
        Guest.Receives(FinAck, seq: 1);
    }

    [Fact]
    public void A_lost_FIN_is_sent_again_until_it_is_acknowledged()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck, seq: 1);
        foreach (int wait in new[] { 200, 400, 800, 1600 })
        {
            World.AdvanceMilliseconds(wait - 1);
            Guest.ReceivesNothing();
            World.AdvanceMilliseconds(1);
            Guest.Receives(FinAck, seq: 1);
        }
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.FinWait2);
        World.AdvanceSeconds(60);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Data_lost_with_its_FIN_comes_again_with_its_FIN()
    {
        Guest.Connects();
        Host.Socket.Deliver("data"u8);
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        World.Host.Frames.Clear();
        World.AdvanceSeconds(0.1);
        Guest.Receives(FinAck, seq: 1, length: 4);
        Guest.Sends(Ack, ack: 5); // it had no room for the FIN
        World.AdvanceSeconds(0.5);
        Guest.Receives(FinAck, seq: 5);
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.FinWait2);
    }

    [Fact]
    public void A_repeated_FIN_is_acknowledged_again_in_each_state()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        Guest.Sends(FinAck, seq: 1);
        Guest.Receives(Ack, ack: 2); // CLOSE-WAIT
        Host.Closes();
        Guest.Receives(FinAck, seq: 1);
        Guest.Sends(FinAck, seq: 1, ack: 1);
        Guest.Receives(Ack, seq: 2, ack: 2); // LAST-ACK
        FlowIs(GuestTcpState.LastAck);
    }

    [Fact]
    public void TIME_WAIT_answers_a_repeated_FIN_and_starts_over()
    {
        ReachesTimeWait();
        World.AdvanceSeconds(50);
        Guest.Sends(FinAck, seq: 1);
        Guest.Receives(Ack, seq: 2, ack: 2);
        World.AdvanceSeconds(50); // RFC 9293 section 3.10.7.4, eighth check: restart the 2 MSL timeout
        FlowIs(GuestTcpState.TimeWait);
        World.AdvanceSeconds(11);
        FlowIsGone();
    }

    [Fact]
    public void A_new_SYN_opens_a_new_connection_over_TIME_WAIT()
    {
        ReachesTimeWait();
        Guest.Iss += 100_000;
        Guest.Sends(Syn);
        Assert.Equal(2, World.Host.Sockets.Count);
        World.Host.Last.CompleteConnect();
        World.Turn();
        Guest.Receives(SynAck, ack: 1);
        Assert.Equal(1, World.Engine.Flows.Count);
    }

    [Fact]
    public void With_timestamps_a_later_one_is_enough()
    {
        Guest.HasTimestamps = true;
        ReachesTimeWait();
        World.AdvanceSeconds(1);
        Guest.Iss -= 100_000; // RFC 6191
        Guest.Sends(Syn);
        World.Host.Last.CompleteConnect();
        World.Turn();
        Guest.Receives(SynAck, ack: 1);
    }

    [Fact]
    public void An_old_SYN_in_TIME_WAIT_is_only_challenged()
    {
        ReachesTimeWait();
        Guest.Sends(Syn, seq: -1000);
        Guest.Receives(Ack, seq: 2, ack: 2);
        FlowIs(GuestTcpState.TimeWait);
        Assert.Single(World.Host.Sockets);
    }

    [Fact]
    public void A_SYN_with_FIN_in_TIME_WAIT_opens_and_ends_nothing()
    {
        ReachesTimeWait();
        Guest.Sends(Syn | Fin, seq: 100_000);
        FlowIs(GuestTcpState.TimeWait);
        Assert.Single(World.Host.Sockets);
        Guest.TakesAll();
    }

    [Fact]
    public void FIN_and_a_new_SYN_in_one_batch_are_both_heard()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Queues(FinAck);
        Guest.Iss += 100_000;
        Guest.Queues(Syn);
        World.Turn();
        Assert.Equal(2, World.Host.Sockets.Count);
        World.Host.Last.CompleteConnect();
        World.Turn();
        Guest.Receives(SynAck, ack: 1);
    }

    [Fact]
    public void What_was_acknowledged_reaches_the_socket_though_all_else_is_over()
    {
        byte[] octets = Octets(30_000);
        Guest.Connects();
        Host.Socket.LimitSend(0);
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Sends(FinAck, data: octets);
        Guest.Receives(Ack, ack: 30_002);
        FlowIs(GuestTcpState.TimeWait);
        World.AdvanceSeconds(200);
        FlowIs(GuestTcpState.TimeWait);
        // The port is wanted again: the guest has to wait, and a reset is for a connection it knows nothing of any more.
        Guest.Iss += 1_000_000;
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        Guest.Iss -= 1_000_000;
        Guest.Sends(Rst, seq: 30_002);
        Guest.ReceivesNothing();
        Host.Socket.MakeRoom(100_000);
        World.Turn();
        Host.Hears(octets);
        Host.HearsEnd();
        Host.IsClosedPolitely();
        World.AdvanceSeconds(61);
        FlowIsGone();
    }

    [Fact]
    public void LAST_ACK_waits_for_the_socket_too()
    {
        byte[] octets = Octets(30_000);
        Guest.Connects();
        Host.Socket.LimitSend(0);
        Guest.Sends(FinAck, data: octets);
        Guest.Receives(Ack);
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.LastAck);
        Host.Socket.MakeRoom(100_000);
        World.Turn();
        Host.Hears(octets);
        Host.IsClosedPolitely();
        FlowIsGone();
    }

    [Fact]
    public void Data_after_the_guests_FIN_changes_nothing()
    {
        Guest.Connects();
        Guest.Sends(FinAck, data: "end"u8);
        Guest.Receives(Ack, ack: 5);
        Guest.Sends(Ack, data: "more"u8);
        Guest.Receives(Ack, ack: 5);
        Guest.Sends(FinAck, seq: 100);
        Guest.TakesAll();
        Host.Hears("end"u8);
        FlowIs(GuestTcpState.CloseWait);
    }

    private void ReachesTimeWait()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Sends(FinAck);
        Guest.Receives(Ack, seq: 2, ack: 2);
        FlowIs(GuestTcpState.TimeWait);
    }
}
