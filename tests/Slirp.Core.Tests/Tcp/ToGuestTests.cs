using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Data from the host to the guest: what is read, what is sent, and when we wait (RFC 9293 section 3.8.6).</summary>
public sealed class ToGuestTests : TcpConversation
{
    /// <summary>Scenario T4, the host's side: recv(2) stops short at an urgent mark and no edge follows.</summary>
    [Fact]
    public void What_lies_behind_an_urgent_mark_is_read_without_another_edge()
    {
        Guest.Connects();
        Host.Socket.StopsAtMarks = true;
        Host.Socket.Deliver("before"u8);
        Host.Socket.Deliver("!behind"u8);
        Host.Socket.Raise(Slirp.Core.World.HostEvents.Urgent);
        World.Turn();
        Assert.Equal("before!behind"u8.ToArray(), Guest.TakesAll());
    }

    [Fact]
    public void Goes_out_at_once_as_one_super_segment()
    {
        byte[] octets = Octets(40_000);
        Guest.Connects();
        Host.Says(octets);
        SentPacket packet = Guest.Receives(Ack, seq: 1, ack: 1);
        Assert.Equal(1460, packet.Virtio.GsoSize);
        Assert.True((packet.Tcp.Flags & TcpFlags.Psh) != 0, "the last of a batch is pushed");
        Assert.True(packet.TcpPayload.SequenceEqual(octets));
        Guest.ReceivesNothing();
        Guest.Sends(Ack);
        World.AdvanceSeconds(30);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Is_cut_into_segments_where_the_link_does_not()
    {
        Restart(new TcpHarnessOptions { Offloads = LinkOffloads.None });
        byte[] octets = Octets(10_000);
        Guest.Connects();
        Host.Says(octets);
        for (int at = 0; at < octets.Length; at += 1460)
        {
            SentPacket packet = Guest.Receives(octets.AsSpan(at, Math.Min(1460, octets.Length - at)));
            if (at + 1460 >= octets.Length) Assert.True((packet.Tcp.Flags & TcpFlags.Psh) != 0, "the last of a batch is pushed");
        }
        Guest.ReceivesNothing();
    }

    [Fact]
    public void No_more_is_read_than_the_guests_window_has_room_for()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 2500;
        Guest.Connects();
        Host.Says(Octets(10_000));
        Guest.Receives(Ack, seq: 1, length: 2000);
        // Sender's silly window avoidance: the last 500 wait, for an acknowledgment is to come.
        Guest.ReceivesNothing();
        Assert.Equal(8000, Host.Socket.UnreadCount);
        Guest.Sends(Ack);
        Guest.Receives(Ack, seq: 2001, length: 2000);
        Guest.Sends(Ack, window: 100_00);
        Guest.Receives(Ack, seq: 4001, length: 6000);
        Assert.Equal(0, Host.Socket.UnreadCount);
    }

