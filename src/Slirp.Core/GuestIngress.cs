using Slirp.Core.Icmp;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core;

/// <summary>The way in: every frame of the guest is parsed here, once, and handed to the engine it is for.</summary>
/// <remarks>
/// <para>One guard a line, each with its <see cref="DropReason"/>; nothing behind it sees malformed input. What the guest
/// lies about is counted, never asserted.</para>
/// <code>
///  frame: | virtio 10 | ethernet | ip (+ extensions) | tcp / udp / icmp ... |
///                        |            fragment -> Reassembler -> back in as a whole packet
///                        arp -> services              udp to one of our addresses -> services
/// </code>
/// <para>Checksums: a frame whose virtio header says NEEDS_CSUM comes unfinished from the guest's own kernel, and
/// DATA_VALID says that kernel has checked it; any other frame is summed here.</para>
/// </remarks>
public sealed class GuestIngress<TWorld>(
    FrameSender<TWorld> sender, NetworkPlan plan, IGuestServices services, TcpEngine<TWorld> tcp, UdpEngine<TWorld> udp,
    IcmpEngine<TWorld> icmp, Reassembler<TWorld> reassembler, FramePool pool, Counters counters,
    UdpForwards<TWorld>? forwards = null) : IFrameSink where TWorld : struct, IWorld
{
    /// <summary>Where in a slot the link puts the Ethernet header; before it the virtio header, zero where the link has none.</summary>
    public const int EthernetOffset = VirtioNetHeader.Length;

    /// <summary>Linux cuts a datagram into so many at most (UDP_MAX_SEGMENTS); more is an attempt to cost us a send each.</summary>
    private const int MaxTrainLength = 128;

    /// <summary>No network but a virtual one has a larger MTU by habit.</summary>
    private const int EthernetMtu = 1500;

    private const int IpOffset = EthernetOffset + EthernetView.HeaderLength;

    /// <summary>What is known of a packet besides its octets.</summary>
    private readonly record struct Origin(MacAddress Source, VirtioNetHeader Virtio, OwnedFrame Frame, bool IsWhole);

    /// <summary>Takes in one frame; the caller keeps its share of the slot.</summary>
    /// <param name="frame">The slot.</param>
    /// <param name="length">Octets in it, virtio header included.</param>
    /// <param name="now">The current time.</param>
    public void OnFrame(OwnedFrame frame, int length, Instant now)
    {
        Span<byte> octets = pool.Octets(frame)[..length];
        counters.FramesFromGuest++;
        counters.OctetsFromGuest += Math.Max(0, length - VirtioNetHeader.Length);
        if (!VirtioNetHeader.TryParse(octets, out VirtioNetHeader virtio))
        {
            Drop(DropReason.BadVirtioHeader);
            return;
        }
        if (!EthernetView.TryParse(octets[EthernetOffset..], out EthernetView ethernet))
        {
            Drop(DropReason.FrameTooShort);
            return;
        }
        if (ethernet.Source.IsMulticast || ethernet.Source.IsZero || ethernet.Source == plan.OurMac)
        {
            Drop(DropReason.BadSourceMac);
            return;
        }
        if (ethernet.Destination != plan.OurMac && !ethernet.Destination.IsMulticast)
        {
            Drop(DropReason.NotForUs);
            return;
        }
        var origin = new Origin(ethernet.Source, virtio, frame, IsWhole: false);
        switch (ethernet.EtherType)
        {
            case EtherType.Ipv4:
                OnIpv4(origin, octets, IpOffset, now);
                break;
            case EtherType.Ipv6 when plan.EnableIpv6:
                OnIpv6(origin, octets, IpOffset, now);
                break;
            case EtherType.Arp:
                services.OnArp(ethernet.Source, ethernet.Payload, now);
                break;
            default:
                Drop(DropReason.UnknownEtherType);
                break;
        }
    }

    private void OnIpv4(in Origin origin, ReadOnlySpan<byte> octets, int offset, Instant now)
    {
        if (!Ipv4View.TryParse(octets[offset..], out Ipv4View ip))
        {
            Drop(DropReason.BadIpv4Header);
            return;
        }
        if (!ip.HasValidChecksum)
        {
            Drop(DropReason.BadIpv4Checksum);
            return;
        }
        if (!IsPossibleSource(ip.Source, ip.Protocol))
        {
            Drop(DropReason.BadSourceAddress);
            return;
        }
        if (ip.IsFragment)
        {
            if (!reassembler.TryAdd(origin.Source, ip, now, out ReassembledPacket packet)) return;
            var whole = new Origin(origin.Source, default, packet.Frame, IsWhole: true);
            try
            {
                OnIpv4(whole, pool.Octets(packet.Frame)[..(packet.Offset + packet.Length)], packet.Offset, now);
            }
            finally
            {
                pool.Release(packet.Frame);
            }
            return;
        }
        if (IsExpired(origin, ip.TimeToLive, ip.Destination, ip.Octets, now)) return;
        OnUpperLayer(
            origin, new PacketHead(ip.Source, ip.Destination, ip.Protocol, 0, ip.Tos, ip.TimeToLive,
                ip.DontFragment && IsOfAnEthernet(origin, ip.HeaderLength, ip.Octets.Length)),
            ip.Octets, ip.Payload, offset + ip.HeaderLength, now);
    }

    /// <summary>Linux sets DF on every datagram that fits its own link, and IPv6 knows nothing else. Beyond an Ethernet's MTU
    /// only the size of this link, which nobody chose for the path, made it one packet: there the host fragments as it would
    /// its own. What the guest has fragmented itself may be fragmented again.</summary>
    private static bool IsOfAnEthernet(in Origin origin, int headerLength, int length) =>
        (origin.Virtio.GsoType == VirtioGsoType.UdpL4 ? headerLength + UdpView.HeaderLength + origin.Virtio.GsoSize : length) <= EthernetMtu;

    private void OnIpv6(in Origin origin, ReadOnlySpan<byte> octets, int offset, Instant now)
    {
        if (!Ipv6View.TryParse(octets[offset..], out Ipv6View ip))
        {
            Drop(DropReason.BadIpv6Header);
            return;
        }
        // A mapped address here would be taken for IPv4 further in.
        if (ip.Source.IsIpv4 || ip.Destination.IsIpv4 || ip.Source.IsMulticast || ip.Source.IsLoopback || plan.IsOurs(ip.Source))
        {
            Drop(DropReason.BadSourceAddress);
            return;
        }
        if (!Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper))
        {
            Drop(DropReason.BadIpv6Extension);
            return;
        }
        if (upper.HasFragment && !upper.IsAtomicFragment)
        {
            if (!reassembler.TryAdd(origin.Source, ip, upper, now, out ReassembledPacket packet)) return;
            var whole = new Origin(origin.Source, default, packet.Frame, IsWhole: true);
            try
            {
                OnIpv6(whole, pool.Octets(packet.Frame)[..(packet.Offset + packet.Length)], packet.Offset, now);
            }
            finally
            {
                pool.Release(packet.Frame);
            }
            return;
        }
        // Without an address one may look for one (RFC 4862 section 5.4.2) and nothing else.
        if (ip.Source.IsAny && upper.UpperProtocol != IpProtocol.Icmpv6)
        {
            Drop(DropReason.BadSourceAddress);
            return;
        }
        if (IsExpired(origin, ip.HopLimit, ip.Destination, ip.Octets, now)) return;
        int protocolField = Ipv6View.HeaderLength + upper.UpperProtocolFieldOffset;
        OnUpperLayer(
            origin, new PacketHead(ip.Source, ip.Destination, upper.UpperProtocol, protocolField, ip.TrafficClass, ip.HopLimit,
                DontFragment: !origin.IsWhole && IsOfAnEthernet(origin, Ipv6View.HeaderLength, ip.Octets.Length)),
            ip.Octets, ip.Payload[upper.UpperOffset..], offset + Ipv6View.HeaderLength + upper.UpperOffset, now);
    }

    /// <param name="ProtocolField">IPv6: where in the packet <paramref name="Protocol"/> is named.</param>
    private readonly record struct PacketHead(
        IpAddress Source, IpAddress Destination, IpProtocol Protocol, int ProtocolField, byte TrafficClass, byte HopLimit,
        bool DontFragment);

    private void OnUpperLayer(
        in Origin origin, in PacketHead head, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> l4, int l4Offset, Instant now)
    {
        switch (head.Protocol)
        {
            case IpProtocol.Tcp:
                OnTcp(origin, head, l4, l4Offset, now);
                break;
            case IpProtocol.Udp:
                OnUdp(origin, head, packet, l4, now);
                break;
            case IpProtocol.Icmp when head.Source.IsIpv4:
                icmp.OnMessage(origin.Source, head.Source, head.Destination, l4, head.TrafficClass, head.HopLimit, head.DontFragment, packet, now);
                break;
            case IpProtocol.Icmpv6 when !head.Source.IsIpv4:
                OnIcmpv6(origin, head, packet, l4, now);
                break;
            case IpProtocol.Igmp or IpProtocol.Ipv6NoNextHeader:
                Drop(DropReason.IcmpNotSupported); // group membership: there is nobody to tell
                break;
            default:
                Drop(DropReason.UnknownProtocol);
                sender.SendIcmpError(
                    origin.Source, plan.GatewayFor(head.Source),
                    IcmpError.ProtocolUnreachable(head.Source.IsIpv4, head.ProtocolField), packet, now);
                break;
        }
    }

    private void OnTcp(in Origin origin, in PacketHead head, ReadOnlySpan<byte> l4, int l4Offset, Instant now)
    {
        if (!TcpView.TryParse(l4, out TcpView segment))
        {
            Drop(DropReason.BadTcpHeader);
            return;
        }
        if (!IsChecksumGood(origin, head, l4))
        {
            Drop(DropReason.BadTcpChecksum);
            return;
        }
        if (head.Destination.IsMulticast || head.Destination.IsIpv4 && head.Destination.Ipv4.IsBroadcast)
        {
            Drop(DropReason.BadDestinationAddress);
            return;
        }
        tcp.OnSegment(
            origin.Source, new IpEndpoint(head.Source, segment.SourcePort), new IpEndpoint(head.Destination, segment.DestinationPort),
            segment, origin.Frame, l4Offset + segment.HeaderLength, now);
    }

    private void OnUdp(in Origin origin, in PacketHead head, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> l4, Instant now)
    {
        bool isTrain = origin.Virtio.GsoType == VirtioGsoType.UdpL4 && origin.Virtio.GsoSize > 0;
        if (!UdpView.TryParse(l4, out UdpView datagram))
        {
            Drop(DropReason.BadUdpHeader);
            return;
        }
        bool hasChecksum = datagram.Checksum != 0 || !head.Source.IsIpv4;
        if (hasChecksum && !IsChecksumGood(origin, head, l4[..(UdpView.HeaderLength + datagram.Payload.Length)]))
        {
            Drop(DropReason.BadUdpChecksum);
            return;
        }
        var from = new IpEndpoint(head.Source, datagram.SourcePort);
        var to = new IpEndpoint(head.Destination, datagram.DestinationPort);
        int segmentSize = isTrain ? origin.Virtio.GsoSize : 0;
        if (datagram.Payload.Length > MaxTrainLength * segmentSize && isTrain)
        {
            Drop(DropReason.BadUdpHeader);
            return;
        }
        // Before our own servers: somebody outside may appear as the gateway with the port of one of them.
        var answer = new DatagramOptions(segmentSize, head.TrafficClass, head.HopLimit, head.DontFragment);
        if (forwards?.TryCarryAnswer(origin.Source, from, to, datagram.Payload, answer, packet, now) == true) return;
        if (IsForServices(to))
        {
            if (IsTakenByServices(new LocalDatagram(origin.Source, from, to), datagram.Payload, segmentSize, now)) return;
            if (!plan.IsGateway(to.Address) && !to.Address.IsMulticast)
            {
                Drop(DropReason.BadDestinationAddress);
                if (!plan.IsDns(to.Address)) return; // RFC 1122 section 3.2.2: no error about what went to many
                sender.SendIcmpError(origin.Source, to.Address, IcmpError.PortUnreachable(from.Address.IsIpv4), packet, now);
                return;
            }
        }
        if (from.Address.IsAny)
        {
            Drop(DropReason.BadSourceAddress); // who has no address yet may ask our own servers for one
            return;
        }
        udp.OnDatagram(
            origin.Source, from, to, datagram.Payload, segmentSize, head.TrafficClass, head.HopLimit,
            head.DontFragment, packet, now);
    }

    /// <summary>Our servers take one datagram at a time.</summary>
    private bool IsTakenByServices(in LocalDatagram datagram, ReadOnlySpan<byte> payload, int segmentSize, Instant now)
    {
        do
        {
            ReadOnlySpan<byte> one = segmentSize > 0 ? payload[..Math.Min(segmentSize, payload.Length)] : payload;
            if (!services.OnDatagram(datagram, one, now)) return false; // by its port, so no part of a train was taken
            payload = payload[one.Length..];
        }
        while (!payload.IsEmpty);
        return true;
    }

    private bool IsForServices(IpEndpoint to) =>
        plan.IsOurs(to.Address) || to.Address.IsMulticast
        || to.Address.IsIpv4 && (to.Address.Ipv4.IsBroadcast || to.Address.Ipv4 == plan.SubnetBroadcast);

    private void OnIcmpv6(in Origin origin, in PacketHead head, ReadOnlySpan<byte> packet, ReadOnlySpan<byte> l4, Instant now)
    {
        if (!Icmpv6View.TryParse(l4, out Icmpv6View message))
        {
            Drop(DropReason.BadIcmp);
            return;
        }
        if (!message.HasValidChecksum(head.Source, head.Destination))
        {
            Drop(DropReason.BadIcmpChecksum);
            return;
        }
        if (message.Type is >= Icmpv6Type.RouterSolicitation and <= Icmpv6Type.Redirect)
        {
            services.OnNeighbourDiscovery(origin.Source, head.Source, head.Destination, head.HopLimit, l4, now);
            return;
        }
        icmp.OnMessage(origin.Source, head.Source, head.Destination, l4, head.TrafficClass, head.HopLimit, head.DontFragment, packet, now);
    }

    /// <summary>A packet on its last hop goes no further than us (RFC 1812 section 5.3.1): so traceroute sees the gateway.</summary>
    private bool IsExpired(in Origin origin, byte hopLimit, IpAddress destination, ReadOnlySpan<byte> packet, Instant now)
    {
        if (hopLimit > 1 || plan.IsOurs(destination) || destination.IsMulticast) return false;
        if (destination.IsIpv4 && (destination.Ipv4.IsBroadcast || destination.Ipv4 == plan.SubnetBroadcast)) return false;
        Drop(DropReason.HopLimitExceeded);
        sender.SendIcmpError(origin.Source, plan.GatewayFor(destination), IcmpError.HopLimitExceeded(destination.IsIpv4), packet, now);
        return true;
    }

    private bool IsPossibleSource(Ipv4Address source, IpProtocol protocol)
    {
        if (source.IsAny) return protocol == IpProtocol.Udp; // a DHCP client that has no address yet
        return !source.IsLoopback && !source.IsMulticast && !source.IsBroadcast && source != plan.SubnetBroadcast
            && source != plan.Gateway && source != plan.Dns && source.Value >> 28 != 15;
    }

    /// <summary>True if the link vouches for the L4 checksum or it is right.</summary>
    private static bool IsChecksumGood(in Origin origin, in PacketHead head, ReadOnlySpan<byte> l4)
    {
        if (!origin.IsWhole && (origin.Virtio.Flags & (VirtioNetFlags.NeedsCsum | VirtioNetFlags.DataValid)) != 0) return true;
        uint sum = InternetChecksum.PseudoHeader(head.Source, head.Destination, head.Protocol, l4.Length);
        return InternetChecksum.Fold(InternetChecksum.Sum(l4, sum)) == 0xffff;
    }

    private void Drop(DropReason reason) => counters.Drop(reason);
}
