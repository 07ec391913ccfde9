using System.Buffers.Binary;
using Slirp.Core.Flows;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>Carries the guest's echo requests through ping sockets, and answers those to our own addresses.</summary>
/// <remarks>
/// <para><b>Model.</b> A guest address with an echo identifier gets a mapping: a ping socket (icmp(7)) used for every
/// destination. The kernel chooses the identifier on the wire, so no program of the host loses its replies to us; on the
/// way back the guest's is put in its place. Sequence number and data pass as they are. A reply goes to the guest only
/// if somebody sent it: nothing is invented for a host that may be dead.</para>
/// <para>The gateway and the DNS address are this process, so it answers for them, whether host loopback is reachable
/// through the gateway or not.</para>
/// <para><b>Errors.</b> "Unreachable" and "time exceeded" about an echo request come through the error queue and go to the
/// guest (<see cref="ErrorRelay{TWorld}"/>). Where the host forbids ping sockets (sysctl net.ipv4.ping_group_range), the
/// guest is told that its request is prohibited, and <see cref="PingForbidden"/> is for the owner to be told once.</para>
/// <para><b>Everything else</b> from the guest: its errors are about packets that we made. Those about TCP are TCP's. Of those
/// about datagrams one is heeded: that an IPv6 datagram, which nobody on the way may fragment, is too large for a link behind
/// the guest (RFC 8201 section 4), if it quotes a conversation that there is. For others the host's sockets have no use. They
/// are counted and dropped like requests for time or address masks, which are answered by nobody today.</para>
/// <para><b>Kernel assumptions.</b> Ping sockets take whole echo requests with code 0 only, set identifier and checksum, and
/// give whole replies that answer them; errors quote from the ICMP header on.</para>
/// <para><b>Sources.</b> RFC 792, RFC 1122 section 3.2.2.6, RFC 4443 section 4, RFC 5508, RFC 8201.</para>
/// </remarks>
public sealed class IcmpEngine<TWorld>(
    TWorld world, FrameSender<TWorld> sender, NetworkPlan plan, FlowGate gate, TimerWheel timers, Counters counters,
    DatagramLimits limits, TcpEngine<TWorld>? tcp = null)
    : DatagramEngine<PingMapping, TWorld>(
        EventKind.PingMapping, limits.PingMappings, joinsDatagrams: false, world, sender, plan, gate, timers, counters, limits)
    where TWorld : struct, IWorld
{
    private const int HeaderLength = IcmpView.HeaderLength;

    /// <summary>The host has refused a ping socket for want of permission.</summary>
    public bool PingForbidden { get; private set; }

    /// <summary>Who else sends datagrams to the guest, and wants to know how large they may be.</summary>
    public IReadOnlyList<IDatagramSource> DatagramSources { get; set; } = [];

    private protected override DropReason SendFailed => DropReason.PingUnavailable;

    private protected override DropReason NoSocket => DropReason.PingUnavailable;

    /// <summary>Takes an ICMP or ICMPv6 message of any type but neighbour discovery.</summary>
    /// <param name="source">The station it came from.</param>
    /// <param name="message">From the ICMP header on. ICMPv6 messages have had their checksum verified, ICMP has it here.</param>
    /// <param name="hopLimit">As the guest sent it; one hop is ours.</param>
    /// <param name="ipPacket">The whole packet, for errors to quote.</param>
    public void OnMessage(
        MacAddress source, IpAddress from, IpAddress to, ReadOnlySpan<byte> message, byte trafficClass, byte hopLimit,
        bool dontFragment, ReadOnlySpan<byte> ipPacket, Instant now)
    {
        if (!IcmpView.TryParse(message, out IcmpView icmp))
        {
            Counters.Drop(DropReason.BadIcmp);
            return;
        }
        if (from.IsIpv4 && !icmp.HasValidChecksum)
        {
            Counters.Drop(DropReason.BadIcmpChecksum);
            return;
        }
        if ((byte)icmp.Type != RequestType(from))
        {
            if (!IsHeardByTcp(icmp, to) && !IsHeardByDatagrams(icmp, to, now)) Counters.Drop(DropReason.IcmpNotSupported);
            return;
        }
        if (icmp.Code != 0)
        {
            Counters.Drop(DropReason.BadIcmp);
            return;
        }
        if (Plan.IsOurs(to))
        {
            var reply = new IcmpHeader(ReplyType(to), 0, icmp.RestOfHeader);
            Sender.SendIcmp(source, to, from, reply, icmp.Body, trafficClass, pathMtu: Sender.MtuTo(from, now));
            Counters.IcmpEchoes++;
            return;
        }
        var options = new DatagramOptions(0, trafficClass, (byte)Math.Max(1, hopLimit - 1), dontFragment);
        Forward(source, new IpEndpoint(from, icmp.Identifier), to, message, options, ipPacket, now);
    }

    /// <summary>Whether it is an error about a segment of ours, sent to whom that seemed to come from.</summary>
    private bool IsHeardByTcp(in IcmpView icmp, IpAddress to) =>
        tcp is not null
        && QuotedSegment.TryParse(icmp.Body, to.IsIpv4, out QuotedSegment about) && about.Source.Address == to
        && tcp.TryHear(new IcmpHeader((byte)icmp.Type, icmp.Code, icmp.RestOfHeader), about);

    private bool IsHeardByDatagrams(in IcmpView icmp, IpAddress to, Instant now)
    {
        if (to.IsIpv4 || (byte)icmp.Type != (byte)Icmpv6Type.PacketTooBig) return false;
        if (!QuotedDatagram.TryParse(icmp.Body, out QuotedDatagram about) || about.Source.Address != to) return false;
        if (about.PacketLength <= icmp.RestOfHeader || !MayHaveSent(about)) return false;
        return Sender.TryNarrow(about.Destination.Address, (int)icmp.RestOfHeader, now);
    }

    private bool MayHaveSent(in QuotedDatagram about)
    {
        if (about.Protocol == IpProtocol.Icmpv6) return Mappings.TryFind(new FlowKey(about.Destination, default), out _);
        foreach (IDatagramSource source in DatagramSources)
        {
            if (source.MayHaveSent(about.Source, about.Destination)) return true;
        }
        return false;
    }

    private void Forward(
        MacAddress source, IpEndpoint guest, IpAddress to, ReadOnlySpan<byte> message, in DatagramOptions options,
        ReadOnlySpan<byte> ipPacket, Instant now)
    {
        var key = new FlowKey(guest, default);
        var remote = new IpEndpoint(to, 0);
        Mappings.TryFind(key, out PingMapping? mapping);
        IpEndpoint host = default;
        bool isKnown = mapping is not null && mapping.TryFindRemote(remote, out host);
        IpProtocol protocol = to.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
        if (!isKnown && !MayPass(protocol, source, new FlowKey(guest, remote), ipPacket, now, out host)) return;
        if (mapping is null)
        {
            HostError refusal = Open(key, source, ipPacket, now, out mapping);
            if (refusal == HostError.AccessDenied) PingForbidden = true;
            if (refusal != HostError.None) return;
        }
        if (!isKnown) mapping!.RememberRemote(remote, host);
        mapping!.Hear(source, now);
        Mappings.Touch(mapping, now + Limits.PingIdle);
        Counters.IcmpEchoes++;
        Fail(mapping, host, Send(mapping, host, message, options), ipPacket, segmentSize: 0, now);
    }

    private protected override void Deliver(PingMapping mapping, ReadOnlySpan<byte> message, in DatagramInfo info, Instant now)
    {
        if (!IcmpView.TryParse(message, out IcmpView icmp) || (byte)icmp.Type != ReplyType(mapping.Key.Guest.Address))
        {
            Counters.Drop(DropReason.BadIcmp);
            return;
        }
        IpAddress from = ErrorRelay<TWorld>.MapToGuest(info.Source.Address, mapping.Gateway);
        var reply = new IcmpHeader((byte)icmp.Type, 0, (uint)mapping.Identifier << 16 | icmp.Sequence);
        Sender.SendIcmp(
            StationOf(mapping, now), from, mapping.Key.Guest.Address, reply, icmp.Body, info.TrafficClass,
            pathMtu: Sender.MtuTo(mapping.Key.Guest.Address, now));
        Mappings.Touch(mapping, now + Limits.PingIdle);
    }

    private protected override void RelayError(PingMapping mapping, Span<byte> quoted, in HostIcmpError error, Instant now)
    {
        IpAddress guest = mapping.Key.Guest.Address;
        IpAddress remote = ErrorRelay<TWorld>.MapToGuest(error.Destination.Address, mapping.Gateway);
        if (remote.IsIpv4 != guest.IsIpv4) return;
        Span<byte> echo = quoted[QuotedHeadroom..];
        if (echo.Length < HeaderLength)
        {
            echo = quoted[..HeaderLength]; // nothing quoted: type and identifier are known all the same
            echo.Clear();
            echo[0] = RequestType(guest);
        }
        BinaryPrimitives.WriteUInt16BigEndian(echo[4..], mapping.Identifier);
        BinaryPrimitives.WriteUInt16BigEndian(echo[2..], 0);
        IpProtocol protocol = guest.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
        uint sum = guest.IsIpv4 ? 0 : InternetChecksum.PseudoHeader(guest, remote, protocol, echo.Length);
        BinaryPrimitives.WriteUInt16BigEndian(echo[2..], InternetChecksum.Finish(InternetChecksum.Sum(echo, sum)));
        Relay.Relay(mapping.GuestMac, guest, remote, protocol, echo, error, mapping.Gateway, now);
    }

    private protected override void CountClosed(long count)
    {
        // Ping mappings have no counter of their own: IcmpEchoes says what the guest asked for.
    }

    private static byte RequestType(IpAddress address) =>
        address.IsIpv4 ? (byte)IcmpType.EchoRequest : (byte)Icmpv6Type.EchoRequest;

    private static byte ReplyType(IpAddress address) =>
        address.IsIpv4 ? (byte)IcmpType.EchoReply : (byte)Icmpv6Type.EchoReply;
}
