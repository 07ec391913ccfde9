using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of one IPv4 packet in octets the caller owns (RFC 791).</summary>
/// <remarks>Fields in host byte order, lengths in octets. Valid only while the span is.</remarks>
public readonly ref struct Ipv4View
{
    public const int MinHeaderLength = 20;
    private readonly ReadOnlySpan<byte> _octets; // exactly TotalLength long: TryParse cut off any padding

    private Ipv4View(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the version is not 4, the header is shorter than 20 octets or than IHL says, or Total Length is
    /// below the header's or beyond the octets. The checksum is not looked at.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, out Ipv4View ip)
    {
        ip = default;
        if (packet.Length < MinHeaderLength || packet[0] >> 4 != 4) return false;
        int headerLength = (packet[0] & 0xf) * 4;
        int totalLength = BinaryPrimitives.ReadUInt16BigEndian(packet[Field.TotalLength..]);
        if (headerLength < MinHeaderLength || totalLength < headerLength || totalLength > packet.Length) return false;
        ip = new Ipv4View(packet[..totalLength]);
        return true;
    }

    public int HeaderLength => (_octets[0] & 0xf) * 4;
    public int TotalLength => _octets.Length;
    public byte Tos => _octets[Field.Tos];
    public ushort Identification => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Identification..]);
    public bool DontFragment => (FlagsAndOffset & Field.DontFragmentBit) != 0;
    public bool MoreFragments => (FlagsAndOffset & Field.MoreFragmentsBit) != 0;

    /// <summary>Octets from the start of the unfragmented payload; a multiple of 8.</summary>
    public int FragmentOffset => (FlagsAndOffset & Field.OffsetMask) * 8;

    /// <summary>True for every piece of a packet that came in pieces, the first and the last included.</summary>
    public bool IsFragment => (FlagsAndOffset & (Field.MoreFragmentsBit | Field.OffsetMask)) != 0;

    public byte TimeToLive => _octets[Field.TimeToLive];
    public IpProtocol Protocol => (IpProtocol)_octets[Field.Protocol];
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Checksum..]);
    public Ipv4Address Source => Ipv4Address.Read(_octets[Field.Source..]);
    public Ipv4Address Destination => Ipv4Address.Read(_octets[Field.Destination..]);

    /// <summary>Between the fixed header and the payload, not looked into.</summary>
    public ReadOnlySpan<byte> Options => _octets[MinHeaderLength..HeaderLength];
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];
    public bool HasValidChecksum => InternetChecksum.IsValid(_octets[..HeaderLength]);

    /// <summary>The whole packet without padding: what an ICMP error quotes.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    private int FlagsAndOffset => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.FlagsAndOffset..]);

    internal static class Field // octet offsets, RFC 791 section 3.1
    {
        public const int Tos = 1, TotalLength = 2, Identification = 4, FlagsAndOffset = 6, TimeToLive = 8, Protocol = 9,
            Checksum = 10, Source = 12, Destination = 16;
        public const int DontFragmentBit = 0x4000, MoreFragmentsBit = 0x2000, OffsetMask = 0x1fff;
    }
}

/// <param name="FragmentOffset">Octets; a multiple of 8 below 65536.</param>
/// <param name="PayloadLength">Octets behind the 20 of the header, at most 65515.</param>
public record struct Ipv4Fields(
    Ipv4Address Source, Ipv4Address Destination, IpProtocol Protocol, byte TimeToLive, byte Tos, ushort Identification,
    bool DontFragment, bool MoreFragments, int FragmentOffset, int PayloadLength);

public static class Ipv4Builder
{
    public const int HeaderLength = Ipv4View.MinHeaderLength;

    /// <summary>Writes a header without options, its checksum computed.</summary>
    /// <param name="header">At least <see cref="HeaderLength"/> octets; exactly that many are written.</param>
    public static void Write(Span<byte> header, in Ipv4Fields fields)
    {
        header = header[..HeaderLength];
        int totalLength = HeaderLength + fields.PayloadLength;
        int flagsAndOffset = fields.FragmentOffset / 8 & Ipv4View.Field.OffsetMask;
        if (fields.DontFragment) flagsAndOffset |= Ipv4View.Field.DontFragmentBit;
        if (fields.MoreFragments) flagsAndOffset |= Ipv4View.Field.MoreFragmentsBit;

        header[0] = 0x45;
        header[Ipv4View.Field.Tos] = fields.Tos;
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv4View.Field.TotalLength..], (ushort)totalLength);
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv4View.Field.Identification..], fields.Identification);
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv4View.Field.FlagsAndOffset..], (ushort)flagsAndOffset);
        header[Ipv4View.Field.TimeToLive] = fields.TimeToLive;
        header[Ipv4View.Field.Protocol] = (byte)fields.Protocol;
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv4View.Field.Checksum..], 0);
        fields.Source.Write(header[Ipv4View.Field.Source..]);
        fields.Destination.Write(header[Ipv4View.Field.Destination..]);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(header));
        BinaryPrimitives.WriteUInt16BigEndian(header[Ipv4View.Field.Checksum..], checksum);
    }
}
