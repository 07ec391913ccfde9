using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>What happens when there is too much of something; and that everything taken is given back.</summary>
public sealed class LimitTests : TcpConversation
{
    private void LimitedTo(int flows = 1000, int halfOpen = 1000, int timeWait = 1000) => Restart(new TcpHarnessOptions
    {
        Parameters = TcpParameters.Default with { MaxFlows = flows, MaxHalfOpen = halfOpen, MaxTimeWait = timeWait },
    });

    private ScriptedGuest Connected(int port)
    {
        ScriptedGuest guest = AnotherGuest(port);
        guest.Connects();
        return guest;
    }

    private void ReachesTimeWait(int port)
    {
        ScriptedGuest guest = Connected(port);
        World.Host.Last.DeliverEndOfFile();
        World.Turn();
        guest.Receives(FinAck);
        guest.Sends(FinAck);
        guest.Receives(Ack);
    }

    [Fact]
    public void A_full_table_drops_the_SYN_and_harms_nobody()
    {
        LimitedTo(flows: 10);
        for (int port = 1; port <= 10; port++) Connected(port);
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        Dropped(DropReason.TcpFlowLimit);
        Assert.Equal(10, World.Engine.Flows.Count);
        Assert.Equal(10, World.Host.OpenCount);
    }

    [Fact]
    public void A_full_table_makes_room_by_its_oldest_TIME_WAIT()
    {
        LimitedTo(flows: 3);
        Connected(1);
        ReachesTimeWait(2);
        ReachesTimeWait(3);
        Guest.Connects();
        Assert.Equal(3, World.Engine.Flows.Count);
        AnotherGuest(3).Sends(FinAck, seq: 1); // the newer one is still there and answers
        Assert.Equal(Ack, SentPacket.Parse(World.Host.Frames[^1]).Tcp.Flags & ~TcpFlags.Psh);
        World.Host.Frames.Clear();
    }

    [Fact]
    public void Connects_under_way_are_capped_and_the_oldest_gives_way()
    {
        LimitedTo(halfOpen: 5);
        for (int port = 1; port <= 8; port++) AnotherGuest(port).Sends(Syn);
        Assert.Equal(5, World.Host.OpenCount);
        for (int i = 0; i < 8; i++) Assert.Equal(i >= 3, World.Host.Sockets[i].IsOpen);
        Assert.Empty(World.Host.Frames);
    }

