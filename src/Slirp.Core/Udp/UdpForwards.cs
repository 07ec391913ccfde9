using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>Carries UDP from outside to the guest through forwarded ports, and the guest's answers back.</summary>
/// <remarks>
/// <para><b>Model.</b> A forward has one socket, shared by all who send to it. Each remote endpoint gets an association:
/// what the guest sees (<see cref="OutsideView"/>) on one side, the true remote endpoint and the local address that was
/// hit on the other. A datagram of the guest to an associated endpoint leaves from the forward's socket, from that very
/// local address; any other datagram of the guest is none of ours.</para>
/// <para><b>Invariants.</b> A pair of guest endpoint and remote endpoint as the guest sees it belongs to one association:
/// if two outside conversations would look the same inside (one remote that speaks to two forwards of one guest port),
/// the later one appears as the gateway, so that each answer leaves from where its question came in.</para>
/// <para><b>Loops.</b> A datagram that comes from one of our own forwarded ports is dropped: two servers of the guest that
/// answer everything would answer each other for ever.</para>
/// <para><b>Host loopback.</b> What the outside began may be answered whether or not the guest may reach host loopback
/// itself: an association is an exact pair of endpoints.</para>
/// <para><b>Limits.</b> <see cref="UdpForwardLimits"/>. Room is made by the association idle longest, one without an
/// answer first, so a flood of spoofed sources does not push out conversations. A turn reads so often from a port.</para>
/// <para><b>Kernel assumptions.</b> udp(7), ip(7) IP_PKTINFO; without IP_RECVERR an unconnected UDP socket is not told of
/// ICMP errors, so one remote that has gone cannot disturb the others.</para>
/// </remarks>
public sealed partial class UdpForwards<TWorld> : IStationUser, IDatagramSource where TWorld : struct, IWorld
{
    /// <summary>Receives per port and turn: each may be 64 KiB of coalesced datagrams.</summary>
    private const int ReceivesPerTurn = 32;

    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly FlowGate _gate;
    private readonly IGuestStations _stations;
    private readonly TimerWheel _timers;
    private readonly Counters _counters;
    private readonly UdpForwardLimits _limits;
    private readonly IncomingTrain<UdpForwardPort> _incoming;
    private readonly OutgoingTrains _trains;
    private readonly Queue<UdpForwardPort> _ready = new();
    private readonly HashSet<IpEndpoint> _own = [];
    private TWorld _world;

    public UdpForwards(
        TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate, IGuestStations stations, FramePool pool,
        TimerWheel timers, Counters counters, UdpForwardLimits? limits = null)
    {
        (_world, _sender, _plan, _gate, _stations) = (world, sender, plan, gate, stations);
        (_timers, _counters) = (timers, counters);
        _limits = limits ?? new UdpForwardLimits();
        _table = new FlowTable<UdpAssociation>(_limits.Associations);
        _outside = new FlowTable<UdpAssociation.OutsideSide>(_limits.Associations);
        _incoming = new IncomingTrain<UdpForwardPort>(ReceivesPerTurn, Deliver);
        _trains = new OutgoingTrains(pool, Depart);
    }

    /// <summary>Some port has more to read than its last turn allowed, or answers were gathered in this one.</summary>
    public bool HasWork => _ready.Count > 0 || _trains.HasAny;

    /// <summary>A port is open; its events come by <see cref="OnReadable"/> from now on.</summary>
    public void Add(UdpForwardPort port) => _own.Add(port.Bound);

    /// <summary>Forgets ports and who spoke through them; afterwards their sockets may be closed.</summary>
    public void Remove(ReadOnlySpan<UdpForwardPort> ports)
    {
        foreach (UdpForwardPort port in ports)
        {
            port.IsRemoved = true;
            port.IsReadable = false;
            _own.Remove(port.Bound);
        }
        for (int slot = 0; slot < _table.SlotCount; slot++)
        {
            if (_table.At(slot) is { Port.IsRemoved: true } association) Close(association);
        }
    }

    /// <summary>Forgets who spoke to an address that the host has no more: no answer could leave from there.</summary>
    public void CloseLost(HostAddresses addresses)
    {
        for (int slot = 0; slot < _table.SlotCount; slot++)
        {
            if (_table.At(slot) is UdpAssociation association && addresses.HasLost(association.LocalAddress)) Close(association);
        }
    }

