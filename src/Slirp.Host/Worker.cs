using System.Collections.Concurrent;
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
using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Tap;
using Slirp.Services;
using Slirp.Services.Dns;
using Slirp.Services.Neighbours;
using Slirp.Wire;

namespace Slirp.Host;

/// <summary>One thread, one TAP queue, one epoll, and all the flows that came through that queue.</summary>
/// <remarks>
/// <para><b>Model.</b> A worker owns everything it touches: engines, flow tables, slots, timers, sockets. Others reach it
/// only by <see cref="Post"/>. So nothing here is locked, and a second worker is a second of everything.</para>
/// <para><b>Turn.</b> Each turn of the loop takes a bounded batch of frames, gives each flow touched its turn (data on, one
/// acknowledgment), fires timers, and collects events. It sleeps only when a turn found nothing to do, and polls a few
/// times before that: a lone request is answered without the cost of going to sleep and waking up.</para>
/// <para><b>Invariants.</b> No frame or event is handled twice; every descriptor is edge-triggered, so what a handler
/// leaves undone is remembered by its engine, and the loop does not sleep while any engine has work. An exception of an
/// engine costs the flow it happened to (<see cref="Dispatcher"/>); one of the loop itself ends the process.</para>
/// </remarks>
public sealed partial class Worker : IDisposable
{
    /// <summary>Frames taken before acknowledgments are sent, which bounds a turn to 2 MiB; 8 are as fast (src/README.md).</summary>
    private const int FrameBatch = 32;

    private const int EventBatch = 256;

    private const EpollEvents LinkEdges = EpollEvents.EPOLLIN | EpollEvents.EPOLLET;

    /// <summary>Polls without result before the thread sleeps: about 20 us, the time a request takes to be answered by a
    /// server on this machine.</summary>
    private const int PollsBeforeSleep = 50;

    /// <summary>At the end: the guest's last segments and what hosts have still to take of it are waited for so long, or until
    /// nothing has come for <see cref="Quiet"/>.</summary>
    private static readonly TimeSpan LongestFarewell = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(20);

    private readonly TapFd _tap;
    private readonly bool _hasVnetHeader;
    private readonly Epoll _epoll = new();
    private readonly Wakeup _wakeup = new();
    private readonly ConcurrentQueue<Action<Worker, Instant>> _messages = new();
    private readonly EpollEvent[] _events = new EpollEvent[EventBatch];

    private readonly FramePool _pool;
    private readonly TimerWheel _timers;
    private readonly TcpEngine<HostWorld> _tcp;
    private readonly UdpEngine<HostWorld> _udp;
    private readonly IcmpEngine<HostWorld> _icmp;
    private readonly Reassembler<HostWorld> _reassembler;
    private readonly GuestServices<HostWorld> _services;
    private readonly UdpForwards<HostWorld> _udpForwards;
    private readonly HostSockets _sockets;
    private readonly HostMap _map;
    private readonly Dispatcher _dispatcher;
    private readonly PoolTrimmer _trimmer;

    private OwnedFrame? _next; // the slot the next frame is read into
    private bool _tapReadable = true, _linkFails;
    private bool _stopping, _toldPingForbidden;
    private readonly Action<string> _warn;
    private readonly ShedReport _sheds;

