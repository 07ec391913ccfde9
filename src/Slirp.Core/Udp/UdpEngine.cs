using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>Carries the guest's UDP through host sockets, one socket for each guest endpoint.</summary>
/// <remarks>
/// <para><b>Model.</b> A guest endpoint (address and port) that sends gets a mapping: an unconnected host socket bound to a
/// port of the kernel's choice, used for every destination (RFC 4787 REQ-1, endpoint-independent mapping). What arrives
/// at that socket goes to the guest endpoint, whoever sent it: endpoint-independent filtering, which REQ-8 recommends where
/// transparency matters most. Peer-to-peer programs depend on it, the guest's own sockets still choose whom they hear, and
/// slirp4netns did the same. The exception: with host loopback disabled, nothing from loopback comes in.</para>
/// <para><b>Trains.</b> A call costs more than the octets it moves, so datagrams of one size travel together wherever the
/// kernel lets them. What the guest's kernel or the host's has put together passes as it is, by a segment size. What
/// comes one by one within a turn of the loop is put together here: from the guest in <see cref="OutgoingTrains"/>, toward
/// it where it is received (<see cref="IncomingTrain{TOwner}"/>). Each train is cut again by the kernel that it goes to; whoever
/// receives sees the datagrams that were sent.</para>
/// <para><b>Addresses.</b> The gate is asked about each new destination of a mapping; its answer is kept for the last few.
/// Host loopback appears as the gateway, by the address of the gateway that the guest used last.</para>
/// <para><b>Groups.</b> A datagram to a multicast group leaves by the host's route to it, with the guest's hop limit, and
/// whoever answers its sender reaches the guest: so devices are found. Nothing joins a group for the guest. With host
/// loopback disabled the host's own programs do not hear it (<see cref="IHostSockets"/>).</para>
/// <para><b>Lifetime.</b> <see cref="DatagramLimits"/>: short for a question, longer for a conversation, shortest for DNS;
/// refreshed by traffic in both directions (REQ-6). When there are too many mappings, or no descriptors, the one idle
/// longest makes room.</para>
/// <para><b>Limits.</b> What the host's socket has no room for is dropped and counted. A path MTU that the guest's DF asks
/// about is told to it; without DF the host fragments, as any source of the datagram may.</para>
/// <para><b>Kernel assumptions.</b> udp(7) UDP_SEGMENT fails as a whole, before anything is sent, when a segment does not
/// fit the path, there are too many, or the interface cannot finish checksums; then they go one by one. Turns and errors: <see cref="DatagramEngine{TMapping,TWorld}"/>.</para>
/// <para><b>Sources.</b> RFC 768, RFC 4787, RFC 1191, RFC 8085.</para>
/// </remarks>
public sealed class UdpEngine<TWorld> : DatagramEngine<UdpMapping, TWorld>, IDatagramSource where TWorld : struct, IWorld
{
    private const ushort DnsPort = 53;

    private readonly OutgoingTrains _trains;

    public UdpEngine(
        TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate, FramePool pool, TimerWheel timers,
        Counters counters, DatagramLimits limits)
        : base(EventKind.UdpMapping, limits.UdpMappings, joinsDatagrams: true, world, sender, plan, gate, timers, counters, limits) =>
        _trains = new OutgoingTrains(pool, Depart);

    public override bool HasWork => _trains.HasAny || base.HasWork;

    private protected override DropReason SendFailed => DropReason.UdpHostSendFailed;

    private protected override DropReason NoSocket => DropReason.UdpFlowLimit;

    /// <summary>Carries a datagram, or several of one size, that no server of our own has taken.</summary>
    /// <param name="source">The station it came from.</param>
    /// <param name="segmentSize">The GsoSize of a UdpL4 frame, else 0.</param>
    /// <param name="hopLimit">As the guest sent it; one hop is ours.</param>
    /// <param name="ipPacket">The whole packet, for errors to quote.</param>
    public void OnDatagram(
        MacAddress source, IpEndpoint from, IpEndpoint to, ReadOnlySpan<byte> payload, int segmentSize, byte trafficClass,
        byte hopLimit, bool dontFragment, ReadOnlySpan<byte> ipPacket, Instant now)
    {
        if (to.Port == 0)
        {
            Counters.Drop(DropReason.BadUdpHeader); // RFC 768 gives port 0 a meaning for sources only
            return;
        }
        var key = new FlowKey(from, default);
        Mappings.TryFind(key, out UdpMapping? mapping);
        IpEndpoint host = default;
        bool isKnown = mapping is not null && mapping.TryFindRemote(to, out host);
        if (!isKnown && !MayPass(IpProtocol.Udp, source, new FlowKey(from, to), ipPacket, now, out host)) return;
        if (mapping is null)
        {
            if (Open(key, source, ipPacket, now, out mapping) != HostError.None) return;
            Counters.UdpMappingsOpened++;
        }
        if (!isKnown) mapping!.RememberRemote(to, host);
        mapping!.Hear(source, now);
        if (Plan.IsGateway(to.Address)) mapping.Gateway = to.Address;
        Mappings.Touch(mapping, DeadlineAfterQuestion(mapping, to.Port, now));

        // A group of the link is on ours and on the host's, and some look whether it was one hop to them (RFC 6762 section 11).
        int hop = to.Address.IsMulticast ? 0 : 1;
        byte hostHopLimit = (byte)Math.Max(1, hopLimit - hop); // 0 would mean the host's default
        var options = new DatagramOptions(
            segmentSize < payload.Length ? segmentSize : 0, trafficClass, hostHopLimit, dontFragment);
        if (!_trains.TryGather(mapping, host, options, mapping.TrainLimit, payload, ipPacket, now))
            SendNow(mapping, host, payload, options, ipPacket, now);
    }

