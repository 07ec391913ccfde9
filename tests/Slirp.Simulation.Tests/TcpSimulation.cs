using Slirp.Core;
using Slirp.Core.Flows;
using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.Simulation.Tests;

/// <summary>A guest and a host that exchange two streams through the engine over a bad link, in fake time.</summary>
/// <remarks>Every frame is parsed and checked against MTU and offloads, the guest judges the engine's every segment, the
/// invariants of the engine are checked after every step, and at the end both streams must be whole and nothing may be left
/// behind.</remarks>
public sealed partial class TcpSimulation
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    private readonly SimulationPlan _plan;
    private readonly Random _random;
    private readonly StackHarness _world;
    private readonly TcpGuest _guest;
    private readonly LossyLink _toGuest, _toEngine;
    private readonly PriorityQueue<Action, (long Nanoseconds, long Order)> _events = new();
    private readonly List<Instant> _arrivals = [];
    private readonly byte[] _upload, _download;
    private readonly Action<string>? _trace;
    private FakeSocket? _socket;
    private long _order, _done;
    private Instant _doneAt;
    private int _delivered, _checked, _shortages, _sentToGuest;
    private readonly int _held;
    private bool _hostSaidAll, _hostClosed;

    public TcpSimulation(SimulationPlan plan, Action<string>? trace = null)
    {
        (_plan, _trace) = (plan, trace);
        _random = new Random(plan.Seed ^ 0x5eed);
        _upload = FrameFactory.Pattern(plan.Upload, plan.Seed);
        _download = FrameFactory.Pattern(plan.Download, plan.Seed + 1);
        _world = new StackHarness(static (_, _, _, _, _, _, _) => new FakeGuestServices(), new StackOptions
        {
            Plan = FrameFactory.Plan with { Mtu = plan.Mtu },
            Offloads = plan.Offloads,
            MemoryBudget = plan.MemoryBudget,
            Tcp = TcpParameters.Default with
            {
                MaxReceiveWindow = plan.EngineWindow,
                MinReceiveWindow = Math.Min(plan.EngineWindow, TcpParameters.Default.MinReceiveWindow),
            },
        });
        _held = _world.Pool.InUse;
        _world.Host.OnFrame = OnFrame;
        _guest = new TcpGuest(plan.Guest, _random, _upload, _download) { Transmit = OnGuestSends };
        _toGuest = new LossyLink(plan.Link, _random);
        _toEngine = new LossyLink(plan.LinkFromGuest ?? plan.Link, _random);
    }

    /// <summary>How long it took until both streams were whole.</summary>
    public TimeSpan Elapsed { get; private set; }

    public Counters Counters => _world.Counters;

    /// <summary>What happened on the way.</summary>
    public Happenings Met { get; private set; }

    private Instant Now => _world.Now;

    private bool IsOver => _plan.Ending == Ending.InOrder
        ? _guest.IsDone && _socket is { IsSendShutDown: true } && _socket.SentCount == _upload.Length
        : _world.Tcp.Flows.Count == 0 && _socket is { IsOpen: false };

    public void Run()
    {
        Instant start = _doneAt = Now;
        Begin();
        while (!IsOver)
        {
            Step();
            CheckProgress();
            if (Now - start > Patience) throw new InvalidOperationException("no end in sight: " + Progress());
        }
        Elapsed = Now - start;
        NoteWhatWasMet();
        CheckStreams();
        // TIME-WAIT, and what has still to be repeated; a socket whose reset was lost is found by keep-alive.
        Instant end = Now + TimeSpan.FromMinutes(10);
        while (_world.Tcp.Flows.Count > 0 && Now < end) Step();
        if (_plan.Ending == Ending.InOrder && _socket!.WasReset) throw new InvalidOperationException("the host socket was reset");
        CheckNothingIsLeft();
    }

    private void CheckNothingIsLeft()
    {
        Require(_world.Tcp.Flows.Count == 0, $"{_world.Tcp.Flows.Count} flows left");
        Require(_world.Budget.Promised == 0, $"{_world.Budget.Promised} octets left promised");
        Require(_world.Timers.Count == 0, $"{_world.Timers.Count} timers left");
        Require(_world.Host.OpenCount == 0, $"{_world.Host.OpenCount} sockets left open");
        // A slot waits for the next frame and one for the next octets from a host.
        Require(_world.Pool.InUse <= _held + 2, $"{_world.Pool.InUse} slots in use, {_held} at first");
        _world.CloseAll();
        Require(_world.Pool.InUse == 0, $"{_world.Pool.InUse} slots left in use");
    }

    /// <summary>The engine's invariants, as far as they can be told from outside at any time.</summary>
    private void CheckInvariants()
    {
        Require(_world.Reports.Count == 0, _world.Reports.Count > 0 ? _world.Reports[0] : "");
        if (_socket is not { } socket) return;
        ReadOnlySpan<byte> heard = socket.Sent;
        Require(
            heard.Length <= _upload.Length && heard[_checked..].SequenceEqual(_upload.AsSpan(_checked, heard.Length - _checked)),
            $"the host heard other octets between {_checked} and {heard.Length}");
        _checked = heard.Length;
        Require(!_guest.IsOpen || _plan.Guest.Listens || socket.IsConnected, "the guest was told of a connection that there is not");
        Require(!_guest.PeerHasClosed || _hostClosed && _guest.Received == _download.Length, "FIN to the guest before its time");
        bool isReset = socket.WasReset || _plan.Ending != Ending.InOrder;
        Require(!socket.IsSendShutDown || isReset || heard.Length == _upload.Length, $"FIN to the host behind {heard.Length} of {_upload.Length} octets");
        // No more is read than the guest's window has, or once had, room for.
        long read = _delivered - socket.UnreadCount;
        Require(read - _guest.Received <= Math.Max(_plan.Guest.ReceiveBuffer, ushort.MaxValue), $"{read} octets read, of which {_guest.Received} arrived");
    }

    /// <summary>While anybody has something to say, something moves: soon where nothing is lost, after some back-off where
    /// all but one in ten may be.</summary>
    private void CheckProgress()
    {
        long done = _guest.Received - _guest.Unread + _guest.Received + _guest.Acknowledged + _delivered + (_socket?.SentCount ?? 0)
            + (_hostClosed ? 1 : 0) + (_guest.PeerHasClosed ? 1 : 0) + (_socket is { IsSendShutDown: true } ? 1 : 0);
        if (done != _done) (_done, _doneAt) = (done, Now);
        if (_plan.Ending == Ending.InOrder && Now - _doneAt > _plan.LongestPause) throw new InvalidOperationException($"nothing moved for {Now - _doneAt}: " + Progress());
    }

    private string Progress() =>
        $"guest received {_guest.Received} of {_download.Length}, read all but {_guest.Unread}, peer closed {_guest.PeerHasClosed}; " +
        $"acknowledged {_guest.Acknowledged} of {_upload.Length}; host took {_socket?.SentCount}, unread {_socket?.UnreadCount}, " +
        $"shut down {_socket?.IsSendShutDown}; {_world.Tcp.Flows.Count} flows, {_plan}";

    private void Begin()
    {
        if (_plan.Guest.Listens)
        {
            FakeSocket accepted = _world.Host.Accept(_plan.Guest.Addresses.Remote);
            _world.Tcp.OpenInbound(
                accepted.Handle, new FlowKey(_plan.Guest.Addresses.Guest, _plan.Guest.Addresses.Remote), FrameFactory.GuestMac, Now);
            OnConnected(accepted);
        }
        else
        {
            _guest.Open(Now);
        }
        _world.Turn();
        BeginPrograms();
    }

    /// <summary>One point in time: everything that is due, then the engine's turn.</summary>
    private void Step()
    {
        if (_socket is null && _world.Host.Sockets.Count > 0)
        {
            FakeSocket connecting = _world.Host.Last;
            _socket = connecting;
            After(TimeSpan.FromMilliseconds(_random.Next(30)), () =>
            {
                connecting.CompleteConnect();
                OnConnected(connecting);
            });
        }
        Instant next = Instant.Earlier(_world.Timers.NextWake(), GuestTimer);
        if (_events.TryPeek(out _, out (long Nanoseconds, long Order) first)) next = Instant.Earlier(next, new Instant(first.Nanoseconds));
        if (next == Instant.Never) throw new InvalidOperationException("nothing will ever happen again: " + Progress());
        if (next > Now) _world.Clock.Advance(next - Now);
        for (int batch = 0; batch < 32 && IsDue(); batch++) _events.Dequeue()();
        if (GuestTimer <= Now) _guest.OnTimer(Now);
        _world.Turn();
        CheckInvariants();
    }

    /// <summary>When the guest's next timer fires, and the guest is there to see it.</summary>
    private Instant GuestTimer
    {
        get
        {
            Instant timer = _guest.NextTimer;
            return timer != Instant.Never && timer < _frozenUntil ? _frozenUntil : timer;
        }
    }

    private bool IsDue() => _events.TryPeek(out _, out (long Nanoseconds, long Order) first) && first.Nanoseconds <= Now.Nanoseconds;

    private void OnFrame(byte[] frame)
    {
        SentPacket packet = SentPacket.Parse(frame);
        if (packet.Protocol != IpProtocol.Tcp) return; // an error about something that was corrupted on the way
        TcpSegment segment = TcpSegment.From(packet);
        _trace?.Invoke($"{Now.Nanoseconds / 1000 % 100_000_000_000} < {segment}");
        NoteClosing(segment, Happenings.EngineWindowClosed, Happenings.HostClosedFirst);
        if (segment.Has(TcpFlags.Rst) && _plan.Ending == Ending.HostResets) Met |= Happenings.HostReset;
        _guest.JudgeWindow(segment);
        int headers = packet.IpLength - segment.Payload.Length;
        bool isTrain = packet.Virtio.GsoType != VirtioGsoType.None;
        Require(!isTrain || (_plan.Offloads & LinkOffloads.TcpSegmentation4) != 0, "a super-segment on a link that takes none");
        int largest = headers + (isTrain ? packet.Virtio.GsoSize : segment.Payload.Length);
        Require(largest <= _plan.Mtu, $"a packet of {largest} octets at MTU {_plan.Mtu}");
        int piece = isTrain && _plan.SplitsOnLink ? packet.Virtio.GsoSize : int.MaxValue;
        foreach (TcpSegment part in segment.Split(piece))
        {
            if (IsTooBig(part, headers + Math.Min(part.Payload.Length, isTrain ? packet.Virtio.GsoSize : int.MaxValue))) continue;
            if (part.Length > 0 && !part.Has(TcpFlags.Syn) && _sentToGuest++ < 64 && (_plan.LostToGuest >> (_sentToGuest - 1) & 1) != 0) continue;
            Carry(_toGuest, part.Payload.Length + 40, () => ReachGuest(part));
        }
    }

    /// <summary>The router that the guest is says so of every packet that does not fit its other link, and drops it.</summary>
    private bool IsTooBig(TcpSegment segment, int length)
    {
        if (_plan.NarrowMtu == 0 || length <= _plan.NarrowMtu) return false;
        Met |= Happenings.NarrowPath;
        (IpEndpoint guest, IpEndpoint remote) = (_plan.Guest.Addresses.Guest, _plan.Guest.Addresses.Remote);
        bool v4 = guest.Address.IsIpv4;
        byte[] quoted = segment.ToPacket(remote, guest)[..(v4 ? 28 : 48)];
        byte[] error = FrameFactory.IcmpMessage(guest.Address, remote.Address, v4 ? (byte)3 : (byte)2, v4 ? (byte)4 : (byte)0, (uint)_plan.NarrowMtu, quoted);
        byte[] answer = FrameFactory.Packet(guest.Address, remote.Address, v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, error);
        Carry(_toEngine, answer.Length, () => _world.InjectPacket(answer));
        return true;
    }

    private void OnGuestSends(TcpSegment segment)
    {
        _trace?.Invoke($"{Now.Nanoseconds / 1000 % 100_000_000_000} > {segment}");
        NoteClosing(segment, Happenings.GuestWindowClosed, Happenings.GuestClosedFirst);
        int mss = _plan.Guest.MaxSegment - (segment.Options.HasTimestamps ? 12 : 0);
        foreach (TcpSegment part in segment.Split(_plan.SplitsOnLink ? Math.Max(1, mss) : int.MaxValue))
        {
            Carry(_toEngine, part.Payload.Length + 40, () => Arrive(part));
        }
    }

    /// <summary>The link vouches for a segment, unless it has harmed it: then the checksums must tell.</summary>
    private void Arrive(TcpSegment segment)
    {
        byte[] packet = segment.ToPacket(_plan.Guest.Addresses.Guest, _plan.Guest.Addresses.Remote);
        if (_random.NextDouble() >= _plan.Corruption)
        {
            _world.InjectPacket(packet, new VirtioNetHeader(VirtioNetFlags.NeedsCsum, VirtioGsoType.None, 0, 0, 0, 0));
            return;
        }
        Met |= Happenings.Corruption;
        int ip = packet[0] >> 4 == 4 ? 20 : 40;
        ushort pseudo = FrameFactory.PseudoHeaderSum(_plan.Guest.Addresses.Guest.Address, _plan.Guest.Addresses.Remote.Address, IpProtocol.Tcp, packet.Length - ip);
        TcpBuilder.WriteChecksum(packet.AsSpan(ip), (ushort)~FrameFactory.SlowSum(packet.AsSpan(ip), pseudo));
        // Up to 16 neighbouring bits: a burst that RFC 1071's sum always shows.
        int at = _random.Next(packet.Length);
        packet[at] ^= (byte)_random.Next(1, 256);
        // Nothing guards an IPv6 header's first eight octets but what they make of the rest.
        if (ip == 40 && at < 8) return;
        _world.InjectPacket(packet);
    }

    private void Carry(LossyLink link, int length, Action arrive)
    {
        if (Now < _darkUntil) return;
        _arrivals.Clear();
        link.Send(length, Now, _arrivals);
        foreach (Instant at in _arrivals) _events.Enqueue(arrive, (at.Nanoseconds, _order++));
    }

    private void ReachGuest(TcpSegment segment)
    {
        // A guest that is stopped finds what came meanwhile when it goes on.
        if (Now < _frozenUntil) After(_frozenUntil - Now, () => ReachGuest(segment));
        else _guest.OnSegment(segment, Now);
    }

    private void NoteClosing(TcpSegment segment, Happenings windowClosed, Happenings closedFirst)
    {
        const Happenings anybody = Happenings.GuestClosedFirst | Happenings.HostClosedFirst;
        if (segment.Window == 0 && !segment.Has(TcpFlags.Rst)) Met |= windowClosed;
        if (segment.Has(TcpFlags.Fin) && (Met & anybody) == 0) Met |= closedFirst;
    }

    private void NoteWhatWasMet()
    {
        Note(_toGuest.Lost + _toEngine.Lost > 0, Happenings.Loss);
        Note(_toGuest.Late + _toEngine.Late > 0, Happenings.Reordering);
        Note(_toGuest.Repeated + _toEngine.Repeated > 0, Happenings.Duplication);
        Note(_guest.HasForgotten, Happenings.GuestReset);
        Note(_frozenUntil != default, Happenings.GuestFrozen);
        Note(_darkUntil != default, Happenings.LinkDark);
        Note(_shortages > 0, Happenings.HostShort);
        Note(Counters.TcpSegmentsRetransmitted > 0, Happenings.Retransmission);
        Note(Counters.TcpRetransmitTimeouts > 0, Happenings.Timeout);
        Note(Counters.TcpTailProbes > 0, Happenings.Probe);
        Note(_plan.Guest.ReceiveBuffer < _plan.Guest.MaxSegment, Happenings.TinyGuestWindow);
        Note(_plan.EngineWindow < _plan.Guest.MaxSegment, Happenings.TinyEngineWindow);
        Note(!_plan.Guest.Addresses.Guest.Address.IsIpv4, Happenings.Ipv6);
        Note(_plan.Guest.Listens, Happenings.OpenedFromOutside);

        void Note(bool happened, Happenings what)
        {
            if (happened) Met |= what;
        }
    }

    private void CheckStreams()
    {
        ReadOnlySpan<byte> heard = _socket!.Sent;
        bool isWhole = _plan.Ending == Ending.InOrder;
        Require(!isWhole || heard.Length == _upload.Length, $"the host heard {heard.Length} of {_upload.Length} octets");
        Require(heard.Length <= _upload.Length && heard.SequenceEqual(_upload.AsSpan(0, heard.Length)), "the host heard other octets");
        Require(!isWhole || _guest.Received == _download.Length, $"the guest received {_guest.Received} of {_download.Length} octets");
    }

    private static void Require(bool condition, string complaint)
    {
        if (!condition) throw new InvalidOperationException(complaint);
    }
}
