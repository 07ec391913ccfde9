using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>What a <see cref="TcpHarness"/> is made of, where a test wants it otherwise.</summary>
public sealed record TcpHarnessOptions
{
    public LinkOffloads Offloads { get; init; } = LinkOffloads.All;
    public int Mtu { get; init; } = 1500;
    public bool EnableHostLoopback { get; init; } = true;
    public bool EnableDns { get; init; } = true;
    public TcpParameters Parameters { get; init; } = TcpParameters.Default;
    public long MemoryBudget { get; init; } = 64 << 20;
}

/// <summary>A TCP engine between a scripted link and scripted host sockets, driven turn by turn as a worker does:
/// frames, then what they left to do, then timers, then socket events.</summary>
/// <remarks>Frames lie in slots of a poisoned pool while the engine looks at them, so what it keeps without taking a share
/// is garbage afterwards.</remarks>
public sealed class TcpHarness : IDisposable
{
    /// <summary>A turn that goes on for longer than this spins: nothing in a test has so much to do.</summary>
    private const int MaxRounds = 100_000;

    private const int PacketOffset = VirtioNetHeader.Length + EthernetView.HeaderLength;

    private OwnedFrame? _next;

    public TcpHarness(TcpHarnessOptions? options = null)
    {
        Options = options ?? new TcpHarnessOptions();
        var world = new FakeWorld(Host);
        Plan = FrameFactory.Plan with { Mtu = Options.Mtu, EnableHostLoopback = Options.EnableHostLoopback, EnableDns = Options.EnableDns };
        Map = new HostMap(Plan);
        Pool = new FramePool(Options.MemoryBudget * 4, poison: true);
        Budget = new MemoryBudget(Options.MemoryBudget);
        Timers = new TimerWheel(Clock.Now);
        var sender = new FrameSender<FakeWorld>(world, Options.Offloads, Options.Mtu, FrameFactory.OurMac, Counters);
        Engine = new TcpEngine<FakeWorld>(
            world, sender, Plan, new FlowGate(Map), Services, Pool, Budget, Timers, Counters, Options.Parameters);
    }

    public TcpHarnessOptions Options { get; }
    public NetworkPlan Plan { get; }
    public HostMap Map { get; }
    public FakeClock Clock { get; } = new();
    public FakeHost Host { get; } = new();
    public FakeGuestServices Services { get; } = new();
    public Counters Counters { get; } = new();
    public FramePool Pool { get; }
    public MemoryBudget Budget { get; }
    public TimerWheel Timers { get; }
    public TcpEngine<FakeWorld> Engine { get; }

    public Instant Now => Clock.Now;

    /// <summary>Puts an IP packet into a slot and hands it to the engine, without giving the engine its turn.</summary>
    public void Inject(ReadOnlySpan<byte> packet)
    {
        _next ??= Pool.TryRentForLink(out OwnedFrame rented) ? rented : throw new InvalidOperationException("no slot for a frame");
        OwnedFrame frame = _next.Value;
        Span<byte> slot = Pool.Octets(frame);
        packet.CopyTo(slot[PacketOffset..]);
        Dispatch(frame, slot.Slice(PacketOffset, packet.Length));
        if (Pool.IsUnshared(frame)) return;
        Pool.Release(frame);
        _next = null;
    }

    /// <summary>Lets the engine do all it can do now.</summary>
    public void Turn()
    {
        for (int round = 0; round < MaxRounds; round++)
        {
            bool worked = Engine.HasWork;
            if (worked) Engine.RunReady(Now);
            while (Timers.TryTakeDue(Now, out EventTarget timer))
            {
                Engine.OnTimer(timer, Now);
                worked = true;
            }
            while (Host.TryTakeEvent(out EventTarget target, out HostEvents events))
            {
                Engine.OnHostEvents(target, events, Now);
                worked = true;
            }
            if (!worked) return;
        }
        throw new InvalidOperationException($"still busy after {MaxRounds} rounds: the loop would spin");
    }

    /// <summary>Lets time pass, with a turn at each deadline on the way.</summary>
    public void Advance(TimeSpan by)
    {
        Instant end = Now + by;
        while (true)
        {
            Instant wake = Timers.NextWake();
            if (wake > end) break;
            Clock.Advance(wake > Now ? wake - Now : TimeSpan.Zero);
            Turn();
        }
        Clock.Advance(end - Now);
        Turn();
    }

    public void AdvanceSeconds(double seconds) => Advance(TimeSpan.FromSeconds(seconds));

    public void AdvanceMilliseconds(double milliseconds) => Advance(TimeSpan.FromMilliseconds(milliseconds));

    /// <summary>Ends every flow.</summary>
    /// <exception cref="InvalidOperationException">Something is still held.</exception>
    public void Dispose()
    {
        Engine.CloseAll();
        if (_next is OwnedFrame frame) Pool.Release(frame);
        _next = null;
        Require(Engine.Flows.Count == 0, $"{Engine.Flows.Count} flows left");
        Require(Pool.InUse == 0, $"{Pool.InUse} slots left in use");
        Require(Budget.Promised == 0, $"{Budget.Promised} octets left promised");
        Require(Timers.Count == 0, $"{Timers.Count} timers left");
        Require(Host.OpenCount == 0, $"{Host.OpenCount} sockets left open");
        Require(Counters.TcpFlowsOpened == Counters.TcpFlowsClosed, "flows opened and closed differ");
    }

    private static void Require(bool condition, string complaint)
    {
        if (!condition) throw new InvalidOperationException(complaint);
    }

    private void Dispatch(OwnedFrame frame, ReadOnlySpan<byte> packet)
    {
        IpAddress from, to;
        ReadOnlySpan<byte> l4;
        if (Ipv4View.TryParse(packet, out Ipv4View v4))
        {
            (from, to) = (v4.Source, v4.Destination);
            l4 = v4.Payload;
        }
        else
        {
            Require(Ipv6View.TryParse(packet, out Ipv6View v6), "not an IP packet");
            (from, to) = (v6.Source, v6.Destination);
            l4 = v6.Payload;
        }
        if (!TcpView.TryParse(l4, out TcpView tcp)) throw new InvalidOperationException("not a TCP segment");
        int payloadOffset = PacketOffset + packet.Length - tcp.Payload.Length;
        Engine.OnSegment(
            FrameFactory.GuestMac, new IpEndpoint(from, tcp.SourcePort), new IpEndpoint(to, tcp.DestinationPort), tcp, frame,
            payloadOffset, Now);
    }
}