    public bool MayHaveSent(IpEndpoint from, IpEndpoint to) => Mappings.TryFind(new FlowKey(to, default), out _);

    /// <summary>Sends what was gathered in this turn, then gives each waiting mapping its own.</summary>
    public override void RunReady(Instant now)
    {
        _trains.DepartAll(now);
        base.RunReady(now);
    }

    public override void CloseAll()
    {
        base.CloseAll();
        _trains.Close();
    }

    private protected override void Deliver(UdpMapping mapping, ReadOnlySpan<byte> message, in DatagramInfo info, Instant now)
    {
        var source = new IpEndpoint(ErrorRelay<TWorld>.MapToGuest(info.Source.Address, mapping.Gateway), info.Source.Port);
        Sender.SendUdp(
            StationOf(mapping, now), source, mapping.Key.Guest, message, info.SegmentSize, info.TrafficClass,
            pathMtu: Sender.MtuTo(mapping.Key.Guest.Address, now));
        Mappings.Touch(mapping, DeadlineAfterAnswers(mapping, DatagramSends.CountOf(message.Length, info.SegmentSize), now));
    }

    private protected override void RelayError(UdpMapping mapping, Span<byte> quoted, in HostIcmpError error, Instant now)
    {
        IpAddress guest = mapping.Key.Guest.Address;
        IpAddress remote = ErrorRelay<TWorld>.MapToGuest(error.Destination.Address, mapping.Gateway);
        if (remote.IsIpv4 != guest.IsIpv4) return;
        UdpBuilder.Write(quoted, mapping.Key.Guest.Port, error.Destination.Port, quoted.Length);
        UdpBuilder.WriteChecksum(quoted, UdpBuilder.ComputeChecksum(quoted, guest, remote));
        Relay.Relay(mapping.GuestMac, guest, remote, IpProtocol.Udp, quoted, error, mapping.Gateway, now);
    }

    private protected override void CountClosed(long count) => Counters.UdpMappingsClosed += count;

    private void Depart(OutgoingTrain train, Instant now)
    {
        var owner = new EventTarget(EventKind.UdpMapping, train.OwnerIndex, train.OwnerGeneration);
        if (Mappings.TryGet(owner, out UdpMapping? mapping))
            SendNow(mapping, train.To, train.Payload, train.Options, train.FirstPacket, now);
        else
            Counters.Drop(DropReason.UdpFlowLimit, train.Count); // it has made room for another within the turn
    }

    /// <param name="ipPacket">The packet, or the first of several, for an error to quote.</param>
    private void SendNow(
        UdpMapping mapping, IpEndpoint host, ReadOnlySpan<byte> payload, in DatagramOptions options,
        ReadOnlySpan<byte> ipPacket, Instant now)
    {
        SendOutcome outcome = Send(mapping, host, payload, options);
        if (outcome.RefusesTrains) mapping.TrainLimit = Math.Min(mapping.TrainLimit, options.SegmentSize - 1);
        Fail(mapping, host, outcome, ipPacket, options.SegmentSize, now);
    }

    private Instant DeadlineAfterQuestion(UdpMapping mapping, ushort port, Instant now)
    {
        if (port != DnsPort) mapping.IsDnsOnly = false;
        if (mapping.IsDnsOnly)
        {
            mapping.OpenQuestions++;
            return now + Limits.DnsIdle;
        }
        return now + (mapping.IsAnswered ? Limits.UdpStreamIdle : Limits.UdpIdle);
    }

    private Instant DeadlineAfterAnswers(UdpMapping mapping, int count, Instant now)
    {
        mapping.IsAnswered = true;
        if (!mapping.IsDnsOnly) return now + Limits.UdpStreamIdle;
        mapping.OpenQuestions = Math.Max(0, mapping.OpenQuestions - count);
        // Resolvers ask for A and AAAA from one socket: the first answer must not shut out the second.
        return mapping.OpenQuestions == 0 ? now + Limits.DnsAnswered : mapping.Deadline;
    }
}
