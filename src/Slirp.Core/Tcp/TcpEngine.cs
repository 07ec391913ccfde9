using System.Diagnostics.CodeAnalysis;
using Slirp.Core.Flows;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>The TCP relay of one worker: every connection of the guest ends here and goes on as a host socket.</summary>
/// <remarks>
/// <para><b>Model.</b> For each connection there are two halves. Toward the guest we are a full RFC 9293 endpoint with a
/// window, acknowledgments, retransmission and congestion control of our own. Toward the host there is a socket, whose
/// kernel does all that. Octets pass between the halves through two queues:</para>
/// <code>
///  guest --segments--> [OutOfOrder] --in order--> send(2) ... what it did not take: [ToHost] --writable--> send(2)
///  guest &lt;--segments-- [ToGuest: sent, unacknowledged] &lt;-- recv(2), only as much as the guest's window can take
/// </code>
/// <para><b>Invariants.</b></para>
/// <list type="number">
/// <item>The window we advertise is room we own: it is cut from <see cref="TcpFlow.RcvCapacity"/>, its right edge never
/// moves left, and a segment at RCV.NXT is kept, unless the whole pool is full of what hosts do not take; one behind a hole may
/// be refused (<see cref="OutOfOrderQueue"/>). What was acknowledged reaches the socket or the guest gets a reset.</item>
/// <item>SYN-ACK follows a successful connect and nothing else; a refused one is RST, an unreachable one the ICMP error.</item>
/// <item>FIN is FIN and RST is RST, both ways, and data before a FIN arrives before it.</item>
/// <item>From a host socket no more is read than the guest's window has room for, so what cannot be delivered waits in the
/// kernel, where it pushes back on its sender, and a blocked flow costs next to nothing.</item>
/// <item>The urgent pointer is never used.</item>
/// </list>
/// <para><b>Batches.</b> Frames of one batch are processed one by one and their data goes to the socket at once; the flows
/// touched are put on a work list and acknowledged once each in <see cref="RunReady"/>. Socket events only set flags and
/// put the flow on the same list.</para>
/// <para><b>Limits.</b> <see cref="TcpParameters"/>: flows, connects under way, TIME-WAIT entries. The oldest connect
/// under way or TIME-WAIT entry makes room; beyond the limit of flows a SYN is dropped and counted.</para>
/// <para><b>Kernel assumptions.</b> Host sockets report edges (EPOLLET): after a short read the socket is drained unless
/// end of file, an error or an urgent mark was signalled; tests/Slirp.Linux.Tests checks that.</para>
/// <para><b>Sources.</b> RFC 9293, 7323 (timestamps, window scale), 2018 and 2883 (SACK), 5681, 6298, 6582,
/// 8985 (RACK, tail loss probes), 8961 (probes where RACK cannot tell), 3522 and 4015 (timeouts that were wrong), 5961 (blind attacks),
/// 6528 (sequence numbers), 6191 (TIME-WAIT reuse).</para>
/// </remarks>
public sealed partial class TcpEngine<TWorld> : IEngine where TWorld : struct, IWorld
{
    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly FlowGate _gate;
    private readonly IGuestServices _services;
    private readonly FramePool _pool;
    private readonly MemoryBudget _budget;
    private readonly TimerWheel _timers;
    private readonly Counters _counters;
    private readonly TcpParameters _parameters;
    private readonly InitialSequence _initialSequence = InitialSequence.WithRandomSecret();
    private readonly FlowTable<TcpFlow> _flows;

    // Flows that may be evicted to make room, by age.
    private readonly AgeList _halfOpen = new();
    private readonly AgeList _timeWait = new();

    // Connections from outside that the guest has not answered yet.
    private readonly AgeList _unanswered = new();

    private WorkList _work = new();
    private WorkList _turn = new(); // what the turn has still to do
    private TcpFlow? _current; // in the middle of whose business we are
    private int _reclaimHand;
    private TWorld _world;
    private OwnedFrame? _spare; // where the next recv goes

