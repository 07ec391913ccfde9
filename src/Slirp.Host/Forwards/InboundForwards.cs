using Slirp.Core;
using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Timers;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Linux;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>A worker's side of forwards: takes the connections that wait at their listeners, and hands datagram sockets to
/// <see cref="UdpForwards{TWorld}"/>.</summary>
/// <remarks>
/// <para><b>Turns.</b> Listeners report edges, so one that may have more waits in a list and is served for so many
/// connections a turn: a flood at one port delays neither another port nor a frame.</para>
/// <para><b>Descriptors.</b> When the process has none left, nothing is accepted until a timer fires: the connections wait
/// in the kernel, and the loop sleeps.</para>
/// <para><b>The guest is asked first.</b> The kernel has completed the handshake with the outside; what it sends waits
/// until the guest has accepted, and it is reset if the guest does not (<see cref="TcpEngine{TWorld}.OpenInbound"/>).
/// Where the guest's hardware address is not known, connections wait a moment for it.</para>
/// </remarks>
internal sealed class InboundForwards(
    TcpEngine<HostWorld> tcp, UdpForwards<HostWorld> udp, HostSockets sockets, NetworkPlan plan, FlowGate gate,
    IGuestStations stations, TimerWheel timers, Counters counters) : IEngine
{
    private const int AcceptsPerListener = 16, AcceptsPerTurn = 64;

    /// <summary>More wait in the kernel's queue, where they cost nothing.</summary>
    private const int MaxWaiting = 256;

    private static readonly EventTarget RetryTarget = new(EventKind.ForwardUpkeep, 1, 0);
    private static readonly TimeSpan StallPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan StationPoll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan FirstStationPoll = TimeSpan.FromMilliseconds(1); // a guest that is awake has answered
    private static readonly TimeSpan StationPatience = TimeSpan.FromSeconds(3); // as Linux: three requests, a second apart

    /// <summary>Then a guess must do: the guest may be one that does not answer ARP.</summary>
    private static readonly TimeSpan GuessAfter = TimeSpan.FromMilliseconds(300);

    private readonly Dictionary<int, Forward> _forwards = [];
    private readonly Queue<(Forward Forward, int Offset)> _ready = new();
    private readonly Queue<Waiting> _waiting = new();
    private TimerHandle _retry;
    private bool _isStalled;
    private bool _isShort; // of descriptors, when it was accepted last

    /// <summary>An accepted connection whose guest has not been found on the link yet.</summary>
    private readonly record struct Waiting(HostSocket Socket, IpEndpoint Guest, IpEndpoint Peer, Instant GiveUpAt);

    public bool HasWork => (_ready.Count > 0 && !_isStalled) || udp.HasWork;

    public int Count => _forwards.Count;

    public void Add(Forward forward)
    {
        _forwards.Add(forward.Id, forward);
        foreach (UdpForwardPort port in forward.UdpPorts)
        {
            sockets.AdoptDatagrams(port.Socket, forward.IsIpv6);
            udp.Add(port);
        }
    }

    /// <summary>Times that connections were left to wait because there was no descriptor for them.</summary>
    public long DescriptorsLacked { get; private set; }

    public void Remove(Forward forward)
    {
        if (_forwards.Remove(forward.Id) && forward.UdpPorts.Length > 0) udp.Remove(forward.UdpPorts);
    }

    public void OnHostEvents(EventTarget target, HostEvents events, Instant now)
    {
        if (!_forwards.TryGetValue(target.Index, out Forward? forward)) return; // removed meanwhile
        int offset = target.Generation; // Forward.TargetOf
        if (forward.UdpPorts.Length > 0) udp.OnReadable(forward.UdpPorts[offset], now);
        else Enqueue(forward, offset);
    }

    public void OnTimer(EventTarget target, Instant now)
    {
        if (target.Index == 0)
        {
            udp.OnTimer(now);
            return;
        }
        _retry = default;
        _isStalled = false;
        RetryWaiting(now);
    }

    public void RunReady(Instant now)
    {
        udp.RunReady(now);
        for (int budget = AcceptsPerTurn; budget > 0 && !_isStalled && _ready.TryDequeue(out (Forward Forward, int Offset) next);)
        {
            next.Forward.IsQueued[next.Offset] = false;
            if (!_forwards.ContainsKey(next.Forward.Id)) continue; // its sockets are closed
            int served = Math.Min(budget, AcceptsPerListener);
            if (Accept(next.Forward, next.Offset, served, now)) Enqueue(next.Forward, next.Offset);
            budget -= served;
        }
    }

    public void CloseAll()
    {
        foreach (Waiting waiting in _waiting) HostSockets.Close(waiting.Socket, reset: true);
        _waiting.Clear();
        _ready.Clear();
        _forwards.Clear();
        timers.Cancel(ref _retry);
        udp.CloseAll();
    }

    private void Enqueue(Forward forward, int offset)
    {
        if (forward.IsQueued[offset]) return;
        forward.IsQueued[offset] = true;
        _ready.Enqueue((forward, offset));
    }

    /// <returns>True if there may be more.</returns>
    private bool Accept(Forward forward, int offset, int budget, Instant now)
    {
        bool isFruitless = true;
        while (budget > 0)
        {
            if (_isShort && (_isShort = !HasDescriptor()))
            {
                DescriptorsLacked++;
                Stall(StallPause, now);
                return true;
            }
            SysResult accepted = Socket.Accept(forward.Sockets[offset], out SocketAddress peer);
            switch (accepted.Errno)
            {
                case Errno.None:
                    budget--;
                    isFruitless = false;
                    _isShort = sockets.IsReserved(accepted.Raw + 1);
                    counters.TcpForwarded++;
                    Begin(new HostSocket(accepted.Raw), forward.GuestAt(offset), HostSockets.ToEndpoint(peer), now);
                    if (_isStalled) return true;
                    break;
                case Errno.EAGAIN or Errno.EBADF or Errno.EINVAL:
                    return false;
                case Errno.EMFILE or Errno.ENFILE or Errno.ENOBUFS or Errno.ENOMEM:
                    DescriptorsLacked++;
                    Stall(StallPause, now);
                    return true;
                default: // the connection's own error (accept(2)): the next one may be well
                    budget--;
                    break;
            }
        }
        if (isFruitless) Stall(StallPause, now); // it may be the same one each time: a security module forbids it
        return true;
    }

    /// <summary>What is not accepted waits with the kernel, where it costs no descriptor.</summary>
    private bool HasDescriptor()
    {
        SysResult lowest = Descriptor.Duplicate(2, 3);
        if (!lowest.IsOk) return false;
        Descriptor.Close(new RawFd(lowest.Raw));
        return !sockets.IsReserved(lowest.Raw);
    }

    private void Begin(HostSocket accepted, IpEndpoint guest, IpEndpoint peer, Instant now)
    {
        if (stations.TryFind(guest.Address, now, out MacAddress station))
        {
            Open(accepted, guest, peer, station, now);
            return;
        }
        _waiting.Enqueue(new Waiting(accepted, guest, peer, now + (station.IsZero ? StationPatience : GuessAfter)));
        if (_waiting.Count >= MaxWaiting) Stall(StationPoll, now);
        else ScheduleRetry(FirstStationPoll, now);
    }

    private void Open(HostSocket accepted, IpEndpoint guest, IpEndpoint peer, MacAddress station, Instant now)
    {
        if (!TryChooseKey(guest, peer, out FlowKey key))
        {
            counters.Drop(DropReason.ForwardPortExhausted);
            HostSockets.Close(accepted, reset: true);
            return;
        }
        if (gate.Decide(IpProtocol.Tcp, FlowDirection.Inbound, key, out _) != RouteVerdict.Forward)
        {
            counters.Drop(DropReason.RefusedByGate);
            HostSockets.Close(accepted, reset: true);
            return;
        }
        tcp.OpenInbound(accepted, key, station, now);
    }

    private bool TryChooseKey(IpEndpoint guest, IpEndpoint peer, out FlowKey key)
    {
        IpAddress seen = OutsideView.Of(plan, peer.Address, guest.Address, out bool isStandIn);
        key = new FlowKey(guest, peer with { Address = seen });
        // Two connections that differ only in which of the host's addresses or ports they came to look the same to the guest.
        // One that is over gives way to the next, but for the gateway's, which speaks for many.
        if (!tcp.Flows.TryFind(key, out TcpFlow? other) || !isStandIn && other.GivesWay) return true;
        var taken = new Connections(tcp.Flows);
        if (!OutsideView.TryChoosePort(plan, guest, taken, out IpEndpoint standIn)) return false;
        key = new FlowKey(guest, standIn);
        return true;
    }

    private void RetryWaiting(Instant now)
    {
        for (int count = _waiting.Count; count > 0; count--)
        {
            Waiting waiting = _waiting.Dequeue();
            if (stations.TryFind(waiting.Guest.Address, now, out MacAddress station) || !station.IsZero && now >= waiting.GiveUpAt)
            {
                Open(waiting.Socket, waiting.Guest, waiting.Peer, station, now);
            }
            else if (now < waiting.GiveUpAt)
            {
                _waiting.Enqueue(waiting);
            }
            else
            {
                counters.Drop(DropReason.GuestStationUnknown);
                HostSockets.Close(waiting.Socket, reset: true);
            }
        }
        if (_waiting.Count >= MaxWaiting) Stall(StationPoll, now);
        else if (_waiting.Count > 0) ScheduleRetry(StationPoll, now);
    }

    private void Stall(TimeSpan pause, Instant now)
    {
        _isStalled = true;
        ScheduleRetry(pause, now);
    }

    private void ScheduleRetry(TimeSpan pause, Instant now)
    {
        if (!_retry.IsSet) timers.Schedule(ref _retry, RetryTarget, now + pause);
    }

    private readonly struct Connections(FlowTable<TcpFlow> flows) : IConversations
    {
        public bool Has(IpEndpoint guest, IpEndpoint remote) => flows.TryFind(new FlowKey(guest, remote), out _);
    }
}
