using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Silence: probes from the guest, and ours toward a guest that may be gone (RFC 9293 section 3.8.4).</summary>
public sealed class KeepAliveTests : TcpConversation
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void The_guests_probe_is_answered(int octets)
    {
        Guest.Connects();
        Guest.Sends(Ack, seq: 0, data: Octets(octets));
        Guest.Receives(Ack, seq: 1, ack: 1, length: 0);
        Host.HearsNothing();
    }

    /// <summary>A guest that asks whether its peer is alive gets an answer from us, who are; so the peer is asked too.</summary>
    [Fact]
    public void The_guests_probe_has_the_host_probe_as_patiently()
    {
        Guest.Connects();
        Guest.Sends(Ack, data: "x"u8);
        Guest.Sends(Ack, seq: 1, data: "x"u8); // again at once: a retransmission
        Assert.Null(Host.Socket.KeepAliveIdle);
        World.AdvanceSeconds(20);
        Guest.Sends(Ack, seq: 1);
        Assert.Equal(TimeSpan.FromSeconds(20), Host.Socket.KeepAliveIdle);
        World.AdvanceSeconds(20);
        Guest.Sends(Ack, seq: 1);
        Assert.Equal(TimeSpan.FromSeconds(20), Host.Socket.KeepAliveIdle);
        Host.Socket.DeliverReset(HostError.TimedOut);
        World.Turn();
        FlowIsGone();
    }

    /// <summary>Whoever is asked by us has not spoken of himself, and his own patience is not shorter for it.</summary>
    [Theory]
    [InlineData(false, 301, 10)]
    [InlineData(false, 301, 0.5)] // which is no retransmission
    [InlineData(true, 16, 10)] // half closed, it is asked every 15 s
    public void Our_own_probes_do_not_make_the_guest_s_look_impatient(bool hasClosed, double asked, double later)
    {
        Guest.Connects();
        if (hasClosed)
        {
            Guest.Sends(FinAck);
            Guest.Receives(Ack);
        }
        World.AdvanceSeconds(asked);
        Guest.Receives(Ack, seq: 0, length: 0);
        Guest.Sends(Ack);
        World.AdvanceSeconds(later);
        Guest.Sends(Ack, seq: Guest.Next - 1);
        Guest.Receives(Ack, ack: Guest.Next);
        Assert.Equal(TimeSpan.FromSeconds(asked + later), Host.Socket.KeepAliveIdle);
    }

    [Fact]
    public void What_crosses_a_probe_is_no_answer_to_it()
    {
        Guest.Connects();
        World.AdvanceSeconds(301);
        Guest.Receives(Ack, seq: 0, length: 0);
        Guest.Sends(Ack, data: "x"u8);
        Guest.Receives(Ack, ack: 2);
        World.AdvanceSeconds(20);
        Guest.Sends(Ack, seq: 1);
        Assert.Equal(TimeSpan.FromSeconds(20), Host.Socket.KeepAliveIdle);
    }

    [Fact]
    public void A_guest_that_is_gone_after_closing_its_half_is_noticed_within_75_seconds()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        World.AdvanceSeconds(14.9);
        Guest.ReceivesNothing();
        World.AdvanceSeconds(0.2);
        Guest.Receives(Ack, seq: 0, ack: 2, length: 0);
        for (int i = 0; i < 4; i++)
        {
            World.AdvanceSeconds(10);
            Guest.Receives(Ack, seq: 0, ack: 2, length: 0);
        }
        World.AdvanceSeconds(10);
        Guest.Receives(RstAck, seq: 1, ack: 2);
        FlowIsGone();
        Host.IsReset();
    }

    [Fact]
    public void One_that_has_forgotten_says_so()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        World.AdvanceSeconds(15.1);
        Guest.Receives(Ack, seq: 0);
        Guest.Sends(Rst, seq: 2);
        FlowIsGone();
        Host.IsReset();
    }

    /// <summary>Linux forgets a connection a minute after its program has closed it, however slow the other end is to take what
    /// was sent: which is with the host's kernel, or with us.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_one_that_has_forgotten_had_sent_still_arrives(bool isWithUs)
    {
        Guest.Connects();
        Host.Socket.IsDelivered = false;
        if (isWithUs) Host.Socket.LimitSend(4);
        SendsClosesAndForgets();
        if (isWithUs)
        {
            Assert.True(Host.Socket.IsOpen);
            Host.Socket.MakeRoom(1000);
            World.Turn();
        }
        Host.Hears("all of it"u8);
        Host.IsClosedPolitely();
        FlowIsGone();
    }

    /// <summary>Else a guest could leave behind as many as it likes.</summary>
    [Fact]
    public void A_host_that_takes_nothing_of_it_is_waited_for_a_minute_or_two()
    {
        Guest.Connects();
        Host.Socket.LimitSend(4);
        SendsClosesAndForgets();
        World.AdvanceSeconds(30);
        Assert.True(Host.Socket.IsOpen);
        World.AdvanceSeconds(120);
        FlowIsGone();
        Host.IsReset();
    }

    private void SendsClosesAndForgets()
    {
        Guest.Sends(Ack, data: "all of it"u8);
        Guest.Sends(FinAck);
        World.AdvanceSeconds(15.1);
        Guest.Sends(Rst, seq: 11);
    }

    /// <summary>A probe of a window that we have shut looks like a keep-alive, and says nothing about the peer.</summary>
    [Fact]
    public void A_guest_that_waits_for_room_asks_nobody_whether_he_lives()
    {
        Guest.Connects();
        Host.Socket.LimitSend(0);
        Guest.Sends(Ack, data: "waits here"u8);
        World.AdvanceSeconds(3);
        Guest.Sends(Ack, seq: 10);
        Assert.Null(Host.Socket.KeepAliveIdle);
    }

    [Fact]
    public void One_that_answers_may_wait_as_long_as_it_likes()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        for (int i = 0; i < 100; i++)
        {
            World.AdvanceSeconds(15.1);
            Guest.Receives(Ack, seq: 0, length: 0);
            Guest.Sends(Ack);
        }
        Host.Says("at last"u8);
        Guest.Receives("at last"u8);
    }

    [Fact]
    public void An_open_connection_is_left_alone_for_five_minutes()
    {
        Guest.Connects();
        World.AdvanceSeconds(299);
        Guest.ReceivesNothing();
        World.AdvanceSeconds(2);
        Guest.Receives(Ack, seq: 0, ack: 1, length: 0);
        World.AdvanceSeconds(60);
        FlowIsGone();
        Host.IsReset();
    }

    [Fact]
    public void A_guest_that_is_gone_while_the_host_has_closed_is_noticed()
    {
        Guest.Connects();
        Host.Closes();
        Guest.Receives(FinAck);
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.FinWait2);
        World.AdvanceSeconds(360);
        FlowIsGone();
        World.Host.Frames.Clear();
    }

    /// <summary>kill -STOP, an hour later -CONT: the guest gets all the time it would have had to answer.</summary>
    [Fact]
    public void A_pause_of_the_process_costs_one_probe_and_no_connection()
    {
        Guest.Connects();
        World.Clock.AdvanceSeconds(3600);
        World.Turn();
        Guest.Receives(Ack, seq: 0, length: 0);
        World.AdvanceSeconds(9.9);
        Guest.ReceivesNothing();
        Guest.Sends(Ack);
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void Traffic_puts_the_probe_off_and_costs_nothing()
    {
        Guest.Connects();
        for (int i = 0; i < 20; i++)
        {
            World.AdvanceSeconds(200);
            Guest.Sends(Ack, data: "."u8);
            Guest.Receives(Ack, ack: 2 + i);
            Guest.ReceivesNothing();
        }
    }
}
