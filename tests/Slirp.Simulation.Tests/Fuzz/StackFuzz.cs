using System.Diagnostics;
using System.Globalization;
using System.Text;
using Slirp.Core;
using Slirp.Core.World;
using Slirp.Services;
using Slirp.Services.Dns;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.Simulation.Tests.Fuzz;

/// <summary>Random frames at everything a worker is but its thread, with a host that does as it likes: no exception, every
/// answer well formed and free of old memory, one connection that never notices, and in the end nothing left.</summary>
/// <remarks>A failure names its seed: SLIRP_FUZZ_SEED=n replays it alone. SLIRP_FUZZ_SECONDS=n goes on with ever new seeds for
/// so long.</remarks>
public sealed class StackFuzz(ITestOutputHelper output)
{
    private const int Rounds = 24, FramesPerRound = 2500;

    [Fact]
    public void Nothing_that_a_guest_or_a_host_may_do_disturbs_anybody_else()
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("SLIRP_FUZZ_SEED"), CultureInfo.InvariantCulture, out int seed))
        {
            new FuzzRound(seed, output.WriteLine).Run(FramesPerRound);
            return;
        }
        bool isTimed = int.TryParse(Environment.GetEnvironmentVariable("SLIRP_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out int seconds);
        int first = isTimed ? Environment.TickCount & 0x3fff_ffff : 1;
        var watch = Stopwatch.StartNew();
        int round = 0;
        for (; isTimed ? watch.Elapsed.TotalSeconds < seconds : round < Rounds; round++) RunSeed(first + round);
        output.WriteLine($"{round} rounds from seed {first}, {(long)round * FramesPerRound} frames in {watch.Elapsed.TotalSeconds:f1} s: " +
            $"{_flows} TCP flows, {_octetsCarried} octets to hosts, {_retransmitted} segments sent again, {_mappings} UDP mappings, {_questions} DNS queries, {_whole} echoes");
        // Noise that is refused at the door proves nothing.
        Assert.True(_flows > 20 * round && _octetsCarried > 10_000L * round && _mappings > 10 * round && _questions > round && _whole > round, "too little got in");
    }

    private long _flows, _octetsCarried, _mappings, _questions, _retransmitted, _whole;

    private void RunSeed(int seed)
    {
        try
        {
            var fuzz = new FuzzRound(seed, null);
            fuzz.Run(FramesPerRound);
            _flows += fuzz.Counters.TcpFlowsOpened;
            _octetsCarried += fuzz.OctetsCarried;
            _mappings += fuzz.Counters.UdpMappingsOpened;
            _questions += fuzz.Counters.DnsQueries;
            _retransmitted += fuzz.Counters.TcpSegmentsRetransmitted;
            _whole += fuzz.Counters.IcmpEchoes;
        }
        catch (Exception e)
        {
            Assert.Fail($"seed {seed} failed (replay: SLIRP_FUZZ_SEED={seed} dotnet test tests/Slirp.Simulation.Tests --filter StackFuzz)\n{e}");
        }
    }
}

/// <summary>One seed's worth.</summary>
internal sealed class FuzzRound
{
    private const int PoisonRun = 6;
    private readonly Random _random;
    private readonly Action<string>? _trace;
    private readonly StackHarness _stack;
    private readonly FrameGenerator _guest;
    private readonly ControlConnection _control;
    private HostPlay _hostPlay = null!;
    private int _held;

    public FuzzRound(int seed, Action<string>? trace)
    {
        (_random, _trace) = (new Random(seed), trace);
        LinkOffloads[] sets = [LinkOffloads.All, LinkOffloads.None, LinkOffloads.VirtioHeader | LinkOffloads.Checksum];
        var options = new StackOptions
        {
            Plan = FrameFactory.Plan with { Mtu = new[] { 1500, 1280, 9000, 65520 }[_random.Next(4)], EnableHostLoopback = _random.Next(2) == 0 },
            Offloads = sets[_random.Next(sets.Length)],
            MemoryBudget = _random.Next(3) == 0 ? 1 << 20 : 16 << 20,
            Tcp = Core.Tcp.TcpParameters.Default with { MaxFlows = 60, MaxHalfOpen = 20, MaxTimeWait = 10 },
            Datagrams = new Core.Ip.DatagramLimits { UdpMappings = 40, PingMappings = 8, FragmentContexts = 8 },
        };
        ResolverConfiguration resolvers = ResolverConfiguration.Parse(Encoding.ASCII.GetBytes("nameserver 192.0.2.53\nnameserver 2001:db8::53\n"));
        _stack = new StackHarness(
            (world, sender, plan, timers, counters, pool, now) => new GuestServices<FakeWorld>(world, sender, plan, timers, counters, pool, resolvers, now),
            options);
        _guest = new FrameGenerator(_random);
        _control = new ControlConnection(_stack, () => Look(-1));
    }

    public Counters Counters => _stack.Counters;

    /// <summary>What TCP sockets took.</summary>
    public long OctetsCarried
    {
        get
        {
            long sum = 0;
            foreach (FakeSocket socket in _stack.Host.Sockets)
                if (socket.Kind == FakeSocketKind.Tcp) sum += socket.SentCount;
            return sum;
        }
    }

