using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>SYN-SENT: connections from outside through a forward. The guest is asked first, and the outside is reset if it
/// will not have them.</summary>
public sealed class InboundTests : TcpConversation
{
    private static readonly IpEndpoint Listener = FrameFactory.Endpoint("10.0.2.100", 8080);
    private static readonly IpEndpoint Client = FrameFactory.Endpoint("198.51.100.9", 50123);

    public InboundTests() => Guest = new ScriptedGuest(World, Listener, Client);

    private void Comes()
    {
        FakeSocket accepted = World.Host.Accept(Client);
        Host.Socket = accepted;
        World.Engine.OpenInbound(accepted.Handle, new FlowKey(Listener, Client), FrameFactory.GuestMac, World.Now);
        World.Turn();
    }

    private void Answers(TcpFlags flags = SynAck, int ack = 1)
    {
        Guest.Next = 0;
        Guest.Sends(flags, seq: 0, ack: ack, options: Guest.SynOptions);
        Guest.Next = 1;
    }

    [Fact]
    public void The_guest_is_asked_and_then_both_speak()
    {
        Comes();
        SentPacket syn = Guest.Receives(Syn, seq: 0);
        TcpOptions offer = TcpOptions.Parse(syn.Tcp.Options);
        Assert.Equal((ushort)1460, offer.Mss);
        Assert.Equal((byte)7, offer.WindowScale);
        Assert.True(offer.SackPermitted);
        Assert.True(offer.HasTimestamps);
        Answers();
        Guest.Receives(Ack, seq: 1, ack: 1);
        FlowIs(GuestTcpState.Established);
        Host.Says("GET /"u8);
        Guest.Receives("GET /"u8);
        Guest.Sends(Ack, data: "200"u8);
        Host.Hears("200"u8);
    }

    /// <summary>The interface may be a port of a bridge: the first SYN went to it, the next goes to whom the guest named.</summary>
    [Fact]
    public void A_guest_that_is_found_meanwhile_is_asked_where_it_is()
    {
        var behindBridge = new MacAddress(0x0200_0000_7701);
        Comes();
        Assert.Equal(FrameFactory.GuestMac, Guest.Receives(Syn).DestinationMac);
        World.Engine.Stations = new Station(behindBridge);
        World.AdvanceSeconds(1.1);
        Assert.Equal(behindBridge, Guest.Receives(Syn).DestinationMac);
    }

    private sealed class Station(MacAddress mac) : IGuestStations
    {
        private bool _isDoubted;

        public bool TryFind(IpAddress guest, Instant now, out MacAddress station)
        {
            station = mac;
            return guest == Listener.Address && _isDoubted;
        }

        public void Doubt(IpAddress guest, MacAddress station, Instant now) => _isDoubted = true;
    }

    /// <summary>Scenario O5: connections that the guest does not answer give way to later ones, open ones never do.</summary>
    [Fact]
    public void Unanswered_connections_are_capped_and_the_oldest_gives_way()
    {
        Restart(new TcpHarnessOptions { Parameters = TcpParameters.Default with { MaxHalfOpen = 5 } });
        Guest = new ScriptedGuest(World, Listener, Client);
        Comes();
        Guest.Receives(Syn);
        Answers();
        Guest.Receives(Ack);
        for (int i = 0; i < 8; i++)
        {
            IpEndpoint another = Client with { Port = (ushort)(1000 + i) };
            World.Engine.OpenInbound(World.Host.Accept(another).Handle, new FlowKey(Listener, another), FrameFactory.GuestMac, World.Now);
        }
        World.Turn();
        World.Host.Frames.Clear();
        Assert.Equal(6, World.Engine.Flows.Count);
        for (int i = 1; i <= 8; i++)
        {
            Assert.Equal(i > 3, World.Host.Sockets[i].IsOpen);
            Assert.Equal(i <= 3, World.Host.Sockets[i].WasReset);
        }
        Host.Says("still"u8);
        Guest.Receives("still"u8);
    }

    [Fact]
    public void What_the_client_said_before_waits_for_the_guest()
    {
        FakeSocket accepted = World.Host.Accept(Client);
        Host.Socket = accepted;
        accepted.Deliver("early"u8);
        accepted.DeliverEndOfFile();
        World.Engine.OpenInbound(accepted.Handle, new FlowKey(Listener, Client), FrameFactory.GuestMac, World.Now);
        World.Turn();
        Guest.Receives(Syn);
        Guest.ReceivesNothing();
        Answers();
        Guest.Receives("early"u8);
        Guest.Receives(FinAck, seq: 6, ack: 1);
    }

