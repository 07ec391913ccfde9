using Slirp.Core.Icmp;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests;

/// <summary>The datagram engines between a guest, whose packets are handed in whole, and a scripted host.</summary>
internal sealed class DatagramHarness
{
    public static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 5000);
    public static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::100", 5000);
    public static readonly IpEndpoint Server = FrameFactory.Endpoint("192.0.2.7", 4000);
    public static readonly IpEndpoint Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);

    public DatagramHarness(
        DatagramLimits? limits = null, LinkOffloads offloads = LinkOffloads.All, NetworkPlan? plan = null)
    {
        plan ??= FrameFactory.Plan;
        limits ??= new DatagramLimits();
        var world = new FakeWorld(Host);
        Timers = new TimerWheel(Clock.Now);
        Pool = new FramePool(16 << 20, poison: true);
        Sender = new FrameSender<FakeWorld>(world, offloads, plan.Mtu, plan.OurMac, Counters);
        Map = new HostMap(plan);
        var gate = new FlowGate(Map);
        Udp = new UdpEngine<FakeWorld>(world, Sender, plan, gate, Pool, Timers, Counters, limits);
        Icmp = new IcmpEngine<FakeWorld>(world, Sender, plan, gate, Timers, Counters, limits);
        Icmp.DatagramSources = [Udp];
        Udp.Stations = Icmp.Stations = Stations;
    }

    public FakeHost Host { get; } = new();
    public FakeClock Clock { get; } = new();
    public Counters Counters { get; } = new();
    public HostMap Map { get; }
    public TimerWheel Timers { get; }
    public FramePool Pool { get; }
    public FrameSender<FakeWorld> Sender { get; }
    public UdpEngine<FakeWorld> Udp { get; }
    public IcmpEngine<FakeWorld> Icmp { get; }
    public FakeStations Stations { get; } = new();

    public static (IpEndpoint Guest, IpEndpoint Server) Pair(bool v4) => v4 ? (Guest, Server) : (Guest6, Server6);

    /// <summary>What the loop does with a packet that comes alone and is not a fragment.</summary>
    public void GuestSends(byte[] packet, int segmentSize = 0)
    {
        Takes(packet, segmentSize);
        Udp.RunReady(Clock.Now);
    }

    /// <summary>Packets that are read in one turn.</summary>
    public void GuestSendsTogether(params IEnumerable<byte[]> packets)
    {
        foreach (byte[] packet in packets) Takes(packet, 0);
        Udp.RunReady(Clock.Now);
    }

    private void Takes(byte[] packet, int segmentSize)
    {
        SentPacket p = segmentSize == 0
            ? SentPacket.ParseIp(packet)
            : SentPacket.Parse(FrameFactory.Frame(packet));
        if (p.Protocol == IpProtocol.Udp)
        {
            Udp.OnDatagram(
                FrameFactory.GuestMac, p.Source, p.Destination, packet.AsSpan(packet.Length - p.UdpPayload.Length), segmentSize, p.TrafficClass, p.HopLimit,
                p.DontFragment, packet, Clock.Now);
            return;
        }
        Icmp.OnMessage(
            FrameFactory.GuestMac, p.From, p.To, p.Upper, p.TrafficClass, p.HopLimit, p.DontFragment, packet, Clock.Now);
    }

    public void GuestSendsUdp(IpEndpoint from, IpEndpoint to, ReadOnlySpan<byte> payload) =>
        GuestSends(FrameFactory.Udp(from, to, payload));

    /// <summary>One turn of the loop: events, then what waits, then timers.</summary>
    public void Turn()
    {
        while (Host.TryTakeEvent(out EventTarget target, out HostEvents events))
        {
            if (target.Kind == EventKind.UdpMapping) Udp.OnHostEvents(target, events, Clock.Now);
            else Icmp.OnHostEvents(target, events, Clock.Now);
        }
        Udp.RunReady(Clock.Now);
        Icmp.RunReady(Clock.Now);
        while (Timers.TryTakeDue(Clock.Now, out EventTarget due))
        {
            if (due.Kind == EventKind.UdpMapping) Udp.OnTimer(due, Clock.Now);
            else Icmp.OnTimer(due, Clock.Now);
        }
    }

    public void Wait(double seconds)
    {
        Clock.AdvanceSeconds(seconds);
        Turn();
    }

    /// <summary>Turns the loop until nothing is left to do and gives what the guest received.</summary>
    public List<SentPacket> GuestReceives()
    {
        do Turn();
        while (Udp.HasWork || Icmp.HasWork);
        return Host.TakePackets();
    }

    public SentPacket GuestReceivesOne() => Assert.Single(GuestReceives());

    /// <summary>For a hundred datagrams or so.</summary>
    public static void AssertNoneAllocated(long allocated) =>
#if !DEBUG // asserts may allocate
        Assert.Equal(0, allocated);
#else
        Assert.True(allocated < 100_000, $"{allocated} octets");
#endif

    /// <summary>Everything given back: sockets, slots, timers.</summary>
    public void AssertCloses()
    {
        Udp.CloseAll();
        Icmp.CloseAll();
        Assert.Equal(0, Host.OpenCount);
        Assert.Equal(0, Pool.InUse);
        Assert.Equal(0, Timers.Count);
        Assert.Equal(Counters.UdpMappingsOpened, Counters.UdpMappingsClosed);
    }
}