    /// <summary>What was counted of the guest's frames; what a link that is down loses of ours is another matter.</summary>
    private long Refused =>
        Counters.DroppedInAll() - Counters.Dropped(DropReason.LinkDown) - Counters.Dropped(DropReason.LinkBusy);

    public void Run(int frames)
    {
        _held = _stack.Pool.InUse;
        _control.Open();
        _hostPlay = new HostPlay(_stack.Host, _random, _control.Socket);
        _hostPlay.Begin();
        for (int i = 0; i < frames; i++)
        {
            byte[] frame = _guest.Next();
            _trace?.Invoke($"{i}: {Convert.ToHexString(frame.AsSpan(0, Math.Min(frame.Length, 120)))}");
            long drops = Refused;
            _stack.Inject(frame);
            int most = frame.Length > 1 && frame[1] != 0 ? 140 : 4; // a train counts for each of its datagrams
            Require(Refused - drops <= most, $"frame {i} is counted {Refused - drops} times");
            if (_random.Next(3) == 0) _hostPlay.Step();
            if (_random.Next(4) > 0) _stack.Turn();
            Look(i);
            if (_random.Next(8) == 0) Pass(i);
            if (i % 250 == 249) _control.Echo($"frame {i}");
        }
        End();
    }

    private void Pass(int i)
    {
        int milliseconds = _random.Next(150) switch { 0 => 200_000, 1 => 2_000_000, < 12 => _random.Next(10_000), _ => _random.Next(300) };
        if (milliseconds == 2_000_000) _stack.Clock.AdvanceMilliseconds(milliseconds); // SIGSTOP, SIGCONT
        else _stack.Advance(TimeSpan.FromMilliseconds(milliseconds));
        Look(i);
        if (milliseconds > 1000) _control.Echo($"frame {i}"); // it does not answer probes, and would be given up
    }

    /// <summary>Judges everything that was sent.</summary>
    private void Look(int i)
    {
        foreach (byte[] frame in _stack.Host.Frames) Judge(frame, i);
        _stack.Host.Frames.Clear();
        Require(_stack.Reports.Count == 0, $"frame {i}: {(_stack.Reports.Count > 0 ? _stack.Reports[0] : "")}");
        Require(_stack.Pool.OctetsInUse <= 8 << 20 || _stack.Budget.Ceiling > 1 << 20, $"frame {i}: {_stack.Pool.OctetsInUse} octets in use");
    }

    private void Judge(byte[] frame, int i)
    {
        int run = 0;
        foreach (byte octet in frame)
        {
            run = octet == 0xdb ? run + 1 : 0;
            Require(run < PoisonRun, $"frame {i}: octets of a freed slot in {Convert.ToHexString(frame.AsSpan(0, Math.Min(200, frame.Length)))}");
        }
        if (frame.Length >= 24 && frame[22] == 8 && frame[23] == 6)
        {
            Require(frame.Length == 24 + ArpBuilder.Length, "ARP of another length");
            return;
        }
        SentPacket packet = SentPacket.Parse(frame);
        bool isTrain = packet.Virtio.GsoType != VirtioGsoType.None;
        Require(isTrain || packet.IpLength <= _stack.Plan.Mtu, $"frame {i}: {packet}, MTU {_stack.Plan.Mtu}");
        if (packet.Protocol == IpProtocol.Tcp && packet.Destination == ControlConnection.Guest) _control.OnPacket(packet);
        else _guest.Learn(packet);
    }

    private void End()
    {
        _hostPlay.End();
        _stack.Turn();
        Look(-1);
        _control.Echo("the end");
        _control.Socket.DeliverReset();
        _stack.Turn();
        _stack.Host.Frames.Clear();
        _stack.Advance(TimeSpan.FromMinutes(30));
        _stack.Host.Frames.Clear();
        Require(_stack.Reports.Count == 0, _stack.Reports.Count > 0 ? _stack.Reports[0] : "");
        Require(_stack.Tcp.Flows.Count == 0, $"{_stack.Tcp.Flows.Count} TCP flows live for ever");
        Require(_stack.Udp.Mappings.Count == 0, $"{_stack.Udp.Mappings.Count} UDP mappings live for ever");
        Require(_stack.Icmp.Mappings.Count == 0, $"{_stack.Icmp.Mappings.Count} ping mappings live for ever");
        Require(_stack.Reassembler.Count == 0, $"{_stack.Reassembler.Count} fragments live for ever");
        Require(_stack.Budget.Promised == 0, $"{_stack.Budget.Promised} octets promised to nobody");
        Require(_stack.Pool.InUse <= _held + 2, $"{_stack.Pool.InUse} slots in use, {_held} at first");
        _stack.CloseAll();
        Require(_stack.Pool.InUse == 0, $"{_stack.Pool.InUse} slots are never given back");
    }

    private static void Require(bool condition, string complaint)
    {
        if (!condition) throw new InvalidOperationException(complaint);
    }
}
