using Slirp.Core;
using Slirp.Core.Icmp;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Timers;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>What a <see cref="StackHarness"/> is made of, where a test wants it otherwise.</summary>
public sealed record StackOptions
{
    public NetworkPlan Plan { get; init; } = FrameFactory.Plan;
    public LinkOffloads Offloads { get; init; } = LinkOffloads.All;
    public TcpParameters Tcp { get; init; } = TcpParameters.Default;
    public DatagramLimits Datagrams { get; init; } = new();
    public long MemoryBudget { get; init; } = 8 << 20;

    /// <summary>Makes what knows where guest addresses are, once there is what that needs; else all are at the guest's station.</summary>
    public Func<StackHarness, IGuestStations>? Stations { get; init; }
}

/// <summary>What services are made of.</summary>
public delegate IGuestServices ServiceFactory(
    FakeWorld world, FrameSender<FakeWorld> sender, NetworkPlan plan, TimerWheel timers, Counters counters, FramePool pool, Instant now);

/// <summary>All of a worker but its thread and its system calls: frames go in at the link's end, a scripted host is at the
/// other, and a poisoned pool between them.</summary>
public sealed class StackHarness
{
    /// <summary>A turn that goes on for longer than this spins: nothing in a test has so much to do.</summary>
    private const int MaxRounds = 100_000;

    private OwnedFrame? _next;

    public StackHarness(ServiceFactory services, StackOptions? options = null)
    {
        options ??= new StackOptions();
        Plan = options.Plan;
        Pool = new FramePool(options.MemoryBudget * 4, poison: true);
        Budget = new MemoryBudget(options.MemoryBudget);
        Timers = new TimerWheel(Clock.Now);
        var world = new FakeWorld(Host);
        var gate = new FlowGate(new HostMap(Plan));
        Sender = new FrameSender<FakeWorld>(world, options.Offloads, Plan.Mtu, Plan.OurMac, Counters);
        Services = services(world, Sender, Plan, Timers, Counters, Pool, Clock.Now);
        Tcp = new TcpEngine<FakeWorld>(world, Sender, Plan, gate, Services, Pool, Budget, Timers, Counters, options.Tcp);
        Udp = new UdpEngine<FakeWorld>(world, Sender, Plan, gate, Pool, Timers, Counters, options.Datagrams);
        Icmp = new IcmpEngine<FakeWorld>(world, Sender, Plan, gate, Timers, Counters, options.Datagrams, Tcp);
        Reassembler = new Reassembler<FakeWorld>(Pool, Sender, Plan, Timers, Counters, options.Datagrams);
        IGuestStations stations = options.Stations?.Invoke(this) ?? new KnownStation();
        Tcp.Stations = Udp.Stations = Icmp.Stations = stations;
        Forwards = new UdpForwards<FakeWorld>(world, Sender, Plan, gate, stations, Pool, Timers, Counters);
        Icmp.DatagramSources = [Udp, Forwards];
        Dispatcher = new Dispatcher(Timers, Counters, Reports.Add);
        Dispatcher.SetIngress(new GuestIngress<FakeWorld>(
            Sender, Plan, Services, Tcp, Udp, Icmp, Reassembler, Pool, Counters, Forwards));
        Dispatcher.Register(Tcp, EventKind.TcpFlow);
        Dispatcher.Register(Udp, EventKind.UdpMapping);
        Dispatcher.Register(Icmp, EventKind.PingMapping);
        Dispatcher.Register(new ForwardEngine(Forwards), EventKind.ForwardUpkeep);
        Dispatcher.Register(Reassembler, EventKind.FragmentExpiry);
        Dispatcher.Register(new ServiceEngine(Services), EventKind.DnsUpstream, EventKind.Service);
    }

    public NetworkPlan Plan { get; }
    public FakeClock Clock { get; } = new();
    public FakeHost Host { get; } = new();
    public Counters Counters { get; } = new();
    public FramePool Pool { get; }
    public MemoryBudget Budget { get; }
    public TimerWheel Timers { get; }
    public FrameSender<FakeWorld> Sender { get; }
    public IGuestServices Services { get; }
    public TcpEngine<FakeWorld> Tcp { get; }
    public UdpEngine<FakeWorld> Udp { get; }
    public IcmpEngine<FakeWorld> Icmp { get; }
    public Reassembler<FakeWorld> Reassembler { get; }
    public UdpForwards<FakeWorld> Forwards { get; }
    public Dispatcher Dispatcher { get; }

    /// <summary>What the dispatcher told of faults.</summary>
    public List<string> Reports { get; } = [];

    public Instant Now => Clock.Now;

    /// <summary>A frame from the virtio_net header on, as the link reads it.</summary>
    public void Inject(ReadOnlySpan<byte> frame)
    {
        if (_next is null && Pool.TryRentForLink(out OwnedFrame rented)) _next = rented;
        if (_next is not OwnedFrame slot) throw new InvalidOperationException("no slot for a frame");
        frame.CopyTo(Pool.Octets(slot));
        Dispatcher.OnFrame(slot, frame.Length, Now);
        if (Pool.IsUnshared(slot)) return;
        Pool.Release(slot);
        _next = null;
    }

    /// <summary>A whole IP packet in a frame from the guest's station.</summary>
    public void InjectPacket(ReadOnlySpan<byte> packet, VirtioNetHeader virtio = default) => Inject(FrameFactory.Frame(packet, virtio));

    /// <summary>Lets the engines do all they can do now.</summary>
    public void Turn()
    {
        for (int round = 0; round < MaxRounds; round++)
        {
            bool worked = Dispatcher.RunReady(Now);
            Dispatcher.FireTimers(Now);
            while (Host.TryTakeEvent(out EventTarget target, out HostEvents events))
            {
                Dispatcher.OnHostEvents(target, events, Now);
                worked = true;
            }
            if (!worked && !Dispatcher.HasWork) return;
        }
        throw new InvalidOperationException($"still busy after {MaxRounds} rounds: the loop would spin");
    }

    /// <summary>Lets time pass, with a turn at each deadline on the way.</summary>
    public void Advance(TimeSpan by)
    {
        Instant end = Now + by;
        for (Instant wake = Timers.NextWake(); wake <= end; wake = Timers.NextWake())
        {
            Clock.Advance(wake > Now ? wake - Now : TimeSpan.Zero);
            Turn();
        }
        Clock.Advance(end - Now);
        Turn();
    }

    /// <summary>Ends everything but the services, which have no end of their own.</summary>
    public void CloseAll()
    {
        Forwards.CloseAll();
        Tcp.CloseAll();
        Udp.CloseAll();
        Icmp.CloseAll();
        Reassembler.CloseAll();
        if (_next is OwnedFrame frame) Pool.Release(frame);
        _next = null;
    }

    private sealed class KnownStation : IGuestStations
    {
        public bool TryFind(IpAddress guest, Instant now, out MacAddress station)
        {
            station = FrameFactory.GuestMac;
            return true;
        }

        public void Doubt(IpAddress guest, MacAddress station, Instant now)
        {
        }
    }

    private sealed class ForwardEngine(UdpForwards<FakeWorld> forwards) : IEngine
    {
        public bool HasWork => forwards.HasWork;

        public void RunReady(Instant now) => forwards.RunReady(now);

        public void OnHostEvents(EventTarget target, HostEvents events, Instant now) => throw new InvalidOperationException("it has no socket");

        public void OnTimer(EventTarget target, Instant now) => forwards.OnTimer(now);

        public void Abandon()
        {
        }
    }
}
