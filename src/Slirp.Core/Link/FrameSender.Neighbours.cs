using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Link;

public sealed partial class FrameSender<TWorld> where TWorld : struct, IWorld
{
    /// <summary>RFC 4861 section 3.1: only a neighbour can have sent a packet that arrives with it.</summary>
    public const byte NeighbourHopLimit = 255;

    public LinkResult SendArp(MacAddress to, in ArpFields fields)
    {
        Span<byte> frame = stackalloc byte[IpOffset + ArpBuilder.Length];
        ArpBuilder.Write(frame[IpOffset..], fields);
        return Transmit(frame, to, EtherType.Arp, default, []);
    }

    /// <summary>Sends one message of neighbour discovery, whose checksum is finished: they are too rare and too small
    /// to be worth an offload.</summary>
    public LinkResult SendNeighbourDiscovery(MacAddress to, IpAddress source, IpAddress destination, ReadOnlySpan<byte> message)
    {
        Span<byte> headers = stackalloc byte[IpOffset + Ipv6Builder.HeaderLength];
        Ipv6Builder.Write(headers[IpOffset..], new Ipv6Fields(
            source, destination, IpProtocol.Icmpv6, NeighbourHopLimit, TrafficClass: 0, FlowLabel: 0, message.Length));
        return Transmit(headers, to, EtherType.Ipv6, default, message);
    }
}
