using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of one IPv6 packet in octets the caller owns (RFC 8200).</summary>
/// <remarks>Fields in host byte order, lengths in octets. Valid only while the span is.</remarks>
public readonly ref struct Ipv6View
{
    public const int HeaderLength = 40;
    private readonly ReadOnlySpan<byte> _octets; // header and payload: TryParse cut off any padding

    private Ipv6View(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the version is not 6, the octets are fewer than header and Payload Length, the packet is a
    /// jumbogram (RFC 2675: length zero before a hop-by-hop header), or an address is IPv4-mapped, which is never
    /// legal on the wire (RFC 4942 section 2.2) and would read as IPv4 inside.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, out Ipv6View ip)
    {
        ip = default;
        if (packet.Length < HeaderLength || packet[0] >> 4 != 6) return false;
        int payloadLength = BinaryPrimitives.ReadUInt16BigEndian(packet[Field.PayloadLength..]);
        if (payloadLength > packet.Length - HeaderLength) return false;
        if (payloadLength == 0 && packet[Field.NextHeader] == (byte)IpProtocol.HopByHop) return false;
        var parsed = new Ipv6View(packet[..(HeaderLength + payloadLength)]);
        if (parsed.Source.IsIpv4 || parsed.Destination.IsIpv4) return false;
        ip = parsed;
        return true;
    }

    public byte TrafficClass => (byte)(FirstWord >> 20);

    /// <summary>20 bits.</summary>
    public uint FlowLabel => FirstWord & Field.FlowLabelMask;

    /// <summary>The protocol of the first header in the payload, which may be an extension header.</summary>
    public IpProtocol NextHeader => (IpProtocol)_octets[Field.NextHeader];
    public byte HopLimit => _octets[Field.HopLimit];
    public IpAddress Source => IpAddress.ReadIpv6(_octets[Field.Source..]);
    public IpAddress Destination => IpAddress.ReadIpv6(_octets[Field.Destination..]);

    /// <summary>Everything behind the 40 octets, extension headers included.</summary>
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];

    /// <summary>The whole packet without padding: what an ICMPv6 error quotes.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    private uint FirstWord => BinaryPrimitives.ReadUInt32BigEndian(_octets);

    internal static class Field // octet offsets, RFC 8200 section 3
    {
        public const int PayloadLength = 4, NextHeader = 6, HopLimit = 7, Source = 8, Destination = 24;
        public const uint FlowLabelMask = 0xf_ffff;
    }
}

/// <param name="FlowLabel">20 bits; what is above them is not written.</param>
/// <param name="PayloadLength">Octets behind the 40 of the header, extension headers included; at most 65535.</param>
public record struct Ipv6Fields(
    IpAddress Source, IpAddress Destination, IpProtocol NextHeader, byte HopLimit, byte TrafficClass, uint FlowLabel,
    int PayloadLength);

public static class Ipv6Builder
{
    public const int HeaderLength = Ipv6View.HeaderLength;

    /// <param name="header">At least <see cref="HeaderLength"/> octets; exactly that many are written.</param>
    public static void Write(Span<byte> header, in Ipv6Fields fields)
    {
        header = header[..HeaderLength];
        uint first = 6u << 28 | (uint)fields.TrafficClass << 20 | fields.FlowLabel & Ipv6View.Field.FlowLabelMask;
        BinaryPrimitives.WriteUInt32BigEndian(header, first);
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv6View.Field.PayloadLength..], (ushort)fields.PayloadLength);
        header[Ipv6View.Field.NextHeader] = (byte)fields.NextHeader;
        header[Ipv6View.Field.HopLimit] = fields.HopLimit;
        fields.Source.WriteIpv6(header[Ipv6View.Field.Source..]);
        fields.Destination.WriteIpv6(header[Ipv6View.Field.Destination..]);
    }
}
