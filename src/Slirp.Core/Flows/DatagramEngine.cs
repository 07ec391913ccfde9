using Slirp.Core.Icmp;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Flows;

/// <summary>What UDP and echo have in common: mappings with a datagram socket each, served by turns, whose errors go to
/// the guest.</summary>
/// <remarks>
/// <para><b>Turns.</b> A mapping is served for so many receives in one turn of the loop, then waits behind the others:
/// sockets report edges, so what is left unread is remembered here. Datagrams of one turn that look alike go on together
/// (<see cref="IncomingTrain{TOwner}"/>).</para>
/// <para><b>Errors.</b> ICMP errors about the guest's datagrams come through the socket's error queue and are relayed
/// (<see cref="ErrorRelay{TWorld}"/>); what a send says at once becomes the error a router would have sent. A send may
/// return the error of an earlier datagram, to any destination: the kernel hands such an error out once, so the same send
/// is tried again and its second answer counts.</para>
/// <para><b>Stations.</b> What comes from outside goes where the guest endpoint last sent from. A guest that only listens is
/// asked now and then whether it is still there, and its mappings follow when it says that it is elsewhere.</para>
/// <para><b>Kernel assumptions.</b> ip(7) IP_RECVERR: errors set SO_ERROR and are queued with the failed destination; a
/// send that fails leaves nothing half sent.</para>
/// </remarks>
public abstract class DatagramEngine<TMapping, TWorld> : IEngine, IStationUser
    where TMapping : DatagramMapping, new()
    where TWorld : struct, IWorld
{
    /// <summary>Receives per mapping and turn: each may be 64 KiB of coalesced datagrams.</summary>
    private const int ReceivesPerTurn = 32;

    /// <summary>Room in front of a quoted payload for the transport header that the kernel left out.</summary>
    protected const int QuotedHeadroom = UdpBuilder.HeaderLength;

    private readonly EventKind _kind;
    private readonly IncomingTrain<TMapping> _incoming;
    private TWorld _world;
    private TMapping? _current; // in the middle of whose business we are

    private protected DatagramEngine(
        EventKind kind, int limit, bool joinsDatagrams, TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate,
        TimerWheel timers, Counters counters, DatagramLimits limits)
    {
        (_kind, _world) = (kind, world);
        _incoming = new IncomingTrain<TMapping>(joinsDatagrams ? ReceivesPerTurn : 1, Deliver);
        (Sender, Plan, Gate, Counters, Limits) = (sender, plan, gate, counters, limits);
        Relay = new ErrorRelay<TWorld>(sender);
        Mappings = new MappingTable<TMapping, TWorld>(world, timers, kind, limit);
    }

    public MappingTable<TMapping, TWorld> Mappings { get; }

    /// <summary>Who is asked where a guest is that has said nothing for long; null if nobody is.</summary>
    public IGuestStations? Stations { get; set; }

    /// <summary>Some mapping has more to read than its last turn allowed.</summary>
    public virtual bool HasWork => Mappings.ReadyCount > 0;

    private protected FrameSender<TWorld> Sender { get; }

    private protected NetworkPlan Plan { get; }

    private protected FlowGate Gate { get; }

    private protected Counters Counters { get; }

    private protected DatagramLimits Limits { get; }

    private protected ErrorRelay<TWorld> Relay { get; }

    public void OnHostEvents(EventTarget target, HostEvents events, Instant now)
    {
        if (!Mappings.TryGet(target, out TMapping? mapping)) return;
        if ((events & (HostEvents.Readable | HostEvents.ReadClosed | HostEvents.HangUp)) != 0) mapping.IsReadable = true;
        if ((events & HostEvents.Error) != 0) mapping.HasErrors = true;
        // One that waits already has its turn when those before it have had theirs.
        if (!mapping.IsQueued) Serve(mapping, now);
    }

    /// <summary>Gives each waiting mapping one turn.</summary>
    public virtual void RunReady(Instant now)
    {
        for (int count = Mappings.ReadyCount; count > 0 && Mappings.TryDequeue(out TMapping? mapping); count--)
        {
            if (mapping is not null) Serve(mapping, now);
        }
    }

    public void OnTimer(EventTarget target, Instant now)
    {
        if (Mappings.OnTimer(target, now)) CountClosed(1);
    }

    /// <summary>The host's addresses are others now: each destination is asked about again when it is next used.</summary>
    public void ForgetDestinations()
    {
        for (int slot = 0; slot < Mappings.SlotCount; slot++) Mappings.At(slot)?.ForgetRemotes();
    }

    /// <summary>Closes the mappings whose socket is bound to an address that is gone; the next datagram opens another.</summary>
    public void CloseLost(HostAddresses addresses)
    {
        for (int slot = 0; slot < Mappings.SlotCount; slot++)
        {
            if (Mappings.At(slot) is not { } mapping) continue;
            if (!_world.TryGetLocalAddress(mapping.Socket, out IpAddress local) || !addresses.HasLost(local)) continue;
            Mappings.Close(mapping);
            CountClosed(1);
        }
    }

    public void FollowStations(IStationMoves moves, Instant now)
    {
        for (int slot = 0; slot < Mappings.SlotCount; slot++)
        {
            if (Mappings.At(slot) is { } mapping && moves.TryFindMove(mapping.Key.Guest.Address, mapping.GuestMac, out MacAddress station))
                mapping.GuestMac = station;
        }
    }

    /// <summary>Closes the mapping in the middle of whose business an exception was thrown.</summary>
    public void Abandon()
    {
        if (_current is not { Socket.IsOpen: true } mapping) return;
        _current = null;
        CountClosed(1);
        Mappings.Close(mapping);
    }

    /// <summary>Closes every socket; the engine is of no use after that.</summary>
    public virtual void CloseAll()
    {
        CountClosed(Mappings.Count);
        Mappings.CloseAll();
    }

    /// <summary>Carries one message that the socket received to the guest, or several of one size.</summary>
    private protected abstract void Deliver(TMapping mapping, ReadOnlySpan<byte> message, in DatagramInfo info, Instant now);

    /// <summary>Carries one ICMP error to the guest.</summary>
    /// <param name="quoted">What the kernel quoted, behind <see cref="QuotedHeadroom"/> octets of room.</param>
    private protected abstract void RelayError(TMapping mapping, Span<byte> quoted, in HostIcmpError error, Instant now);

    private protected abstract void CountClosed(long count);

    /// <summary>What a datagram is counted as that the host did not take.</summary>
    private protected abstract DropReason SendFailed { get; }

    /// <summary>What a datagram is counted as that could have no socket.</summary>
    private protected abstract DropReason NoSocket { get; }

    private protected bool MayPass(
        IpProtocol protocol, MacAddress source, in FlowKey flow, ReadOnlySpan<byte> ipPacket, Instant now, out IpEndpoint host)
    {
        IpAddress guest = flow.Guest.Address;
        switch (Gate.Decide(protocol, FlowDirection.Outbound, flow, out host))
        {
            case RouteVerdict.Forward:
                return true;
            case RouteVerdict.Prohibit or RouteVerdict.Closed:
                Counters.Drop(DropReason.RefusedByGate);
                Sender.SendIcmpError(source, Plan.GatewayFor(guest), IcmpError.Prohibited(guest.IsIpv4), ipPacket, now);
                return false;
            default: // nobody's address, or one of the guest's own link: silence, as on an Ethernet
                Counters.Drop(DropReason.BadDestinationAddress);
                return false;
        }
    }

    /// <summary>A new mapping for a guest endpoint; the caller touches it before the loop turns.</summary>
    /// <returns>None, or why the host has no socket for it; the datagram is counted and, if that will last, answered.</returns>
    private protected HostError Open(
        in FlowKey key, MacAddress source, ReadOnlySpan<byte> ipPacket, Instant now, out TMapping? mapping)
    {
        long evicted = Mappings.EvictedCount;
        HostError error = Mappings.TryOpen(key, out mapping);
        CountClosed(Mappings.EvictedCount - evicted);
        IpAddress guest = key.Guest.Address;
        if (mapping is not null)
        {
            mapping.Gateway = Plan.GatewayFor(guest);
            return HostError.None;
        }
        Counters.Drop(NoSocket);
        if (error is HostError.NotSupported or HostError.AddressNotAvailable or HostError.AccessDenied)
            Sender.SendIcmpError(source, Plan.GatewayFor(guest), IcmpError.From(error, guest.IsIpv4), ipPacket, now);
        return error;
    }

    /// <summary>Where to send what came for the guest endpoint.</summary>
    private protected MacAddress StationOf(TMapping mapping, Instant now)
    {
        if (now < mapping.DoubtAt) return mapping.GuestMac;
        mapping.DoubtAt = now + IGuestStations.Reachable;
        Stations?.Doubt(mapping.Key.Guest.Address, mapping.GuestMac, now);
        return mapping.GuestMac;
    }

    /// <summary>Sends one datagram or a train, one by one if the host refuses it as a train.</summary>
    private protected SendOutcome Send(TMapping mapping, IpEndpoint host, ReadOnlySpan<byte> payload, in DatagramOptions options)
    {
        _current = mapping;
        SendOutcome outcome = DatagramSends.SendAll(ref _world, mapping.Socket, host, payload, options);
        _current = null;
        return outcome;
    }

    /// <summary>Counts the datagrams that the host did not take, if any, and tells the guest why.</summary>
    private protected void Fail(
        TMapping mapping, IpEndpoint host, in SendOutcome outcome, ReadOnlySpan<byte> ipPacket, int segmentSize, Instant now)
    {
        HostError error = outcome.Error;
        if (error == HostError.None) return;
        Counters.Drop(SendFailed, outcome.Lost);
        // Nobody can have refused what was not sent: that is yet another datagram's error, and the queue tells of it.
        if (DatagramSends.IsMomentary(error) || error == HostError.ConnectionRefused) return;
        bool v4 = mapping.IsIpv4;
        IcmpHeader answer = IcmpError.From(error, v4);
        if (error == HostError.MessageTooLong)
        {
            // The queue of errors has the path's MTU, unless the socket's buffer had no room for it.
            int mtu = RelayErrors(mapping, host, now);
            answer = mtu > 0 ? IcmpError.PacketTooBig(v4, mtu)
                : IcmpError.PacketTooBigSomehow(v4, DatagramSends.PacketLengthOf(ipPacket, segmentSize, v4));
        }
        Sender.SendIcmpError(mapping.GuestMac, mapping.Gateway, answer, ipPacket, now);
    }

    private void Serve(TMapping mapping, Instant now)
    {
        _current = mapping;
        bool received = false;
        _incoming.Clear();
        for (int budget = ReceivesPerTurn; mapping.IsReadable && budget > 0; budget--) received |= TryReceiveOne(mapping, now);
        _incoming.CarryOn(mapping, now);
        // Nothing but errors, turn after turn, would keep the loop from sleeping: the next datagram is an edge again.
        if (!received) mapping.IsReadable = false;
        if (mapping.HasErrors) RelayErrors(mapping, default, now);
        if (mapping.IsReadable || mapping.HasErrors) Mappings.Enqueue(mapping);
        _current = null;
    }

    /// <returns>True if something came, whatever became of it.</returns>
    private bool TryReceiveOne(TMapping mapping, Instant now)
    {
        IoResult result = _world.ReceiveFrom(mapping.Socket, _incoming.RoomFor(mapping, now), out DatagramInfo info);
        if (result.WouldBlock)
        {
            mapping.IsReadable = false;
            return false;
        }
        if (!result.IsOk)
        {
            mapping.HasErrors = true; // SO_ERROR, handed out once; the error queue knows more
            return false;
        }
        IpAddress host = info.Source.Address;
        if (host.IsLoopback && !Plan.EnableHostLoopback)
        {
            Counters.Drop(DropReason.RefusedByGate);
            return true;
        }
        if (info.Truncated || host.IsIpv4 != mapping.IsIpv4)
        {
            Counters.Drop(_kind == EventKind.UdpMapping ? DropReason.BadUdpHeader : DropReason.BadIcmp);
            return true;
        }
        _incoming.Add(mapping, result.Count, info, now);
        return true;
    }

    /// <summary>Empties the error queue as far as one turn may: ICMP errors go to the guest.</summary>
    /// <returns>The path MTU that the local kernel named for <paramref name="host"/>, or 0.</returns>
    private int RelayErrors(TMapping mapping, IpEndpoint host, Instant now)
    {
        Span<byte> quoted = stackalloc byte[QuotedHeadroom + ErrorRelay<TWorld>.MaxQuotedPayload];
        int mtu = 0;
        mapping.HasErrors = true;
        for (int budget = ReceivesPerTurn; budget > 0; budget--)
        {
            if (!_world.TryReceiveError(mapping.Socket, quoted[QuotedHeadroom..], out int length, out HostIcmpError error))
            {
                mapping.HasErrors = false;
                return mtu;
            }
            bool isHere = error.Destination.Address == host.Address;
            if (error.IsLocal && isHere) mtu = (int)Math.Min(error.Information, int.MaxValue);
            if (!error.IsLocal) RelayError(mapping, quoted[..(QuotedHeadroom + length)], error, now);
        }
        Mappings.Enqueue(mapping);
        return mtu;
    }
}
