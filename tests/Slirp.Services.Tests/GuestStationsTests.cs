using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Services.Neighbours;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>Where guest addresses are, and what follows when they are elsewhere: from the guest's word to the flows.</summary>
public sealed class GuestStationsTests : IDisposable
{
    private static readonly MacAddress Former = FrameFactory.GuestMac, Later = new(0x0200_0000_7701), Router = new(0x0200_0000_0077);
    private static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 5000), Guest6 = FrameFactory.Endpoint("fd00::100", 5000);
    private static readonly IpEndpoint Server = FrameFactory.Endpoint("192.0.2.7", 4000), Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);

    private static readonly IpAddress Everybody = IpAddress.Parse("ff02::1");

    private readonly StackHarness _stack;
    private GuestStations<FakeWorld>? _stations;

    public GuestStationsTests()
    {
        _stack = new StackHarness(
            static (world, sender, plan, timers, counters, pool, now) => new GuestServices<FakeWorld>(
                world, sender, plan, timers, counters, pool, ResolverConfiguration.Parse([]), now),
            new StackOptions { Stations = MakeStations });
        Stations.Serve(_stack.Tcp, _stack.Udp, _stack.Icmp, _stack.Forwards);
        _stack.Dispatcher.Register(Stations, EventKind.StationMove);
        _stack.Host.Frames.Clear(); // the first router advertisement
    }

    private GuestStations<FakeWorld> Stations => _stations!;

    private NeighbourTable Neighbours => ((GuestServices<FakeWorld>)_stack.Services).Neighbours;

    public void Dispose()
    {
        Assert.Empty(_stack.Reports);
        _stack.CloseAll();
    }

    private GuestStations<FakeWorld> MakeStations(StackHarness stack)
    {
        var services = (GuestServices<FakeWorld>)stack.Services;
        return _stations = new GuestStations<FakeWorld>(services.Neighbours, stack.Sender, stack.Plan, stack.Timers);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_mapping_follows_what_the_guest_announces(bool v4)
    {
        FakeSocket socket = Maps(v4);
        Announces(v4, Former);
        Announces(v4, Later);
        Assert.Equal(Later, Hears(socket, v4).DestinationMac);
    }

    /// <summary>Nothing of what a datagram carries comes back by itself.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_guest_that_only_listens_is_asked_after_half_a_minute(bool v4)
    {
        FakeSocket socket = Maps(v4);
        Announces(v4, Former);
        for (int second = 0; second < 29; second++)
        {
            _stack.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(Former, Hears(socket, v4).DestinationMac);
        }
        _stack.Advance(TimeSpan.FromSeconds(1.1));
        socket.DeliverDatagram(v4 ? Server : Server6, "x"u8);
        _stack.Turn();
        Assert.Single(Questions());
        Announces(v4, Later);
        Assert.Equal(Later, Hears(socket, v4).DestinationMac);
        Assert.Empty(Questions());
    }

    [Fact]
    public void A_ping_mapping_follows()
    {
        Announces(true, Former);
        _stack.InjectPacket(FrameFactory.Echo(Guest.Address, Server.Address, 7, 1, "x"u8));
        Announces(true, Later);
        _stack.Turn();
        _stack.Host.Last.DeliverDatagram(
            Server with { Port = 0 }, FrameFactory.EchoMessage(Server.Address, Guest.Address, 7, 1, "x"u8, isReply: true));
        _stack.Turn();
        Assert.Equal(Later, Assert.Single(_stack.Host.TakePackets()).DestinationMac);
    }

    /// <summary>A datagram that goes to all stations while nobody knows where the guest is, and then to where it answered from.</summary>
    [Fact]
    public void Who_speaks_through_a_forward_is_heard_at_each_place_in_turn()
    {
        (FakeSocket socket, UdpForwardPort port) = Forward();
        Assert.Equal(MacAddress.Broadcast, Hears(socket, port).DestinationMac);
        Announces(true, Former);
        Assert.Equal(Former, Hears(socket, port).DestinationMac);
        _stack.InjectPacket(FrameFactory.Udp(Guest, Server, "answer"u8));
        _stack.Turn();
        Announces(true, Later);
        Assert.Equal(Later, Hears(socket, port).DestinationMac);
    }

    [Fact]
    public void Who_has_answered_through_a_forward_and_only_listens_since_is_asked()
    {
        (FakeSocket socket, UdpForwardPort port) = Forward();
        Announces(true, Former);
        Hears(socket, port);
        _stack.InjectPacket(FrameFactory.Udp(Guest, Server, "answer"u8));
        _stack.Turn();
        _stack.Advance(TimeSpan.FromSeconds(30.1));
        _stack.Host.Frames.Clear();
        socket.DeliverDatagram(Server, "x"u8, localAddress: IpAddress.Parse("198.51.100.1"));
        _stack.Forwards.OnReadable(port, _stack.Now);
        Assert.Single(Questions());
    }

    /// <summary>It is the router's own address that is elsewhere, or a neighbour's: what the router carries is still behind it.</summary>
    [Fact]
    public void What_comes_through_a_router_stays_with_it()
    {
        Announces(true, Former);
        _stack.Inject(FrameFactory.Frame(FrameFactory.Udp(Guest, Server, "question"u8), source: Router));
        _stack.Turn();
        FakeSocket socket = _stack.Host.Last;
        Announces(true, Later);
        Assert.Equal(Router, Hears(socket, true).DestinationMac);
        _stack.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal(Router, Hears(socket, true).DestinationMac);
        Assert.Empty(Questions()); // it has never said that it is there
    }

    [Fact]
    public void TCP_that_gets_no_answer_asks_and_speaks_again_at_once_where_the_guest_is()
    {
        var key = new FlowKey(Guest, Server);
        Announces(true, Former);
        _stack.Tcp.OpenInbound(_stack.Host.Accept(Server).Handle, key, Former, _stack.Now);
        Assert.Equal(Former, Assert.Single(_stack.Host.TakePackets()).DestinationMac);
        _stack.Advance(TimeSpan.FromSeconds(1.1));
        Assert.Single(Questions());
        _stack.Host.Frames.Clear();
        Announces(true, Later);
        _stack.Turn();
        Assert.Equal(Later, Assert.Single(_stack.Host.TakePackets()).DestinationMac);
    }

    /// <summary>The interface's own address was a guess, for nobody had answered yet.</summary>
    [Fact]
    public void A_guest_that_is_not_where_it_was_guessed_is_followed_too()
    {
        Assert.False(Stations.TryFind(Guest.Address, _stack.Now, out MacAddress guess));
        _stack.Tcp.OpenInbound(_stack.Host.Accept(Server).Handle, new FlowKey(Guest, Server), guess, _stack.Now);
        _stack.Host.Frames.Clear();
        Announces(true, Later);
        Assert.Equal(Later, Assert.Single(_stack.Host.TakePackets()).DestinationMac);
    }

    [Fact]
    public void One_address_is_asked_for_once_a_second()
    {
        Announces(true, Former);
        Announces(false, Former);
        for (int tenth = 0; tenth < 31; tenth++)
        {
            _stack.Advance(TimeSpan.FromMilliseconds(100));
            for (int i = 0; i < 10; i++)
            {
                Stations.Doubt(Guest.Address, Former, _stack.Now);
                Stations.Doubt(Guest6.Address, Former, _stack.Now);
                Stations.Doubt(Guest.Address, Router, _stack.Now); // it has never said that it is there
                Stations.Doubt(IpAddress.Parse("10.0.2.101"), Former, _stack.Now); // nor has this one said anything
            }
        }
        Assert.Equal(6, Questions().Count);
    }

    /// <summary>Flows are walked over once a second, whatever is said meanwhile, and what was said last counts.</summary>
    [Fact]
    public void A_guest_that_moves_with_every_frame_costs_a_walk_a_second()
    {
        FakeSocket socket = Maps(true);
        var walks = new CountingUser();
        Stations.Serve(walks);
        Announces(true, Former);
        for (int millisecond = 0; millisecond < 10_000; millisecond++)
        {
            _stack.Advance(TimeSpan.FromMilliseconds(1));
            for (uint i = 0; i < 20; i++)
                Neighbours.Learn(new Ipv4Address(0x0a00_0265 + i), new MacAddress(0x0200_0000_0000 + (ulong)(millisecond % 97)), _stack.Now);
        }
        Assert.InRange(walks.Count, 9, 11);
        _stack.Advance(TimeSpan.FromSeconds(2));
        Announces(true, Later);
        Assert.Equal(Later, Hears(socket, true).DestinationMac);
    }

    [Fact]
    public void Who_goes_and_comes_back_before_anybody_has_looked_has_not_moved()
    {
        FakeSocket socket = Maps(true);
        Announces(true, Former);
        Neighbours.Learn(Guest.Address, Later, _stack.Now);
        Neighbours.Learn(Guest.Address, Former, _stack.Now);
        Assert.False(Neighbours.TryFindMove(Guest.Address, Former, out _));
        Assert.True(Neighbours.TryFindMove(Guest.Address, Later, out MacAddress back));
        Assert.Equal(Former, back);
        Assert.Equal(Former, Hears(socket, true).DestinationMac);
    }

    private sealed class CountingUser : IStationUser
    {
        public int Count { get; private set; }

        public void FollowStations(IStationMoves moves, Core.Instant now) => Count++;
    }

    /// <summary>A gratuitous request, or an unsolicited advertisement to all nodes; and what it sets off.</summary>
    private void Announces(bool v4, MacAddress station)
    {
        if (v4)
        {
            Span<byte> packet = stackalloc byte[ArpBuilder.Length];
            ArpBuilder.Write(packet, new ArpFields(ArpOperation.Request, station, Guest.Address.Ipv4, default, Guest.Address.Ipv4));
            _stack.Services.OnArp(station, packet, _stack.Now);
        }
        else
        {
            Span<byte> message = stackalloc byte[NeighborBuilder.MaxLength];
            int length = NeighborBuilder.WriteAdvertisement(message, Guest6.Address, Everybody, new NeighborAdvertisementFields(
                Guest6.Address, IsRouter: false, IsSolicited: false, IsOverride: true, station));
            _stack.Services.OnNeighbourDiscovery(station, Guest6.Address, Everybody, 255, message[..length], _stack.Now);
        }
        _stack.Advance(TimeSpan.FromMilliseconds(2));
    }

    /// <summary>The guest asks a server, so that the server may speak to it.</summary>
    private FakeSocket Maps(bool v4)
    {
        _stack.InjectPacket(FrameFactory.Udp(v4 ? Guest : Guest6, v4 ? Server : Server6, "question"u8));
        _stack.Turn();
        return _stack.Host.Last;
    }

    private SentPacket Hears(FakeSocket socket, bool v4)
    {
        _stack.Host.Frames.Clear();
        socket.DeliverDatagram(v4 ? Server : Server6, "x"u8);
        _stack.Turn();
        return Assert.Single(_stack.Host.TakePackets());
    }

    private (FakeSocket Socket, UdpForwardPort Port) Forward()
    {
        Assert.True(new FakeWorld(_stack.Host).OpenUdp(AddressFamily.Ipv4, null, default, out HostSocket socket).IsOk);
        var port = new UdpForwardPort(socket, FrameFactory.Endpoint("0.0.0.0", 8053), Guest);
        _stack.Forwards.Add(port);
        return (_stack.Host.Last, port);
    }

    private SentPacket Hears(FakeSocket socket, UdpForwardPort port)
    {
        _stack.Host.Frames.Clear();
        socket.DeliverDatagram(Server, "x"u8, localAddress: IpAddress.Parse("198.51.100.1"));
        _stack.Forwards.OnReadable(port, _stack.Now);
        return Assert.Single(_stack.Host.Frames.FindAll(static frame => !IsQuestion(frame)).ConvertAll(static frame => SentPacket.Parse(frame)));
    }

    private List<byte[]> Questions() => _stack.Host.Frames.FindAll(IsQuestion);

    /// <summary>An ARP request or a neighbour solicitation of ours.</summary>
    private static bool IsQuestion(byte[] frame)
    {
        if (!EthernetView.TryParse(frame.AsSpan(VirtioNetHeader.Length), out EthernetView ethernet)) return false;
        return ethernet.EtherType == EtherType.Arp
            || ethernet.EtherType == EtherType.Ipv6 && ethernet.Payload[6] == (byte)IpProtocol.Icmpv6 && ethernet.Payload[40] == (byte)Icmpv6Type.NeighborSolicitation;
    }
}