    public TcpEngine(
        TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate, IGuestServices services,
        FramePool pool, MemoryBudget budget, TimerWheel timers, Counters counters, TcpParameters? parameters = null)
    {
        (_world, _sender, _plan, _gate, _services) = (world, sender, plan, gate, services);
        (_pool, _budget, _timers, _counters) = (pool, budget, timers, counters);
        _parameters = parameters ?? TcpParameters.Default;
        _flows = new FlowTable<TcpFlow>(_parameters.MaxFlows);
    }

    public FlowTable<TcpFlow> Flows => _flows;

    /// <summary>Who knows better where a guest is that does not answer; null if nobody does.</summary>
    public IGuestStations? Stations { get; set; }

    /// <summary>Something can be done without waiting for an event.</summary>
    public bool HasWork => !_work.IsEmpty || !_turn.IsEmpty;

    /// <summary>One segment from the guest, its checksum already verified or vouched for by the link.</summary>
    /// <param name="source">The station it came from.</param>
    /// <param name="from">The guest's endpoint.</param>
    /// <param name="to">Where the guest sent it.</param>
    /// <param name="tcp">The parsed segment.</param>
    /// <param name="frame">The slot that holds it; the caller keeps its share.</param>
    /// <param name="payloadOffset">Where in the slot the payload begins.</param>
    /// <param name="now">The current time.</param>
    public void OnSegment(
        MacAddress source, IpEndpoint from, IpEndpoint to, in TcpView tcp, OwnedFrame frame, int payloadOffset, Instant now)
    {
        var key = new FlowKey(from, to);
        var segment = new GuestSegment(tcp, frame, payloadOffset);
        if (!_flows.TryFind(key, out TcpFlow? flow))
        {
            OnSegmentWithoutFlow(source, key, segment, now);
            _current = null;
            return;
        }
        _current = flow;
        switch (flow.Guest)
        {
            case GuestTcpState.SynHeld:
                OnSegmentWhileConnecting(flow, segment, now);
                break;
            case GuestTcpState.SynSent:
                OnSegmentInSynSent(flow, segment, now);
                if (flow.Guest == GuestTcpState.Established) flow.GuestMac = source; // it was found by whatever address
                break;
            case GuestTcpState.TimeWait or GuestTcpState.LastAck when flow.FinAcknowledged:
                OnSegmentAfterTheEnd(flow, source, segment, now);
                break;
            default:
                OnSegmentInConnection(flow, source, segment, now);
                break;
        }
        _current = null;
    }

    /// <summary>An edge on a host socket.</summary>
    public void OnHostEvents(EventTarget target, HostEvents events, Instant now)
    {
        if (!_flows.TryGet(target.Index, target.Generation, out TcpFlow? flow)) return;
        _current = flow;
        OnHostEvents(flow, events, now);
        _current = null;
    }

    private void OnHostEvents(TcpFlow flow, HostEvents events, Instant now)
    {
        if ((flow.Host & HostTcpState.Connecting) != 0)
        {
            if ((events & (HostEvents.Writable | HostEvents.Error | HostEvents.HangUp)) == 0) return;
            if (!TryFinishConnect(flow, events, now)) return;
            // What a server says at once may come in the event that says "connected", and its edge comes once.
        }
        // An error or hang-up shows itself to the next read or write; both are tried.
        if ((events & (HostEvents.Readable | HostEvents.ReadClosed | HostEvents.Error | HostEvents.HangUp)) != 0) flow.HostReadable = true;
        if ((events & (HostEvents.Writable | HostEvents.Error | HostEvents.HangUp)) != 0 && !flow.IsHostBroken) flow.HostWritable = true;
        if ((events & (HostEvents.ReadClosed | HostEvents.Error | HostEvents.HangUp)) != 0) flow.HostEndSignalled = true;
        if ((events & HostEvents.Urgent) != 0) flow.HostMarksUrgent = true;
        if ((events & HostEvents.Error) != 0 && OnHostError(flow)) return;
        Enqueue(flow);
    }

