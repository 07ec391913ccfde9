using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>The control bits of RFC 9293 section 3.1, as they stand in the header's fourteenth octet.</summary>
[Flags]
public enum TcpFlags : ushort
{
    None = 0,
    Fin = 1,
    Syn = 2,
    Rst = 4,
    Psh = 8,
    Ack = 16,
    Urg = 32,
    Ece = 64,
    Cwr = 128,
}

/// <summary>Read-only view of one TCP segment in octets the caller owns (RFC 9293 section 3.1).</summary>
/// <remarks>Fields in host byte order, lengths in octets. Valid only while the span is.</remarks>
public readonly ref struct TcpView
{
    public const int MinHeaderLength = 20;
    private readonly ReadOnlySpan<byte> _octets;

    private TcpView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if <paramref name="l4"/> is shorter than 20 octets or than Data Offset says, or Data Offset is
    /// below 5. The checksum is not looked at.</returns>
    public static bool TryParse(ReadOnlySpan<byte> l4, out TcpView tcp)
    {
        tcp = default;
        if (l4.Length < MinHeaderLength) return false;
        int headerLength = l4[Field.DataOffset] >> 4 << 2;
        if (headerLength < MinHeaderLength || headerLength > l4.Length) return false;
        tcp = new TcpView(l4);
        return true;
    }

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.SourcePort..]);
    public ushort DestinationPort => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.DestinationPort..]);
    public SequenceNumber Sequence => new(BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.Sequence..]));
    public SequenceNumber Acknowledgment => new(BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.Acknowledgment..]));
    public TcpFlags Flags => (TcpFlags)_octets[Field.Flags];

    /// <summary>As sent: not yet shifted by the window scale.</summary>
    public ushort Window => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Window..]);
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Checksum..]);

    /// <summary>For display only; no arithmetic is done with it.</summary>
    public ushort UrgentPointer => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.UrgentPointer..]);
    public int HeaderLength => _octets[Field.DataOffset] >> 4 << 2;
    public ReadOnlySpan<byte> Options => _octets[MinHeaderLength..HeaderLength];
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];

    internal static class Field // octet offsets, RFC 9293 section 3.1
    {
        public const int SourcePort = 0, DestinationPort = 2, Sequence = 4, Acknowledgment = 8, DataOffset = 12, Flags = 13,
            Window = 14, Checksum = 16, UrgentPointer = 18;
    }
}

public record struct TcpFields(
    ushort SourcePort, ushort DestinationPort, SequenceNumber Sequence, SequenceNumber Acknowledgment, TcpFlags Flags,
    ushort Window);

public static class TcpBuilder
{
    public const int MaxHeaderLength = 60;
    public const int ChecksumOffset = TcpView.Field.Checksum;

    /// <summary>Writes header and options; checksum and urgent pointer are zero.</summary>
    /// <param name="destination">At least <see cref="MaxHeaderLength"/> octets, or 20 and
    /// <see cref="TcpOptions.EncodedLength"/>.</param>
    /// <returns>Length of the header, options included.</returns>
    public static int Write(Span<byte> destination, in TcpFields fields, in TcpOptions options)
    {
        int headerLength = TcpView.MinHeaderLength + options.Write(destination[TcpView.MinHeaderLength..]);
        Span<byte> header = destination[..TcpView.MinHeaderLength];
        BinaryPrimitives.WriteUInt16BigEndian(header[TcpView.Field.SourcePort..], fields.SourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(header[TcpView.Field.DestinationPort..], fields.DestinationPort);
        BinaryPrimitives.WriteUInt32BigEndian(header[TcpView.Field.Sequence..], fields.Sequence.Value);
        BinaryPrimitives.WriteUInt32BigEndian(header[TcpView.Field.Acknowledgment..], fields.Acknowledgment.Value);
        header[TcpView.Field.DataOffset] = (byte)(headerLength / 4 << 4);
        header[TcpView.Field.Flags] = (byte)fields.Flags;
        BinaryPrimitives.WriteUInt16BigEndian(header[TcpView.Field.Window..], fields.Window);
        BinaryPrimitives.WriteUInt32BigEndian(header[TcpView.Field.Checksum..], 0); // and the urgent pointer behind it
        return headerLength;
    }

    public static void WriteChecksum(Span<byte> header, ushort value) =>
        BinaryPrimitives.WriteUInt16BigEndian(header[ChecksumOffset..], value);
}