    public void FollowStations(IStationMoves moves, Instant now)
    {
        for (int slot = 0; slot < _table.SlotCount; slot++)
        {
            if (_table.At(slot) is UdpAssociation association
                && moves.TryFindMove(association.Key.Guest.Address, association.Station, out MacAddress station))
                association.Station = station;
        }
    }

    public void OnReadable(UdpForwardPort port, Instant now)
    {
        if (port.IsRemoved) return;
        port.IsReadable = true;
        // One that waits already has its turn when those before it have had theirs.
        if (!port.IsQueued) Serve(port, now);
    }

    /// <summary>Sends the answers gathered in this turn, then gives each waiting port its own.</summary>
    public void RunReady(Instant now)
    {
        _trains.DepartAll(now);
        for (int count = _ready.Count; count > 0 && _ready.TryDequeue(out UdpForwardPort? port); count--)
        {
            port.IsQueued = false;
            if (!port.IsRemoved) Serve(port, now);
        }
    }

    /// <summary>Forgets everything; of no use after that. Sockets are their owner's.</summary>
    public void CloseAll()
    {
        for (int slot = 0; slot < _table.SlotCount; slot++)
        {
            if (_table.At(slot) is UdpAssociation association) Close(association);
        }
        _timers.Cancel(ref _upkeep);
        _ready.Clear();
        _trains.Close();
    }

    /// <summary>Carries a datagram of the guest, or several of one size, if it is an answer to somebody outside.</summary>
    /// <param name="source">The station it came from.</param>
    /// <param name="asSent">How the guest sent it: the GsoSize of a UdpL4 frame, its DF; one hop of its limit is ours.</param>
    /// <param name="ipPacket">The whole packet, for an error to quote.</param>
    /// <returns>False if nobody outside has that endpoint.</returns>
    public bool TryCarryAnswer(
        MacAddress source, IpEndpoint from, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions asSent,
        ReadOnlySpan<byte> ipPacket, Instant now)
    {
        if (_table.Count == 0 || !_table.TryFind(new FlowKey(from, to), out UdpAssociation? association)) return false;
        (association.Station, association.DoubtAt) = (source, now + IGuestStations.Reachable);
        Touch(association, isAnswer: true, now);
        UdpForwardPort port = association.Port!;
        DatagramOptions options = asSent with
        {
            SegmentSize = asSent.SegmentSize < payload.Length ? asSent.SegmentSize : 0,
            HopLimit = (byte)Math.Max(1, asSent.HopLimit - 1),
            LocalAddress = port.Bound.Address.IsAny ? association.LocalAddress : default,
            InterfaceIndex = association.InterfaceIndex,
            // In the other family the packet has another length: what fits here may not fit there, and the other way round.
            DontFragment = asSent.DontFragment && association.Remote.Address.IsIpv4 == from.Address.IsIpv4,
        };
        if (!_trains.TryGather(association, association.Remote, options, association.TrainLimit, payload, ipPacket, now))
            SendNow(association, payload, options, ipPacket, now);
        return true;
    }

    public bool MayHaveSent(IpEndpoint from, IpEndpoint to) => _table.TryFind(new FlowKey(to, from), out _);

    private void Depart(OutgoingTrain train, Instant now)
    {
        if (_table.TryGet(train.OwnerIndex, train.OwnerGeneration, out UdpAssociation? association))
            SendNow(association, train.Payload, train.Options, train.FirstPacket, now);
        else
            _counters.Drop(DropReason.UdpFlowLimit, train.Count); // it has made room for another within the turn
    }

