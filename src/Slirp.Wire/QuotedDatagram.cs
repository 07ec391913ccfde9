using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>What an ICMPv6 error quotes of the UDP datagram or echo reply that it is about, or of its first fragment.</summary>
/// <param name="Protocol">UDP or ICMPv6.</param>
/// <param name="Source">Of an echo reply the port is 0.</param>
/// <param name="Destination">Of an echo reply the port is the identifier.</param>
/// <param name="PacketLength">What the IP header says, headers included.</param>
public readonly record struct QuotedDatagram(IpProtocol Protocol, IpEndpoint Source, IpEndpoint Destination, int PacketLength)
{
    /// <summary>Ports, or type and identifier.</summary>
    private const int NeededLength = 8;

    /// <param name="packet">The start of an IPv6 packet, cut off anywhere; its lengths and checksums are not looked at.</param>
    /// <returns>False if it is anything else, a fragment but the first, or cut off too early. Nothing but a fragment header may
    /// stand between, as in all that we send.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, out QuotedDatagram datagram)
    {
        datagram = default;
        if (packet.Length < Ipv6View.HeaderLength || packet[0] >> 4 != 6) return false;
        var protocol = (IpProtocol)packet[Ipv6View.Field.NextHeader];
        int length = Ipv6View.HeaderLength + BinaryPrimitives.ReadUInt16BigEndian(packet[Ipv6View.Field.PayloadLength..]);
        IpAddress source = IpAddress.ReadIpv6(packet[Ipv6View.Field.Source..]);
        IpAddress destination = IpAddress.ReadIpv6(packet[Ipv6View.Field.Destination..]);
        if (source.IsIpv4 || destination.IsIpv4) return false;
        ReadOnlySpan<byte> upper = packet[Ipv6View.HeaderLength..];
        if (protocol == IpProtocol.Ipv6Fragment)
        {
            if (upper.Length < Ipv6FragmentBuilder.HeaderLength || BinaryPrimitives.ReadUInt16BigEndian(upper[2..]) >> 3 != 0) return false;
            protocol = (IpProtocol)upper[0];
            upper = upper[Ipv6FragmentBuilder.HeaderLength..];
        }
        if (upper.Length < NeededLength) return false;
        (ushort From, ushort To) ports;
        if (protocol == IpProtocol.Udp)
            ports = (BinaryPrimitives.ReadUInt16BigEndian(upper), BinaryPrimitives.ReadUInt16BigEndian(upper[2..]));
        else if (protocol == IpProtocol.Icmpv6 && upper[0] == (byte)Icmpv6Type.EchoReply)
            ports = (0, BinaryPrimitives.ReadUInt16BigEndian(upper[4..]));
        else
            return false;
        datagram = new QuotedDatagram(protocol, new IpEndpoint(source, ports.From), new IpEndpoint(destination, ports.To), length);
        return true;
    }
}