    /// <param name="tap">The queue; borrowed, and to stay open until <see cref="Run"/> has returned.</param>
    /// <param name="hasVnetHeader">Whether its frames carry a virtio_net header.</param>
    /// <param name="options">Everything else.</param>
    public Worker(TapFd tap, bool hasVnetHeader, WorkerOptions options)
    {
        (_tap, _hasVnetHeader, _warn) = (tap, hasVnetHeader, options.Warn);
        Instant now = Now();
        NetworkPlan plan = options.Plan;
        var sockets = _sockets = new HostSockets(_epoll, tap, hasVnetHeader)
        {
            Outbound = options.Outbound,
            Scopes = options.Resolvers.Scopes,
            LoopsMulticast = plan.EnableHostLoopback,
        };
        var world = new HostWorld(sockets);
        _map = new HostMap(plan) { HostAddresses = options.HostAddresses };
        var gate = new FlowGate(_map);
        var budget = new MemoryBudget(options.MemoryBudget);
        _pool = new FramePool(options.MemoryBudget * 4);
        _timers = new TimerWheel(now);
        var sender = new FrameSender<HostWorld>(world, options.Offloads, plan.Mtu, plan.OurMac, Counters);
        _services = new GuestServices<HostWorld>(world, sender, plan, _timers, Counters, _pool, options.Resolvers, now);
        _tcp = new TcpEngine<HostWorld>(world, sender, plan, gate, _services, _pool, budget, _timers, Counters, options.Tcp);
        _udp = new UdpEngine<HostWorld>(world, sender, plan, gate, _pool, _timers, Counters, options.Datagrams);
        _icmp = new IcmpEngine<HostWorld>(world, sender, plan, gate, _timers, Counters, options.Datagrams, _tcp);
        _reassembler = new Reassembler<HostWorld>(_pool, sender, plan, _timers, Counters, options.Datagrams);
        var stations = new GuestStations<HostWorld>(_services.Neighbours, sender, plan, _timers);
        var udpForwards = _udpForwards = new UdpForwards<HostWorld>(world, sender, plan, gate, stations, _pool, _timers, Counters);
        Inbound = new InboundForwards(_tcp, udpForwards, sockets, plan, gate, stations, _timers, Counters);
        _trimmer = new PoolTrimmer(_pool, _timers);
        _dispatcher = new Dispatcher(_timers, Counters, options.Warn);
        _dispatcher.SetIngress(new GuestIngress<HostWorld>(
            sender, plan, _services, _tcp, _udp, _icmp, _reassembler, _pool, Counters, udpForwards));
        _dispatcher.Register(_tcp, EventKind.TcpFlow);
        _dispatcher.Register(_udp, EventKind.UdpMapping);
        _dispatcher.Register(_icmp, EventKind.PingMapping);
        _dispatcher.Register(Inbound, EventKind.Forward, EventKind.ForwardUpkeep);
        _dispatcher.Register(_reassembler, EventKind.FragmentExpiry);
        _dispatcher.Register(new ServiceEngine(_services), EventKind.DnsUpstream, EventKind.Service);
        _dispatcher.Register(_trimmer, EventKind.PoolTrim);
        _dispatcher.Register(stations, EventKind.StationMove);
        _dispatcher.Register(new HostAddressEngine(this), EventKind.HostAddressCheck);
        _sheds = MakeSheds(options, budget);
        Watch(_wakeup.Fd, EventKind.Wakeup);
        Watch(_tap, EventKind.Link);
        _tcp.Stations = _udp.Stations = _icmp.Stations = stations;
        _icmp.DatagramSources = [_udp, udpForwards];
        stations.Serve(_tcp, _udp, _icmp, udpForwards);
    }

    public Counters Counters { get; } = new();

    /// <summary>Why the loop ended by itself: the link is gone. None while it runs or if it was told to stop.</summary>
    public Errno LinkError { get; private set; }

    /// <summary>Hands work to the loop's thread. May be called from any thread.</summary>
    public void Post(Action<Worker, Instant> message)
    {
        _messages.Enqueue(message);
        _wakeup.Signal();
    }

    public void Stop() => Post(static (worker, _) => worker._stopping = true);

    public void UpdateResolvers(ResolverConfiguration resolvers) => Post((worker, now) =>
    {
        worker._sockets.Scopes = resolvers.Scopes;
        worker._services.UpdateResolvers(resolvers, now);
    });

    /// <summary>From here on what is asked of it waits for the loop, which is about to begin on another thread.</summary>
    public void BeginRun() => _state = LoopState.Running;

    /// <summary>There is no thread for it.</summary>
    public void CancelRun() => _state = LoopState.NotStarted;

    /// <summary>The loop. Returns when told to stop, or when the link is gone.</summary>
    public void Run()
    {
        BeginRun();
        while (!_stopping)
        {
            Instant now = Now();
            bool worked = ReadFrames(now);
            worked |= RunEngines(now);
            _dispatcher.FireTimers(now);
            _sheds.Look(now);
            CollectEvents(mayWait: !_stopping && !worked && !HasWork(), now);
        }
        SeeOff();
        Inbound.CloseAll();
        _tcp.CloseAll();
        _udp.CloseAll();
        _icmp.CloseAll();
        _reassembler.CloseAll();
        _state = LoopState.Ended;
    }

    /// <summary>A program that has sent, closed and ended may count on what it sent to arrive, here as on the host.</summary>
    private void SeeOff()
    {
        Instant now = Now(), end = now + LongestFarewell, quietAt = now + Quiet;
        while (LinkError == Errno.None && now < end && (now < quietAt || _tcp.HasUndelivered))
        {
            bool worked = ReadFrames(now);
            if (worked) quietAt = now + Quiet;
            worked |= RunEngines(now);
            _dispatcher.FireTimers(now);
            int count = worked ? _epoll.Poll(_events).Raw : _epoll.WaitNanoseconds(_events, Quiet.Ticks * 100 / 4).Raw;
            now = Now();
            DispatchAll(count, now);
        }
    }

    public void Dispose()
    {
        _epoll.Dispose();
        _wakeup.Dispose();
    }

    private bool HasWork() => _tapReadable || _dispatcher.HasWork;

    private bool RunEngines(Instant now)
    {
        bool worked = _dispatcher.RunReady(now);
        _trimmer.Watch(now);
        if (_icmp.PingForbidden && !_toldPingForbidden)
        {
            _toldPingForbidden = true;
            _warn("ping: this host forbids ping sockets to this user (sysctl net.ipv4.ping_group_range); pings are answered as prohibited");
        }
        return worked;
    }

