using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of one UDP datagram in octets the caller owns (RFC 768).</summary>
/// <remarks>Fields in host byte order, lengths in octets. Valid only while the span is.</remarks>
public readonly ref struct UdpView
{
    public const int HeaderLength = 8;
    private readonly ReadOnlySpan<byte> _octets; // exactly Length long: TryParse cut off any padding

    private UdpView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if <paramref name="l4"/> is shorter than the header or than its Length field, or Length is below 8.
    /// The checksum is not looked at.</returns>
    public static bool TryParse(ReadOnlySpan<byte> l4, out UdpView udp)
    {
        udp = default;
        if (l4.Length < HeaderLength) return false;
        int length = BinaryPrimitives.ReadUInt16BigEndian(l4[Field.Length..]);
        if (length < HeaderLength || length > l4.Length) return false;
        udp = new UdpView(l4[..length]);
        return true;
    }

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.SourcePort..]);
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.DestinationPort..]);
    public int Length => _octets.Length;

    /// <summary>Zero means "none sent"; legal over IPv4 only (RFC 8200 section 8.1).</summary>
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Checksum..]);
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];

    /// <summary>Header and payload: what the checksum covers besides the pseudo-header.</summary>
    public ReadOnlySpan<byte> Octets => _octets;

    internal static class Field // octet offsets, RFC 768 "Format"
    {
        public const int SourcePort = 0, DestinationPort = 2, Length = 4, Checksum = 6;
    }
}

public static class UdpBuilder
{
    public const int HeaderLength = UdpView.HeaderLength;
    public const int ChecksumOffset = UdpView.Field.Checksum;

    /// <summary>Writes the header with a checksum of zero.</summary>
    /// <param name="length">Octets of header and payload.</param>
    public static void Write(Span<byte> header, ushort sourcePort, ushort destinationPort, int length)
    {
        header = header[..HeaderLength];
        BinaryPrimitives.WriteUInt16BigEndian(header[UdpView.Field.SourcePort..], sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(header[UdpView.Field.DestinationPort..], destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(header[UdpView.Field.Length..], (ushort)length);
        BinaryPrimitives.WriteUInt16BigEndian(header[UdpView.Field.Checksum..], 0);
    }

    /// <summary>Writes <paramref name="value"/> as it is: right for NEEDS_CSUM frames, where the kernel finishes it.</summary>
    public static void WriteChecksum(Span<byte> header, ushort value) =>
        BinaryPrimitives.WriteUInt16BigEndian(header[ChecksumOffset..], value);

    /// <summary>The finished checksum of a datagram whose field is zero, as the field wants it: never 0 (RFC 768).</summary>
    public static ushort ComputeChecksum(ReadOnlySpan<byte> datagram, IpAddress source, IpAddress destination)
    {
        uint pseudoHeader = InternetChecksum.PseudoHeader(source, destination, IpProtocol.Udp, datagram.Length);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(datagram, pseudoHeader));
        return checksum == 0 ? (ushort)0xffff : checksum;
    }
}
