using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>What an ICMP error quotes of the TCP segment that it is about, as far as it must: eight octets (RFC 792).</summary>
/// <param name="PacketLength">What the IP header says, headers included.</param>
public readonly record struct QuotedSegment(IpEndpoint Source, IpEndpoint Destination, SequenceNumber Sequence, int PacketLength)
{
    private const int NeededLength = 8;

    /// <param name="packet">The start of an IP packet, cut off anywhere; its lengths and checksums are not looked at.</param>
    /// <param name="isIpv4">The family of the message that quotes it.</param>
    /// <returns>False if it is of the other family, no TCP, no first fragment, or cut off before the sequence number. In IPv6
    /// TCP must stand right behind the header, as in all that we send.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, bool isIpv4, out QuotedSegment segment)
    {
        segment = default;
        int headerLength = isIpv4 ? Ipv4View.MinHeaderLength : Ipv6View.HeaderLength;
        if (packet.Length < headerLength || packet[0] >> 4 != (isIpv4 ? 4 : 6)) return false;
        IpAddress source, destination;
        int length;
        if (isIpv4)
        {
            headerLength = (packet[0] & 0xf) * 4;
            if (headerLength < Ipv4View.MinHeaderLength || packet[Ipv4View.Field.Protocol] != (byte)IpProtocol.Tcp) return false;
            ushort flagsAndOffset = BinaryPrimitives.ReadUInt16BigEndian(packet[Ipv4View.Field.FlagsAndOffset..]);
            if ((flagsAndOffset & Ipv4View.Field.OffsetMask) != 0) return false;
            length = BinaryPrimitives.ReadUInt16BigEndian(packet[Ipv4View.Field.TotalLength..]);
            source = Ipv4Address.Read(packet[Ipv4View.Field.Source..]);
            destination = Ipv4Address.Read(packet[Ipv4View.Field.Destination..]);
        }
        else
        {
            if (packet[Ipv6View.Field.NextHeader] != (byte)IpProtocol.Tcp) return false;
            length = headerLength + BinaryPrimitives.ReadUInt16BigEndian(packet[Ipv6View.Field.PayloadLength..]);
            source = IpAddress.ReadIpv6(packet[Ipv6View.Field.Source..]);
            destination = IpAddress.ReadIpv6(packet[Ipv6View.Field.Destination..]);
            if (source.IsIpv4 || destination.IsIpv4) return false;
        }
        if (packet.Length < headerLength + NeededLength) return false;
        ReadOnlySpan<byte> tcp = packet[headerLength..];
        segment = new QuotedSegment(
            new IpEndpoint(source, BinaryPrimitives.ReadUInt16BigEndian(tcp)),
            new IpEndpoint(destination, BinaryPrimitives.ReadUInt16BigEndian(tcp[2..])),
            new SequenceNumber(BinaryPrimitives.ReadUInt32BigEndian(tcp[4..])),
            length);
        return true;
    }
}