    private bool ReadFrames(Instant now)
    {
        int count = 0;
        for (; _tapReadable && count < FrameBatch; count++)
        {
            OwnedFrame frame = Slot();
            Span<byte> slot = _pool.Octets(frame);
            SysResult read = ReadFrame(slot);
            if (!read.IsOk)
            {
                OnReadFailed(read.Errno);
                break;
            }
            _dispatcher.OnFrame(frame, read.Raw, now);
            // Somebody keeps payload in it: the next frame goes elsewhere.
            if (!_pool.IsUnshared(frame)) ReleaseSlot();
        }
        return count > 0;
    }

    private SysResult ReadFrame(Span<byte> slot)
    {
        if (_hasVnetHeader) return TapIo.Read(_tap, slot);
        slot[..VirtioNetHeader.Length].Clear();
        SysResult read = TapIo.Read(_tap, slot[VirtioNetHeader.Length..]);
        return read.IsOk ? new SysResult(read.Raw + VirtioNetHeader.Length) : read;
    }

    private void OnReadFailed(Errno errno)
    {
        _tapReadable = false;
        if (errno is Errno.EAGAIN or Errno.EIO) // nothing now, or the interface is down: an event follows when it is up
        {
            // An interface on its way out tells of it a moment before it is gone: the same event again, until it is.
            if (_linkFails) _ = _epoll.Modify(_tap, LinkEdges, new EventTarget(EventKind.Link, 0, 0).Packed);
            _linkFails = false;
            return;
        }
        LinkError = errno;
        _stopping = true;
    }

    /// <summary>There always is one: the pool keeps its last slots for this.</summary>
    private OwnedFrame Slot()
    {
        if (_next is OwnedFrame held) return held;
        if (!_pool.TryRentForLink(out OwnedFrame rented)) throw new InvalidOperationException("no slot to read a frame into");
        _next = rented;
        return rented;
    }

    private void ReleaseSlot()
    {
        _pool.Release(_next!.Value);
        _next = null;
    }

    private void CollectEvents(bool mayWait, Instant now)
    {
        int count = _epoll.Poll(_events).Raw;
        if (count <= 0 && mayWait) count = PollThenSleep(now);
        if (count > 0) DispatchAll(count, Now());
    }

    private void DispatchAll(int count, Instant now)
    {
        for (int i = 0; i < count; i++) Dispatch(EventTarget.Unpack(_events[i].Data), _events[i].Events, now);
    }

    private int PollThenSleep(Instant now)
    {
        for (int i = 0; i < PollsBeforeSleep; i++)
        {
            int count = _epoll.Poll(_events).Raw;
            if (count > 0) return count;
        }
        Instant wake = _timers.NextWake();
        long timeout = wake == Instant.Never ? -1 : Math.Max(0, wake.Nanoseconds - now.Nanoseconds);
        return _epoll.WaitNanoseconds(_events, timeout).Raw;
    }

    private void Dispatch(EventTarget target, EpollEvents events, Instant now)
    {
        switch (target.Kind)
        {
            case EventKind.Link:
                _tapReadable = true;
                _linkFails = (events & EpollEvents.EPOLLERR) != 0;
                break;
            case EventKind.Wakeup:
                TakeMessages(now);
                break;
            default:
                _dispatcher.OnHostEvents(target, ToHostEvents(events), now);
                break;
        }
    }

    private void TakeMessages(Instant now)
    {
        _ = _wakeup.TakeSignal();
        while (_messages.TryDequeue(out Action<Worker, Instant>? message))
        {
            try
            {
                message(this, now);
            }
            catch (Exception e)
            {
                _dispatcher.OnFault(e, "a message", now);
            }
        }
    }

    private void Watch<T>(T descriptor, EventKind kind) where T : struct, IDescriptor =>
        _epoll.Add(descriptor, LinkEdges, new EventTarget(kind, 0, 0).Packed)
            .OrThrow("epoll_ctl", $"{kind} descriptor {descriptor.Value}");

    private static HostEvents ToHostEvents(EpollEvents events)
    {
        HostEvents result = HostEvents.None;
        if ((events & EpollEvents.EPOLLIN) != 0) result |= HostEvents.Readable;
        if ((events & EpollEvents.EPOLLOUT) != 0) result |= HostEvents.Writable;
        if ((events & EpollEvents.EPOLLRDHUP) != 0) result |= HostEvents.ReadClosed;
        if ((events & EpollEvents.EPOLLERR) != 0) result |= HostEvents.Error;
        if ((events & EpollEvents.EPOLLHUP) != 0) result |= HostEvents.HangUp;
        if ((events & EpollEvents.EPOLLPRI) != 0) result |= HostEvents.Urgent;
        return result;
    }

    private static Instant Now() => new(MonotonicClock.Nanoseconds);
}
