using Slirp.Core.Flows;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>A guest whose hardware address changes while only the outside speaks (RFC 1122 section 2.3.2.1).</summary>
public sealed class StationTests : TcpConversation
{
    private static readonly MacAddress Former = FrameFactory.GuestMac, Later = new(0x0200_0000_7701);

    private readonly FakeStations _stations = new();

    public StationTests() => World.Engine.Stations = _stations;

    private void Moves(MacAddress? from = null, IpAddress? guest = null)
    {
        World.Engine.FollowStations(new FakeStations().Move(guest ?? GuestEnd.Address, from ?? Former, Later), World.Now);
        World.Turn();
    }

    private SentPacket ReceivesAt(MacAddress station, TcpFlags flags, int? seq = null, int? length = null)
    {
        SentPacket packet = Guest.Receives(flags, seq, length: length);
        Assert.Equal(station, packet.DestinationMac);
        return packet;
    }

    [Fact]
    public void What_went_to_the_former_station_goes_again_at_once_and_the_timer_starts_over()
    {
        Guest.Connects();
        Host.Says("lost"u8);
        ReceivesAt(Former, Ack, seq: 1);
        World.AdvanceSeconds(20);
        Assert.InRange(World.Host.Frames.Count, 4, 8);
        World.Host.Frames.Clear();
        Moves();
        ReceivesAt(Later, Ack, seq: 1, length: 4);
        Guest.ReceivesNothing();
        World.AdvanceSeconds(0.25); // and not half a minute later
        ReceivesAt(Later, Ack, seq: 1, length: 4);
        Guest.Sends(Ack, ack: 5);
        Host.Says("and on"u8);
        ReceivesAt(Former, Ack, seq: 5); // where the guest spoke from just now
    }

    [Fact]
    public void Silence_is_no_congestion()
    {
        Guest.Connects();
        Host.Says(Octets(60_000));
        World.AdvanceSeconds(20);
        World.Host.Frames.Clear();
        Moves();
        List<SentPacket> again = World.Host.TakePackets();
        Assert.All(again, static packet => Assert.Equal(Later, packet.DestinationMac));
        Assert.Equal(14_600, again.Sum(static packet => packet.TcpPayload.Length)); // as into any path that is not known yet
    }

    [Fact]
    public void The_second_timeout_doubts_the_station()
    {
        Guest.Connects();
        Host.Says("lost"u8);
        Guest.Receives("lost"u8);
        World.AdvanceSeconds(0.25);
        Guest.Receives(Ack, seq: 1);
        Assert.Empty(_stations.Doubted);
        World.AdvanceSeconds(0.4);
        Guest.Receives(Ack, seq: 1);
        Assert.Equal((GuestEnd.Address, Former), Assert.Single(_stations.Doubted));
    }

    [Fact]
    public void A_guest_that_has_closed_its_half_is_probed_where_it_is()
    {
        Guest.Connects();
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 2);
        World.AdvanceSeconds(15.1);
        ReceivesAt(Former, Ack, seq: 0);
        Assert.Empty(_stations.Doubted);
        World.AdvanceSeconds(10);
        ReceivesAt(Former, Ack, seq: 0);
        Assert.Equal((GuestEnd.Address, Former), Assert.Single(_stations.Doubted));
        Moves();
        ReceivesAt(Later, Ack, seq: 0);
        Guest.Sends(Ack);
        World.AdvanceSeconds(9);
        FlowIs(GuestTcpState.CloseWait);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_closed_window_is_asked_about_where_the_guest_is()
    {
        Guest.Connects();
        Guest.Sends(Ack, window: 0);
        Host.Says("waits"u8);
        World.AdvanceSeconds(20);
        Assert.Contains((GuestEnd.Address, Former), _stations.Doubted);
        World.Host.Frames.Clear();
        Moves();
        ReceivesAt(Later, Ack, seq: 0, length: 0);
        Guest.Sends(Ack, window: 1000);
        Guest.Receives("waits"u8);
    }

    /// <summary>It was asked for when the SYN was not answered; nobody waits for the next timeout then.</summary>
    [Fact]
    public void A_connection_from_outside_is_offered_again_as_soon_as_the_guest_is_found()
    {
        _stations.IsKnown = false;
        IpEndpoint listener = FrameFactory.Endpoint("10.0.2.100", 8080), client = FrameFactory.Endpoint("198.51.100.9", 50123);
        Guest = new ScriptedGuest(World, listener, client);
        World.Engine.OpenInbound(World.Host.Accept(client).Handle, new FlowKey(listener, client), Former, World.Now);
        ReceivesAt(Former, Syn);
        World.AdvanceSeconds(1.1);
        ReceivesAt(Former, Syn);
        Assert.Equal((listener.Address, Former), Assert.Single(_stations.Doubted));
        Moves();
        ReceivesAt(Later, Syn);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_connection_of_the_guests_own_is_answered_where_it_is()
    {
        Guest.Sends(Syn);
        Moves();
        Guest.ReceivesNothing();
        World.Host.Last.CompleteConnect();
        World.Turn();
        ReceivesAt(Later, SynAck);
        Moves(Later);
        ReceivesAt(Later, SynAck);
    }

    [Theory]
    [InlineData("10.0.2.100", 0x0200_0000_0077, "it comes through a router")]
    [InlineData("10.0.2.101", 0x0255_0a00_0264, "another address of the same station")]
    public void Others_stay_where_they_are(string guest, ulong from, string why)
    {
        Guest.Connects();
        Host.Says("lost"u8);
        Guest.Receives("lost"u8);
        Moves(new MacAddress(from), IpAddress.Parse(guest));
        Guest.ReceivesNothing();
        World.AdvanceSeconds(1.1);
        Assert.True(Former == Guest.Receives(Ack, seq: 1).DestinationMac, why);
    }

    /// <summary>It would keep connections for ever that it never acknowledges.</summary>
    [Fact]
    public void A_guest_that_keeps_moving_is_given_up_all_the_same()
    {
        Guest.Connects();
        Host.Says("lost"u8);
        var to = new MacAddress(0x0200_0000_7702);
        var back = new FakeStations().Move(GuestEnd.Address, Former, to).Move(GuestEnd.Address, to, Former);
        for (int second = 0; second < 60 && World.Engine.Flows.Count > 0; second++)
        {
            World.AdvanceSeconds(1.1);
            World.Engine.FollowStations(back, World.Now);
        }
        FlowIsGone();
    }

    [Theory]
    [InlineData(FinAck, false)]
    [InlineData(Ack, true)]
    public void Every_state_can_follow(TcpFlags last, bool isWindowClosed)
    {
        Guest.Connects();
        Guest.Sends(last, window: isWindowClosed ? 0 : null);
        Host.Says("the last"u8);
        Host.Closes();
        World.AdvanceSeconds(5);
        World.Host.Frames.Clear();
        Moves();
        Assert.NotEmpty(World.Host.Frames);
        Assert.All(World.Host.TakePackets(), static packet => Assert.Equal(Later, packet.DestinationMac));
        World.AdvanceSeconds(600);
        FlowIsGone();
    }
}