    [Fact]
    public void Works_the_same_over_IPv6()
    {
        IpEndpoint listener = FrameFactory.Endpoint("fd00::100", 8080), client = FrameFactory.Endpoint("2001:db8::9", 50123);
        Guest = new ScriptedGuest(World, listener, client);
        FakeSocket accepted = World.Host.Accept(client);
        World.Engine.OpenInbound(accepted.Handle, new FlowKey(listener, client), FrameFactory.GuestMac, World.Now);
        World.Turn();
        Guest.Receives(Syn);
        Answers();
        Guest.Receives(Ack, ack: 1);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void Refused_resets_the_outside()
    {
        Comes();
        Guest.Receives(Syn);
        Answers(RstAck);
        FlowIsGone();
        Host.IsReset();
        Guest.ReceivesNothing();
    }

    [Fact]
    public void Silence_is_asked_again_with_back_off_and_then_resets_the_outside()
    {
        Comes();
        Guest.Receives(Syn);
        foreach (int wait in new[] { 1, 2, 4, 8, 16, 32 })
        {
            World.AdvanceSeconds(wait - 0.1);
            Guest.ReceivesNothing();
            World.AdvanceSeconds(0.1);
            Guest.Receives(Syn, seq: 0);
        }
        Assert.True(Host.Socket.IsOpen);
        World.AdvanceSeconds(61);
        FlowIsGone();
        Host.IsReset();
        World.Host.Frames.Clear();
    }

    [Theory]
    [InlineData(Syn | Ack)]
    [InlineData(Ack)]
    public void A_wrong_acknowledgment_is_reset_and_the_question_stands(TcpFlags flags)
    {
        Comes();
        Guest.Receives(Syn);
        Answers(flags, ack: 7);
        Guest.Receives(Rst, seq: 7);
        FlowIs(GuestTcpState.SynSent);
        Answers();
        FlowIs(GuestTcpState.Established);
        Guest.TakesAll();
    }

    [Theory]
    [InlineData(Rst, 0)] // no ACK: it may be anybody's
    [InlineData(RstAck, 7)]
    [InlineData(Ack, 1)]
    [InlineData(Fin | Ack, 1)]
    [InlineData(TcpFlags.None, 0)]
    public void What_answers_nothing_changes_nothing(TcpFlags flags, int ack)
    {
        Comes();
        Guest.Receives(Syn);
        Answers(flags, ack);
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.SynSent);
    }

    [Fact]
    public void A_guest_that_opens_the_same_connection_at_once_is_met_half_way()
    {
        // Simultaneous open (RFC 9293 figure 8): our SYN makes it answer, whatever became of its own.
        Comes();
        Guest.Receives(Syn);
        Answers(Syn);
        Answers(SynAck);
        Guest.Receives(Ack, ack: 1);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void Without_options_in_the_answer_none_are_used()
    {
        Guest.SynOptions = default;
        Comes();
        Guest.Receives(Syn);
        Answers();
        SentPacket ack = Guest.Receives(Ack, ack: 1);
        Assert.Equal(0, ack.Tcp.Options.Length);
        Assert.Equal(65535, ack.Tcp.Window);
        Host.Says(Octets(2000));
        Assert.Equal(536, Guest.Receives(Ack).Virtio.GsoSize);
    }

    [Fact]
    public void The_client_that_leaves_meanwhile_is_reported_once_the_guest_can_hear_it()
    {
        Comes();
        Guest.Receives(Syn);
        Host.Resets();
        Answers();
        Guest.Receives(RstAck, seq: 1, ack: 1);
        FlowIsGone();
    }

    [Fact]
    public void A_second_connection_from_the_same_port_is_refused_while_the_first_lives()
    {
        Restart(new TcpHarnessOptions { Parameters = TcpParameters.Default with { MaxHalfOpen = 1 } });
        Guest = new ScriptedGuest(World, Listener, Client);
        Comes();
        Guest.Receives(Syn);
        FakeSocket first = Host.Socket;
        Comes();
        Host.IsReset();
        Assert.True(first.IsOpen, "the first one had to go, for nobody");
        Guest.ReceivesNothing();
        Dropped(DropReason.TcpFlowExists);
    }

    [Fact]
    public void TIME_WAIT_makes_room_for_it()
    {
        ReachesTimeWait();
        Assert.True(Flow.GivesWay);
        Comes();
        Guest.Receives(Syn);
        FlowIs(GuestTcpState.SynSent);
    }

    /// <summary>Whoever chooses the endpoints of the next one asks first.</summary>
    [Fact]
    public void TIME_WAIT_makes_no_room_while_the_host_has_still_to_take_something()
    {
        ReachesTimeWait(undelivered: "last words");
        Assert.False(Flow.GivesWay);
        FakeSocket first = Host.Socket;
        Comes();
        Host.IsReset();
        Guest.ReceivesNothing();
        Dropped(DropReason.TcpFlowExists);
        first.MakeRoom(1000);
        World.Turn();
        Assert.Equal("last words"u8, first.Sent);
        Assert.True(Flow.GivesWay);
        Comes();
        Guest.Receives(Syn);
    }

    private void ReachesTimeWait(string undelivered = "")
    {
        Comes();
        Guest.Receives(Syn);
        Answers();
        Guest.Receives(Ack);
        if (undelivered.Length > 0) Host.Socket.LimitSend(0);
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Sends(FinAck, data: System.Text.Encoding.ASCII.GetBytes(undelivered));
        Guest.Receives(Ack);
        FlowIs(GuestTcpState.TimeWait);
    }

    [Fact]
    public void A_full_table_makes_room_by_its_oldest_TIME_WAIT()
    {
        Restart(new TcpHarnessOptions { Parameters = TcpParameters.Default with { MaxFlows = 2 } });
        for (int port = 1; port <= 2; port++)
        {
            Guest = AnotherGuest(port);
            Host = new ScriptedHost(World);
            Guest.Connects();
            if (port == 2) break;
            Host.Closes();
            Guest.Receives(FinAck);
            Guest.Sends(FinAck);
            Guest.Receives(Ack);
            FlowIs(GuestTcpState.TimeWait);
        }
        Guest = new ScriptedGuest(World, Listener, Client);
        Comes();
        Guest.Receives(Syn);
        FlowIs(GuestTcpState.SynSent);
    }
}