    /// <summary>A timer of the wheel that belongs to a flow.</summary>
    public void OnTimer(EventTarget target, Instant now)
    {
        if (!_flows.TryGet(target.Index, target.Generation, out TcpFlow? flow)) return;
        _current = flow;
        OnFlowTimer(flow, now);
        _current = null;
    }

    /// <summary>Does what the last batch of frames and events left to do: each flow once, within its turn.</summary>
    public void RunReady(Instant now)
    {
        // Unless an exception ended the last turn in the middle: then that one is finished first.
        if (_turn.IsEmpty) (_work, _turn) = (_turn, _work);
        while (_turn.TryTake(out TcpFlow? flow))
        {
            flow.IsQueued = false;
            if (flow.Guest == GuestTcpState.Closed) continue;
            _current = flow;
            Run(flow, now);
        }
        _current = null;
    }

    /// <summary>Ends the flow in the middle of whose business an exception was thrown.</summary>
    public void Abandon()
    {
        if (_current is not { } flow) return;
        _current = null;
        if (flow.Guest == GuestTcpState.Closed) return;
        try
        {
            Abort(flow, CloseReason.Fault);
        }
        catch (Exception)
        {
            // Not even the reset could be sent; what Close itself could not give back is lost.
            if (flow.Guest != GuestTcpState.Closed) Close(flow, CloseReason.Fault);
        }
    }

    private void Run(TcpFlow flow, Instant now)
    {
        FlushToHost(flow);
        if (flow.BeginsAgain) BeginAgain(flow);
        PumpToGuest(flow, now);
        if (flow.Guest == GuestTcpState.Closed) return;
        if (flow.AckPending) SendAck(flow, now);
        SetHostRetry(flow, now);
        Rearm(flow);
    }

    /// <summary>Some host has still to take what a guest has sent and heard acknowledged.</summary>
    public bool HasUndelivered
    {
        get
        {
            for (int slot = 0; slot < _flows.SlotCount; slot++)
                if (_flows.At(slot) is TcpFlow { ToHost.IsEmpty: false }) return true;
            return false;
        }
    }

    /// <summary>Resets every connection, both ways, for the process is about to end: but those that the guest has closed, whose
    /// last octets are with the host's kernel, which delivers them without us.</summary>
    public void CloseAll()
    {
        for (int slot = 0; slot < _flows.SlotCount; slot++)
        {
            if (_flows.At(slot) is not TcpFlow flow) continue;
            if (flow.GuestFinReceived && flow.ToHost.IsEmpty && !flow.IsHostBroken) CloseSocket(flow, reset: false);
            Abort(flow, CloseReason.Shutdown);
        }
        if (_spare is OwnedFrame spare) _pool.Release(spare);
        _spare = null;
    }

    private void Enqueue(TcpFlow flow)
    {
        if (flow.IsQueued) return;
        flow.IsQueued = true;
        _work.Add(flow);
    }

    /// <summary>Ends a flow on both sides: RST to the guest if it could still expect something, reset on the host.</summary>
    private void Abort(TcpFlow flow, CloseReason reason)
    {
        if (flow.Guest is not (GuestTcpState.SynHeld or GuestTcpState.TimeWait or GuestTcpState.Closed)) SendReset(flow);
        Close(flow, reason);
    }

    /// <summary>Removes a flow and everything it holds. A socket still open is reset: whoever may close it politely has
    /// done so before.</summary>
    private void Close(TcpFlow flow, CloseReason reason)
    {
        if (flow.Guest == GuestTcpState.SynHeld) _halfOpen.Remove(flow);
        else if (flow.Guest == GuestTcpState.TimeWait) _timeWait.Remove(flow);
        else if (flow.Guest == GuestTcpState.SynSent) _unanswered.Remove(flow);
        // What cannot go wrong first: a flow that is closed because of a fault must be out of every table.
        flow.Enter(GuestTcpState.Closed);
        _timers.Cancel(ref flow.Timer);
        ReleasePromises(flow);
        _flows.Remove(flow);
        _counters.TcpFlowsClosed++;
        if (reason == CloseReason.EvictedHalfOpen) _counters.TcpHalfOpenEvicted++;
        CloseSocket(flow, reset: true);
        flow.ToHost.Clear(_pool);
        flow.ToGuest.Clear(_pool);
        flow.OutOfOrder?.Clear(_pool);
    }

