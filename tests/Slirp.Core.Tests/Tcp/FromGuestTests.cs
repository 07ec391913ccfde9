using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Data from the guest to the host, and the window we offer (RFC 9293 section 3.8.6).</summary>
public sealed class FromGuestTests : TcpConversation
{
    private const int Window = 256 << 10; // what a flow is given first
    private const int Unit = 128; // of the window field

    /// <summary>The right edge as the guest knows it from the last segment.</summary>
    private int RightEdge(SentPacket packet) =>
        packet.Tcp.Acknowledgment.Since(Guest.Iss) + packet.Tcp.Window * Unit;

    [Fact]
    public void Goes_to_the_socket_at_once_and_is_acknowledged_once_a_batch()
    {
        Guest.Connects();
        Guest.Queues(Ack, data: "one "u8);
        Guest.Queues(Ack, data: "two "u8);
        Guest.Queues(Ack, data: "three"u8);
        Host.Hears("one two three"u8);
        World.Turn();
        Guest.Receives(Ack, seq: 1, ack: 14);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_super_segment_is_like_any_other()
    {
        byte[] octets = Octets(65_000);
        Guest.Connects();
        Guest.Sends(Ack, data: octets);
        Guest.Receives(Ack, ack: 65_001);
        Host.Hears(octets);
    }

    [Fact]
    public void What_the_socket_does_not_take_is_acknowledged_and_kept()
    {
        byte[] octets = Octets(50_000);
        Guest.Connects();
        Host.Socket.LimitSend(20_000);
        Guest.Sends(Ack, data: octets);
        SentPacket ack = Guest.Receives(Ack, ack: 50_001);
        Assert.True(RightEdge(ack) <= 50_001 + Window - 30_000, "the window counts what waits");
        Host.Hears(octets.AsSpan(0, 20_000));
        Host.Socket.MakeRoom(10_000);
        World.Turn();
        Host.Hears(octets.AsSpan(20_000, 10_000));
        Host.Socket.MakeRoom(100_000);
        World.Turn();
        Host.Hears(octets.AsSpan(30_000));
    }

    /// <summary>Scenarios 33 and O6: the server's window is small, or one octet.</summary>
    [Theory]
    [InlineData(700)]
    [InlineData(1)]
    public void Order_is_kept_while_the_socket_takes_little_by_little(int step)
    {
        byte[] octets = Octets(30_000);
        Guest.Connects();
        Host.Socket.LimitSend(0);
        for (int i = 0; i < 30; i++)
        {
            Guest.Sends(Ack, data: octets.AsSpan(i * 1000, 1000));
            Host.Socket.MakeRoom(step);
            World.Turn();
        }
        for (int i = 0; i < 500; i++)
        {
            Host.Socket.MakeRoom(step);
            World.Turn();
        }
        Host.Hears(octets.AsSpan(0, Math.Min(octets.Length, 530 * step)));
        Host.Socket.MakeRoom(octets.Length);
        World.Turn();
        Assert.True(Host.Socket.Sent.SequenceEqual(octets));
    }

    [Fact]
    public void The_window_closes_to_its_last_octet_and_what_is_inside_is_never_refused()
    {
        byte[] octets = Octets(Window);
        Guest.Connects();
        Host.Socket.LimitSend(0);
        Guest.Sends(Ack, data: octets.AsSpan(0, 1000));
        int edge = RightEdge(Guest.Receives(Ack, ack: 1001));
        Assert.InRange(edge, Window - Unit, Window + 1);
        while (Guest.Next < edge)
        {
            int length = Math.Min(60_000, edge - Guest.Next);
            Guest.Sends(Ack, data: octets.AsSpan(Guest.Next - 1, length));
            SentPacket ack = Guest.Receives(Ack, ack: Guest.Next);
            // Rounding to the unit of the field may hide less than one unit (RFC 7323 section 2.4).
            Assert.InRange(RightEdge(ack), edge - Unit + 1, edge);
        }
        Assert.Equal(0, World.Counters.DroppedInAll());
        Guest.Sends(Ack, seq: edge + Unit, data: "beyond"u8);
        Guest.Receives(Ack, ack: edge, window: 0);
        Dropped(DropReason.TcpOutsideWindow);
        Host.Socket.MakeRoom(Window);
        World.Turn();
        Guest.Receives(Ack, ack: edge);
        Host.Hears(octets.AsSpan(0, edge - 1));
    }

    [Fact]
    public void Probes_of_a_closed_window_are_answered()
    {
        FillsWindow();
        foreach (int seq in new[] { Guest.Next, Guest.Next - 1 })
        {
            Guest.Sends(Ack, seq: seq, data: "p"u8);
            Guest.Receives(Ack, ack: Guest.Next, window: 0);
            Guest.Sends(Ack, seq: seq);
            if (seq == Guest.Next) Guest.ReceivesNothing(); // an acknowledgment in its place asks for nothing
            else Guest.Receives(Ack, ack: Guest.Next, window: 0);
        }
    }

    [Fact]
    public void The_edge_does_not_creep()
    {
        FillsWindow();
        // Receiver's silly window avoidance (RFC 9293 section 3.8.6.2.2): neither unasked nor in answer to a probe.
        for (int drained = 100; drained < 1400; drained += 100)
        {
            Host.Socket.MakeRoom(100);
            World.Turn();
            Guest.ReceivesNothing();
            World.AdvanceMilliseconds(500); // probes come no faster
            Guest.Sends(Ack, seq: Guest.Next - 1);
            Guest.Receives(Ack, ack: Guest.Next, window: 0);
        }
        Host.Socket.MakeRoom(2000);
        World.Turn();
        SentPacket update = Guest.Receives(Ack, ack: Guest.Next); // with ACK, or it would be ignored (scenario 31)
        Assert.InRange(update.Tcp.Window * Unit, 2 * 1460, 3400);
    }

    [Fact]
    public void An_unscaled_window_smaller_than_our_MSS_is_opened_again_by_halves()
    {
        Restart(new TcpHarnessOptions { Mtu = 65535 });
        Guest.SynOptions = new TcpOptions { Mss = 65495 };
        Guest.Connects();
        for (int i = 0; i < 200; i++)
        {
            Guest.Sends(Ack, data: Octets(1000));
            Assert.InRange(Guest.Receives(Ack, ack: Guest.Next).Tcp.Window, 32_767, 65_535);
        }
    }

    [Fact]
    public void A_lost_window_update_is_learnt_by_a_probe()
    {
        FillsWindow();
        Host.Socket.MakeRoom(Window);
        World.Turn();
        World.Host.Frames.Clear(); // lost
        Guest.Sends(Ack, seq: Guest.Next - 1);
        SentPacket answer = Guest.Receives(Ack, ack: Guest.Next);
        Assert.InRange(answer.Tcp.Window * Unit, Window / 2, Window);
    }

    [Fact]
    public void The_window_grows_while_the_host_takes_all()
    {
        Guest.Connects();
        byte[] octets = Octets(60_000);
        int widest = 0;
        for (int i = 0; i < 500; i++)
        {
            Guest.Sends(Ack, data: octets);
            SentPacket ack = Guest.Receives(Ack, ack: Guest.Next);
            Assert.True(ack.Tcp.Window * Unit >= widest - Unit, "the window shrank");
            widest = Math.Max(widest, ack.Tcp.Window * Unit);
        }
        Assert.Equal(4 << 20, widest);
    }

    [Fact]
    public void The_window_does_not_grow_for_a_host_that_is_slow()
    {
        Guest.Connects();
        Host.Socket.LimitSend(0);
        byte[] octets = Octets(20_000);
        for (int i = 0; i < 50; i++)
        {
            Guest.Sends(Ack, data: octets);
            Assert.InRange(Guest.Receives(Ack).Tcp.Window * Unit, 0, Window);
            if (i < 7) continue; // from now on more than half of the window always waits
            Host.Socket.MakeRoom(octets.Length);
            World.Turn();
            Guest.TakesAll();
        }
    }

    [Fact]
    public void The_urgent_pointer_changes_nothing()
    {
        Guest.Connects();
        foreach (ushort pointer in new ushort[] { 0, 1, 3, 200, 65535 })
        {
            SendsUrgent(pointer, "abc"u8);
            Host.Hears("abc"u8);
        }
        Host.Socket.LimitSend(0);
        SendsUrgent(65535, "abc"u8);
        SendsUrgent(65535, default); // in a segment without data
        Host.Socket.MakeRoom(100);
        World.Turn();
        Host.Hears("abc"u8);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void A_broken_socket_is_a_reset_for_the_guest()
    {
        Guest.Connects();
        Host.Socket.DeliverReset(Slirp.Core.World.HostError.BrokenPipe);
        World.Turn();
        Guest.Receives(RstAck, seq: 1, ack: 1);
        FlowIsGone();
    }

    [Fact]
    public void A_guest_may_send_while_it_does_not_read()
    {
        Guest.Window = 0;
        Guest.SynOptions = new TcpOptions { Mss = 1460 };
        Guest.Connects();
        Host.Says(Octets(10_000));
        for (int i = 0; i < 50; i++)
        {
            Guest.Sends(Ack, data: Octets(1000));
            Guest.Receives(Ack, ack: Guest.Next);
        }
        Assert.Equal(50_000, Host.Socket.SentCount);
    }

    /// <summary>It writes and reads nothing, and would hear of the reset by its own probe of the window, minutes later.</summary>
    [Fact]
    public void A_guest_that_waits_for_room_hears_when_the_host_takes_nothing_any_more()
    {
        Guest.Window = 0;
        FillsWindow();
        Host.Resets();
        SentPacket update = Guest.Receives(Ack, ack: Guest.Next);
        Assert.InRange(update.Tcp.Window * Unit, Window / 2, Window);
        World.AdvanceSeconds(2);
        World.Host.Frames.Clear(); // probes of its own window
        Guest.Sends(Ack, data: Octets(1000));
        Guest.Receives(RstAck, seq: 1);
        FlowIsGone();
    }

    [Fact]
    public void Room_is_not_told_in_a_probe_that_nobody_heeds()
    {
        Guest.Window = 0;
        FillsWindow();
        Host.Says("waits"u8);
        Host.Socket.MakeRoom(2000); // less than is worth an acknowledgment
        World.Turn();
        Guest.ReceivesNothing();
        World.AdvanceMilliseconds(250);
        Guest.Receives(Ack, seq: 0, length: 0, window: 0);
        Host.Socket.MakeRoom(1000);
        World.Turn();
        SentPacket update = Guest.Receives(Ack, seq: 1, ack: Guest.Next);
        Assert.InRange(update.Tcp.Window * Unit, 2 * 1460, 3000);
    }

    private void FillsWindow()
    {
        Guest.Connects();
        Host.Socket.LimitSend(0);
        Guest.Sends(Ack, data: Octets(Unit)); // a multiple, so that nothing is hidden by rounding
        int edge = RightEdge(Guest.Receives(Ack));
        while (Guest.Next < edge)
        {
            Guest.Sends(Ack, data: Octets(Math.Min(60_000, edge - Guest.Next)));
            Guest.Receives(Ack, ack: Guest.Next);
        }
    }

    private void SendsUrgent(ushort pointer, ReadOnlySpan<byte> data)
    {
        var fields = new TcpFields(
            GuestEnd.Port, ServerEnd.Port, Guest.Iss + Guest.Next, Guest.PeerIss + Guest.Seen, TcpFlags.Ack | TcpFlags.Urg, 65535);
        byte[] packet = FrameFactory.Tcp(GuestEnd.Address, ServerEnd.Address, fields, default, data);
        packet[38] = (byte)(pointer >> 8);
        packet[39] = (byte)pointer;
        World.Inject(packet);
        World.Turn();
        Guest.Next += data.Length;
        Guest.TakesAll();
    }
}