    /// <param name="ipPacket">The packet, or the first of several, for an error to quote.</param>
    private void SendNow(
        UdpAssociation association, ReadOnlySpan<byte> payload, in DatagramOptions options, ReadOnlySpan<byte> ipPacket, Instant now)
    {
        SendOutcome outcome = DatagramSends.SendAll(ref _world, association.Port!.Socket, association.Remote, payload, options);
        if (outcome.RefusesTrains) association.TrainLimit = Math.Min(association.TrainLimit, options.SegmentSize - 1);
        _counters.Drop(DropReason.UdpHostSendFailed, outcome.Lost);
        if (outcome.Error != HostError.MessageTooLong) return;
        // Without an error queue nobody names the path's MTU: the guest feels its way down (RFC 1191 section 7.1).
        bool v4 = association.Key.Guest.Address.IsIpv4;
        IcmpHeader tooBig = IcmpError.PacketTooBigSomehow(v4, DatagramSends.PacketLengthOf(ipPacket, options.SegmentSize, v4));
        _sender.SendIcmpError(association.Station, _plan.GatewayFor(association.Key.Guest.Address), tooBig, ipPacket, now);
    }

    private void Serve(UdpForwardPort port, Instant now)
    {
        bool received = false;
        _incoming.Clear();
        for (int budget = ReceivesPerTurn; port.IsReadable && budget > 0; budget--) received |= TryReceiveOne(port, now);
        _incoming.CarryOn(port, now);
        // Nothing but errors, turn after turn, would keep the loop from sleeping: the next datagram is an edge again.
        if (!received) port.IsReadable = false;
        if (!port.IsReadable) return;
        port.IsQueued = true;
        _ready.Enqueue(port);
    }

    private bool TryReceiveOne(UdpForwardPort port, Instant now)
    {
        IoResult received = _world.ReceiveFrom(port.Socket, _incoming.RoomFor(port, now), out DatagramInfo info);
        if (received.WouldBlock) port.IsReadable = false; // other errors were another datagram's, and are told once
        if (received.IsOk) _incoming.Add(port, received.Count, info, now);
        return received.IsOk;
    }

    private void Deliver(UdpForwardPort port, ReadOnlySpan<byte> payload, in DatagramInfo info, Instant now)
    {
        IpEndpoint remote = info.Source;
        IpAddress local = port.Bound.Address.IsAny ? info.LocalAddress : port.Bound.Address;
        if (info.Truncated || remote.Port == 0)
        {
            _counters.Drop(DropReason.BadUdpHeader); // nobody could be answered at port 0
            return;
        }
        if (remote.Address.IsAny || IsMany(remote.Address) || IsMany(local))
        {
            _counters.Drop(DropReason.BadSourceAddress);
            return;
        }
        if (IsOwn(remote, local))
        {
            _counters.Drop(DropReason.ForwardLoop);
            return;
        }
        FlowKey outside = UdpAssociation.OutsideKey(remote, port.Bound with { Address = local });
        UdpAssociation? association = Find(outside) ?? Open(port, outside, now);
        if (association is null) return;
        if (remote.Address.IsLinkLocal) association.InterfaceIndex = info.InterfaceIndex; // the link may be another by now
        Touch(association, isAnswer: false, now);
        _sender.SendUdp(
            StationOf(association, now), association.Key.Remote, port.Guest, payload, info.SegmentSize, info.TrafficClass,
            pathMtu: _sender.MtuTo(port.Guest.Address, now));
    }

    /// <summary>The guest's own datagrams tell where it is; until there is one, what is known may become better.</summary>
    private MacAddress StationOf(UdpAssociation association, Instant now)
    {
        IpAddress guest = association.Key.Guest.Address;
        if (!association.IsAnswered)
        {
            if (_stations.TryFind(guest, now, out MacAddress station)) association.Station = station;
        }
        else if (now >= association.DoubtAt)
        {
            association.DoubtAt = now + IGuestStations.Reachable;
            _stations.Doubt(guest, association.Station, now);
        }
        return association.Station;
    }

    /// <summary>Multicast or broadcast: no one to answer, and no address to answer from.</summary>
    private static bool IsMany(IpAddress address) => address.IsMulticast || address.IsIpv4 && address.Ipv4.IsBroadcast;

    private bool IsOwn(IpEndpoint remote, IpAddress local)
    {
        if (_own.Contains(remote)) return true;
        if (!remote.Address.IsLoopback && remote.Address != local) return false;
        IpAddress any = remote.Address.IsIpv4 ? Ipv4Address.Any : IpAddress.Ipv6Any;
        return _own.Contains(remote with { Address = any });
    }
}