    /// <summary>The guest has closed the connection and forgotten it since, nothing being under way to it. What it had sent goes
    /// its way nevertheless: with the kernel if that has all of it, else the flow stays until the kernel has.</summary>
    private void LeaveToHost(TcpFlow flow, CloseReason reason, Instant now)
    {
        if (flow.IsHostBroken || !flow.Socket.IsOpen || flow.Guest == GuestTcpState.TimeWait)
        {
            Close(flow, reason);
            return;
        }
        if (flow.ToHost.IsEmpty)
        {
            // What is all delivered is reset, so that the peer hears of it too.
            if (!_world.IsDelivered(flow.Socket)) CloseSocket(flow, reset: false);
            Close(flow, reason);
            return;
        }
        _budget.Adjust(flow.ToGuest.Length, 0);
        flow.ToGuest.Clear(_pool);
        flow.PersistAt = Instant.Never;
        flow.Host &= ~HostTcpState.CanReceive;
        flow.HostReadable = flow.AckPending = false;
        flow.FinAcknowledged = true;
        flow.LifeAt = now + _parameters.TimeWait;
        if (flow.Guest == GuestTcpState.CloseWait) flow.Enter(GuestTcpState.LastAck);
        else if (flow.Guest == GuestTcpState.Closing) EnterTimeWait(flow, now);
    }

    private void CloseSocket(TcpFlow flow, bool reset)
    {
        if (!flow.Socket.IsOpen) return;
        _world.Close(flow.Socket, reset);
        flow.Socket = HostSocket.None;
        flow.Host = HostTcpState.Closed;
        flow.HostReadable = flow.HostWritable = false;
    }

    /// <summary>The parts of a received segment that handlers need, parsed once.</summary>
    private readonly ref struct GuestSegment(in TcpView tcp, OwnedFrame frame, int payloadOffset)
    {
        public readonly SequenceNumber Sequence = tcp.Sequence;
        public readonly SequenceNumber Acknowledgment = tcp.Acknowledgment;
        public readonly TcpFlags Flags = tcp.Flags;
        public readonly ushort Window = tcp.Window;
        public readonly TcpOptions Options = TcpOptions.Parse(tcp.Options);
        public readonly OwnedFrame Frame = frame;
        public readonly int PayloadOffset = payloadOffset;
        public readonly int PayloadLength = tcp.Payload.Length;

        public bool Has(TcpFlags flag) => (Flags & flag) != 0;

        /// <summary>SEG.LEN: octets of sequence space, SYN and FIN included.</summary>
        public int Length => PayloadLength + (Has(TcpFlags.Syn) ? 1 : 0) + (Has(TcpFlags.Fin) ? 1 : 0);
    }

    /// <summary>Flows with something to do; a flow is in it once.</summary>
    private sealed class WorkList
    {
        private TcpFlow?[] _items = new TcpFlow?[64];
        private int _taken, _count;

        public bool IsEmpty => _taken == _count;

        public void Add(TcpFlow flow)
        {
            if (_count == _items.Length) Array.Resize(ref _items, _count * 2);
            _items[_count++] = flow;
        }

        /// <summary>Takes them in the order they were added.</summary>
        public bool TryTake([NotNullWhen(true)] out TcpFlow? flow)
        {
            if (IsEmpty)
            {
                _taken = _count = 0;
                flow = null;
                return false;
            }
            flow = _items[_taken]!;
            _items[_taken++] = null;
            return true;
        }
    }
}