    [Fact]
    public void A_window_below_one_segment_is_used_when_nothing_is_under_way()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1460 };
        Guest.Window = 700;
        Guest.Connects();
        Host.Says(Octets(2000));
        Guest.Receives(Ack, seq: 1, length: 700);
        Guest.Sends(Ack);
        Guest.Receives(Ack, seq: 701, length: 700);
        Guest.Sends(Ack, window: 1);
        Guest.Receives(Ack, seq: 1401, length: 1);
        Guest.Sends(Ack, window: 1000);
        Guest.Receives(Ack, seq: 1402, length: 599);
    }

    [Fact]
    public void A_closed_window_is_probed_with_back_off_until_it_opens()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1460 };
        Guest.Window = 1000;
        Guest.Connects();
        Host.Says(Octets(3000));
        Guest.Receives(Ack, seq: 1, length: 1000);
        Guest.Sends(Ack, window: 0);
        Guest.ReceivesNothing();
        double interval = 0;
        for (int i = 0; i < 5; i++)
        {
            double waited = Waits();
            Assert.True(waited >= interval * 1.9, $"probe {i} came after {waited} s, the one before after {interval} s");
            interval = waited;
            Guest.Receives(Ack, seq: 1000, length: 0); // an old number: it must be answered
            Guest.Sends(Ack, window: 0);
        }
        Guest.Sends(Ack, window: 5000);
        Guest.Receives(Ack, seq: 1001, length: 2000);
        Guest.Sends(Ack);
        World.AdvanceSeconds(100);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_lost_window_update_is_found_by_a_probe()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Says("waiting"u8);
        Waits();
        Guest.Receives(Ack, seq: 0, length: 0);
        Guest.Sends(Ack, window: 100);
        Guest.Receives("waiting"u8);
    }

    [Fact]
    public void A_guest_that_answers_no_probe_is_given_up()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Says("waiting"u8);
        World.Host.Frames.Clear();
        World.AdvanceSeconds(15 * 60);
        Assert.Equal(Rst, SentPacket.Parse(World.Host.Frames[^1]).Tcp.Flags & Rst);
        FlowIsGone();
        Host.IsReset();
        World.Host.Frames.Clear();
    }

    [Fact]
    public void A_guest_that_keeps_its_window_closed_but_answers_is_not()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Says("waiting"u8);
        for (int i = 0; i < 40; i++)
        {
            Waits();
            Guest.Receives(Ack);
            Guest.Sends(Ack, window: 0);
        }
        Guest.Sends(Ack);
        Guest.Receives("waiting"u8);
    }

    [Fact]
    public void A_window_that_shrank_is_respected_and_what_was_sent_is_not_lost()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 8000;
        Guest.Connects();
        byte[] octets = Octets(20_000);
        Host.Says(octets);
        Guest.Receives(Ack, seq: 1, length: 8000);
        Guest.Next = 1;
        Guest.Sends(Ack, ack: 2001, window: 1000); // and discards the rest
        Guest.ReceivesNothing();
        World.AdvanceSeconds(2);
        SentPacket again = Guest.Receives(Ack, seq: 2001);
        Assert.InRange(again.TcpPayload.Length, 1, 1000);
        Assert.True(again.TcpPayload.SequenceEqual(octets.AsSpan(2000, again.TcpPayload.Length)));
    }

    [Fact]
    public void The_window_of_a_retransmission_that_acknowledges_more_counts()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 8000;
        Guest.Connects();
        Guest.Sends(Ack, data: Octets(100));
        Guest.Receives(Ack);
        Host.Says(Octets(20_000));
        Guest.Receives(Ack, seq: 1, length: 8000);
        Guest.Sends(Ack, seq: 51, ack: 4001, data: Octets(100), window: 4000); // the edge stays at 8001
        Assert.Equal(0, Guest.Receives(Ack).TcpPayload.Length);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Our_acknowledgments_stay_inside_a_window_that_shrank()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 8000;
        Guest.Connects();
        Host.Says(Octets(8000));
        Guest.Receives(Ack, seq: 1, length: 8000);
        Guest.Sends(Ack, ack: 1, window: 3000);
        Guest.Sends(Ack, ack: 1, window: 3000, data: "upload"u8);
        // A guest takes no acknowledgment from a segment beyond its window (RFC 9293 section 3.10.7.4, first check).
        Guest.Receives(Ack, seq: 3001, ack: 7, length: 0);
    }

    [Fact]
    public void Our_reset_stays_inside_a_window_that_shrank()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 9000;
        Guest.Connects();
        Host.Says(Octets(8000));
        Guest.Receives(Ack, seq: 1, length: 8000);
        Host.Closes();
        Guest.Receives(FinAck, seq: 8001);
        Guest.Sends(Ack, ack: 1, window: 3000);
        Host.Resets();
        Guest.Receives(RstAck, seq: 3001, ack: 1); // which it challenges (RFC 5961 section 3.2)
        FlowIsGone();
    }

    [Fact]
    public void Many_small_pieces_arrive_in_order_and_hold_little()
    {
        Guest.Connects();
        var said = new List<byte>();
        for (int i = 0; i < 400; i++)
        {
            byte[] piece = Octets(i % 90 + 1, i + 1);
            said.AddRange(piece);
            Host.Says(piece);
        }
        Assert.True(World.Pool.OctetsInUse < 1 << 20, $"{World.Pool.OctetsInUse} octets held for {said.Count}");
        Assert.Equal(said, Guest.TakesAll());
    }

    [Fact]
    public void One_busy_flow_leaves_others_their_turn()
    {
        Guest.Connects();
        ScriptedGuest other = AnotherGuest(41000);
        FakeSocket first = World.Host.Last;
        other.Connects();
        FakeSocket second = World.Host.Last;
        World.Host.Frames.Clear();
        first.Deliver(Octets(900_000));
        second.Deliver("short"u8);
        World.Turn();
        int at = World.Host.Frames.FindIndex(f => SentPacket.Parse(f).Destination.Port == 41000);
        Assert.InRange(at, 0, 10); // 512 KiB are eight frames
        World.Host.Frames.Clear();
    }

    [Fact]
    public void The_kernel_is_asked_once_more_only_if_there_may_be_more()
    {
        Guest.Connects();
        Host.Says("all"u8);
        Guest.Receives("all"u8);
        Assert.False(World.Engine.HasWork);
        Assert.Equal(0, Host.Socket.UnreadCount);
    }

    [Fact]
    public void When_promises_have_used_up_the_memory_data_still_flows()
    {
        Restart(new TcpHarnessOptions { MemoryBudget = 1 << 20 });
        var guests = new List<ScriptedGuest>();
        var sockets = new List<FakeSocket>();
        for (int port = 1; port <= 100; port++)
        {
            Guest = AnotherGuest(port);
            Guest.Connects();
            guests.Add(Guest);
            sockets.Add(World.Host.Last);
        }
        Assert.InRange(World.Budget.Available, 0, 9 * 16_384);
        foreach (FakeSocket socket in sockets) socket.Deliver(Octets(5000));
        World.Turn();
        // What goes to the guests does not take the slots that their own frames are read into.
        sockets[0].LimitSend(0);
        guests[0].Sends(Ack, data: Octets(16_384));
        for (int round = 0; round < 10; round++)
        {
            World.AdvanceMilliseconds(250);
            // Each acknowledgment needs a slot to be read into, while what the others wait for fills the pool.
            foreach (ScriptedGuest guest in guests) guest.TakesOwn();
            World.Host.Frames.Clear();
            foreach (ScriptedGuest guest in guests) guest.Queues(Ack);
        }
        World.Host.Frames.Clear();
        Assert.All(guests, g => Assert.Equal(5001, g.Seen));
    }

    [Fact]
    public void A_link_that_is_down_loses_frames_and_nothing_else()
    {
        Guest.Connects();
        World.Host.LinkResult = LinkResult.Down;
        Host.Says("unheard"u8);
        Dropped(DropReason.LinkDown);
        World.Host.LinkResult = LinkResult.Ok;
        World.AdvanceSeconds(2);
        Guest.Receives("unheard"u8);
    }

    /// <returns>Seconds until something is sent.</returns>
    private double Waits()
    {
        for (int tenths = 1; tenths < 1200; tenths++)
        {
            World.AdvanceMilliseconds(100);
            if (World.Host.Frames.Count > 0) return tenths / 10.0;
        }
        throw new InvalidOperationException("nothing was sent for two minutes");
    }
}
