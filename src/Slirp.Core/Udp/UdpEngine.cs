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
/// <para>Datagrams are never copied here. The guest's payload goes from its frame to one <c>sendmsg</c>, with a segment
/// size if the frame held several; what the host received goes from the receive buffer to one frame, with a segment size
/// if the kernel coalesced several.</para>
/// <para><b>Addresses.</b> The gate is asked about each new destination of a mapping; its answer is kept for the last few.
/// Host loopback appears as the gateway, by the address of the gateway that the guest used last.</para>
/// <para><b>Lifetime.</b> <see cref="DatagramLimits"/>: short for a question, longer for a conversation, shortest for DNS;
/// refreshed by traffic in both directions (REQ-6). When there are too many mappings, or no descriptors, the one idle
/// longest makes room.</para>
/// <para><b>Limits.</b> What the host's socket has no room for is dropped and counted. A path MTU that the guest's DF asks
/// about is told to it; without DF the host fragments, as any source of the datagram may.</para>
/// <para><b>Kernel assumptions.</b> udp(7) UDP_SEGMENT fails as a whole, before anything is sent, when a segment does not
/// fit the path or there are too many; then they go one by one. Turns and errors: <see cref="DatagramEngine{TMapping,TWorld}"/>.</para>
/// <para><b>Sources.</b> RFC 768, RFC 4787, RFC 1191, RFC 8085.</para>
/// </remarks>
public sealed class UdpEngine<TWorld>(
    TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate, FramePool pool, TimerWheel timers,
    Counters counters, DatagramLimits limits)
    : DatagramEngine<UdpMapping, TWorld>(
        EventKind.UdpMapping, limits.UdpMappings, world, sender, plan, gate, pool, timers, counters, limits)
    where TWorld : struct, IWorld
{
    private const ushort DnsPort = 53;

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
        mapping!.GuestMac = source;
        if (Plan.IsGateway(to.Address)) mapping.Gateway = to.Address;
        Mappings.Touch(mapping, DeadlineAfterQuestion(mapping, to.Port, now));

        byte hostHopLimit = (byte)Math.Max(1, hopLimit - 1); // 0 would mean the host's default
        var options = new DatagramOptions(
            segmentSize < payload.Length ? segmentSize : 0, trafficClass, hostHopLimit, dontFragment && from.Address.IsIpv4);
        HostError error = SendAll(mapping, host, payload, options);
        if (error != HostError.None) Fail(mapping, host, error, ipPacket, now);
    }

    private protected override void Deliver(UdpMapping mapping, Span<byte> message, in DatagramInfo info, Instant now)
    {
        var source = new IpEndpoint(ErrorRelay<TWorld>.MapToGuest(info.Source.Address, mapping.Gateway), info.Source.Port);
        Sender.SendUdp(mapping.GuestMac, source, mapping.Key.Guest, message, info.SegmentSize, info.TrafficClass);
        Mappings.Touch(mapping, DeadlineAfterAnswer(mapping, now));
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

    private HostError SendAll(UdpMapping mapping, IpEndpoint host, ReadOnlySpan<byte> payload, in DatagramOptions options)
    {
        HostError error = Send(mapping, host, payload, options);
        if (error == HostError.None || options.SegmentSize == 0 || IsMomentary(error)) return error;
        // Too many segments, or too large ones for this path, or no such option: one by one they may pass.
        DatagramOptions single = options with { SegmentSize = 0 };
        while (!payload.IsEmpty)
        {
            ReadOnlySpan<byte> datagram = payload[..Math.Min(options.SegmentSize, payload.Length)];
            payload = payload[datagram.Length..];
            error = Send(mapping, host, datagram, single);
            if (error != HostError.None) return error;
        }
        return HostError.None;
    }

    private Instant DeadlineAfterQuestion(UdpMapping mapping, ushort port, Instant now)
    {
        if (port != DnsPort) mapping.IsDnsOnly = false;
        if (mapping.IsDnsOnly)
        {
            mapping.OpenQuestions++;
            return now + Limits.DnsIdle;
        }
        if (mapping.IsAnswered) mapping.IsStream = true;
        return now + (mapping.IsStream ? Limits.UdpStreamIdle : Limits.UdpIdle);
    }

    private Instant DeadlineAfterAnswer(UdpMapping mapping, Instant now)
    {
        mapping.IsAnswered = true;
        if (!mapping.IsDnsOnly) return now + (mapping.IsStream ? Limits.UdpStreamIdle : Limits.UdpIdle);
        if (mapping.OpenQuestions > 0) mapping.OpenQuestions--;
        // Resolvers ask for A and AAAA from one socket: the first answer must not shut out the second.
        return mapping.OpenQuestions == 0 ? now + Limits.DnsAnswered : mapping.Deadline;
    }
}