    [Fact]
    public void A_flood_of_SYNs_to_silence_leaves_others_alone()
    {
        LimitedTo(flows: 5000, halfOpen: 64);
        Guest.Connects();
        for (int i = 0; i < 3000; i++)
        {
            new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint($"198.51.{100 + i / 250}.{i % 250 + 1}", 81)).Sends(Syn);
            if (i % 100 != 0) continue;
            Host.Socket = World.Host.Sockets[0];
            Host.Says("x"u8);
            Guest.Receives("x"u8);
            Guest.Sends(Ack);
        }
        Assert.Equal(65, World.Host.OpenCount);
    }

    [Fact]
    public void TIME_WAIT_entries_are_capped()
    {
        LimitedTo(timeWait: 5);
        for (int port = 1; port <= 9; port++) ReachesTimeWait(port);
        Assert.Equal(5, World.Engine.Flows.Count);
    }

    [Fact]
    public void A_flow_that_has_ended_holds_nothing()
    {
        for (int port = 1; port <= 50; port++)
        {
            Guest = AnotherGuest(port);
            Host = new ScriptedHost(World);
            Guest.Connects();
            Host.Socket.LimitSend(5_000);
            Guest.Sends(Ack, data: Octets(30_000));
            Guest.Sends(Ack, seq: 40_000, data: Octets(20_000));
            Guest.Sends(Ack, seq: 70_000, data: Octets(10));
            Host.Says(Octets(30_000));
            if (port % 2 == 0) Host.Resets();
            else Guest.Sends(Rst, seq: 30_001);
            FlowIsGone();
            World.Host.Frames.Clear();
        }
        // One slot waits for the next frame and one for the next octets from a host.
        Assert.InRange(World.Pool.InUse, 0, 2);
        Assert.Equal(0, World.Budget.Promised);
        Assert.Equal(0, World.Timers.Count);
        Assert.Equal(0, World.Host.OpenCount);
    }

    [Fact]
    public void A_quiet_flow_holds_no_slot()
    {
        for (int port = 1; port <= 20; port++)
        {
            Guest = AnotherGuest(port);
            Host = new ScriptedHost(World);
            Guest.Connects();
            Guest.Sends(Ack, data: Octets(3000));
            Guest.TakesAll();
            Host.Says(Octets(3000));
            Guest.TakesAll();
            Guest.Sends(Ack);
        }
        Assert.InRange(World.Pool.InUse, 0, 2);
    }

    [Fact]
    public void Windows_shrink_for_newcomers_when_memory_is_short()
    {
        Restart(new TcpHarnessOptions { MemoryBudget = 2 << 20 });
        int last = 1 << 20;
        for (int port = 1; port <= 60; port++)
        {
            Guest = AnotherGuest(port);
            Guest.Connects();
            Guest.Sends(Ack, data: "x"u8);
            int window = Guest.Receives(Ack).Tcp.Window * 128;
            Assert.InRange(window, 8 << 10, last + 128);
            last = Math.Max(window, 16 << 10);
        }
        Assert.InRange(last, 8 << 10, 16 << 10);
    }

    [Fact]
    public void Only_a_newcomer_that_gets_the_least_means_that_memory_is_short()
    {
        Restart(new TcpHarnessOptions { MemoryBudget = 8 << 20 });
        Guest.Connects();
        for (int i = 0; i < 300; i++)
        {
            Guest.Sends(Ack, data: Octets(60_000));
            Guest.Receives(Ack);
        }
        Assert.True(World.Budget.Available > World.Budget.Ceiling / 2);
        for (int port = 1; port <= 40; port++) Connected(port);
        Assert.Equal(0, World.Counters.TcpSmallestWindows); // one window does not grow any more, others begin small
        for (int port = 41; port <= 150; port++) Connected(port);
        Assert.InRange(World.Counters.TcpSmallestWindows, 1, 110);
    }

    /// <summary>Windows that grew and are not used lend their memory; what the guests were told stays true.</summary>
    [Fact]
    public void Idle_flows_do_not_keep_newcomers_small()
    {
        Restart(new TcpHarnessOptions { MemoryBudget = 32 << 20 });
        var idle = new List<(ScriptedGuest Guest, FakeSocket Socket, int Edge)>();
        for (int port = 1; port <= 300; port++)
        {
            Guest = AnotherGuest(port);
            Guest.Connects();
            int edge = 16_000;
            for (int i = 0; i < (port > 100 ? 1 : 40); i++)
            {
                Guest.Sends(Ack, data: Octets(Math.Min(60_000, edge - Guest.Next)));
                Guest.TakesOwn();
                edge = Guest.Next + SentPacket.Parse(World.Host.Frames[^1]).Tcp.Window * 128;
                World.Host.Frames.Clear();
            }
            idle.Add((Guest, World.Host.Last, edge));
        }
        World.AdvanceSeconds(11);
        World.Host.Frames.Clear();
        for (int port = 1001; port <= 1010; port++)
        {
            Guest = AnotherGuest(port);
            Guest.Connects();
            Guest.Sends(Ack, data: "x"u8);
            int window = Guest.Receives(Ack).Tcp.Window * 128;
            Assert.True(window >= 200_000, $"newcomer {port} got a window of {window}");
        }
        foreach ((ScriptedGuest guest, FakeSocket socket, int edge) in idle.Take(40))
        {
            socket.LimitSend(0);
            long before = socket.SentCount;
            byte[] octets = Octets(edge - guest.Next);
            for (int at = 0; at < octets.Length; at += 60_000)
                guest.Sends(Ack, data: octets.AsSpan(at, Math.Min(60_000, octets.Length - at)));
            guest.TakesOwn();
            World.Host.Frames.Clear();
            socket.MakeRoom(octets.Length);
            World.Turn();
            Assert.True(before + octets.Length == socket.SentCount, $"{socket.SentCount - before} of {octets.Length}, {World.Pool.InUse} slots, {World.Counters.Dropped(DropReason.NoMemory)} drops");
            World.Host.Frames.Clear();
        }
        Assert.Equal(0, World.Counters.Dropped(DropReason.NoMemory));
        Assert.Equal(0, World.Counters.Dropped(DropReason.TcpOutsideWindow));
    }

    /// <summary>Linux cuts segments by the largest window it was told, and waits until one fits: a probe's time, if none ever does.</summary>
    [Fact]
    public void A_window_that_lends_its_memory_keeps_room_for_the_guests_segments()
    {
        const int Mtu = 65520, Mss = Mtu - 40;
        Restart(new TcpHarnessOptions { MemoryBudget = 2 << 20, Mtu = Mtu });
        ScriptedGuest idle = Guest;
        idle.SynOptions = new TcpOptions { Mss = Mss, WindowScale = 7, SackPermitted = true };
        idle.Connects();
        idle.Sends(Ack, data: "x"u8);
        int edge = idle.Next + idle.Receives(Ack).Tcp.Window * 128;
        Assert.InRange(edge, 255 << 10, 257 << 10);
        World.AdvanceSeconds(11);
        for (int port = 1; port <= 60; port++)
        {
            Guest = AnotherGuest(port);
            Guest.Connects();
            Guest.Sends(Ack, data: "x"u8);
            Guest.Receives(Ack);
        }
        Assert.InRange(World.Budget.Available, 0, 9 * (16 << 10));
        while (idle.Next < edge)
        {
            idle.Sends(Ack, data: Octets(Math.Min(Mss, edge - idle.Next)));
            Assert.InRange(idle.Receives(Ack, ack: idle.Next).Tcp.Window * 128, Mss, edge);
        }
    }

    /// <summary>Hosts that take nothing, and guests that fill all the windows they were told: more than the whole pool.</summary>
    [Fact]
    public void A_full_pool_sheds_payload_and_stops_nobody()
    {
        Restart(new TcpHarnessOptions { MemoryBudget = 1 << 20 });
        byte[] octets = Octets(16_000);
        var blocked = new List<(ScriptedGuest Guest, FakeSocket Socket)>();
        for (int port = 1; port <= 500; port++)
        {
            ScriptedGuest guest = AnotherGuest(port);
            guest.Connects();
            World.Host.Last.LimitSend(0);
            blocked.Add((guest, World.Host.Last));
        }
        Guest.Connects();
        foreach ((ScriptedGuest guest, _) in blocked) guest.Sends(Ack, data: octets);
        Assert.True(World.Counters.Dropped(DropReason.NoMemory) > 0, "the pool was large enough for all of it");
        World.Host.Frames.Clear();
        // Beside them somebody whose host takes what it gets has his frames read and his octets carried.
        for (int i = 0; i < 20; i++)
        {
            Guest.Sends(Ack, data: octets);
            Guest.Receives(Ack, ack: 1 + (i + 1) * octets.Length);
        }
        Assert.Equal(20 * octets.Length, World.Host.Last.SentCount);
        // What was not acknowledged comes again, once there is room.
        foreach ((_, FakeSocket socket) in blocked) socket.MakeRoom(long.MaxValue / 2);
        World.Turn();
        foreach ((ScriptedGuest guest, FakeSocket socket) in blocked)
        {
            guest.Sends(Ack, seq: 1, data: octets);
            Assert.True(socket.Sent.SequenceEqual(octets), "octets were lost or came twice");
        }
        World.Host.Frames.Clear();
    }

    /// <summary>ENOBUFS with nothing under way: no edge will come.</summary>
    [Fact]
    public void A_host_without_memory_is_asked_again_soon()
    {
        Guest.Connects();
        Host.Socket.FailStream(Slirp.Core.World.HostError.NoBuffers, 3);
        Guest.Sends(Ack, data: "patience"u8);
        Host.HearsNothing();
        World.AdvanceSeconds(1);
        Host.Hears("patience"u8);
        Host.Socket.FailStream(Slirp.Core.World.HostError.NoBuffers, 2);
        Host.Says("likewise"u8);
        World.AdvanceSeconds(1);
        Assert.Equal("likewise"u8.ToArray(), Guest.TakesAll());
    }

    [Fact]
    public void A_host_that_forgets_to_say_that_it_has_room_is_asked_now_and_then()
    {
        Guest.Connects();
        Host.Socket.LimitSend(3);
        Guest.Sends(Ack, data: "patience"u8);
        Host.Socket.LimitSend(100); // and no edge
        World.AdvanceSeconds(2);
        Host.Hears("patience"u8);
        int calls = Host.Socket.SendCalls;
        Host.Socket.LimitSend(0);
        Guest.Sends(Ack, data: "more"u8);
        World.AdvanceSeconds(600);
        Assert.InRange(Host.Socket.SendCalls - calls, 2, 20); // a blocked flow costs nothing
    }

    [Fact]
    public void A_FIN_before_octets_that_were_sent_is_a_lie()
    {
        Guest.Connects();
        Guest.Sends(Ack, seq: 101, data: Octets(100));
        Guest.Sends(FinAck, seq: 51);
        Guest.Sends(Ack, seq: 1, data: Octets(100));
        Guest.Next = 201;
        Guest.Sends(FinAck);
        FlowIs(GuestTcpState.CloseWait);
        Assert.Equal(200, World.Host.Last.SentCount);
        World.Host.Frames.Clear();
    }

    [Fact]
    public void Closing_all_resets_both_sides_of_everything()
    {
        Guest.Connects();
        ScriptedGuest connecting = AnotherGuest(1);
        connecting.Sends(Syn);
        World.Engine.CloseAll();
        Guest.Receives(RstAck, seq: 1, ack: 1);
        Guest.ReceivesNothing();
        Assert.All(World.Host.Sockets, s => Assert.True(s.WasReset));
        Assert.Equal(0, World.Engine.Flows.Count);
    }
}
