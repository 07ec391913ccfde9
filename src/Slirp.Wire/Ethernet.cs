using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of one Ethernet II frame in octets the caller owns.</summary>
/// <remarks>The payload may end in padding: the layer above cuts it by its own length. Valid only while the span is.</remarks>
public readonly ref struct EthernetView
{
    public const int HeaderLength = 14;
    private readonly ReadOnlySpan<byte> _octets;

    private EthernetView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the frame is shorter than its header.</returns>
    public static bool TryParse(ReadOnlySpan<byte> frame, out EthernetView ethernet)
    {
        ethernet = default;
        if (frame.Length < HeaderLength) return false;
        ethernet = new EthernetView(frame);
        return true;
    }

    public MacAddress Destination => MacAddress.Read(_octets[Field.Destination..]);
    public MacAddress Source => MacAddress.Read(_octets[Field.Source..]);
    public EtherType EtherType => (EtherType)BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.EtherType..]);
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];

    internal static class Field
    {
        public const int Destination = 0, Source = 6, EtherType = 12;
    }
}

public static class EthernetBuilder
{
    public const int HeaderLength = EthernetView.HeaderLength;

    /// <param name="header">At least <see cref="HeaderLength"/> octets; exactly that many are written.</param>
    public static void Write(Span<byte> header, MacAddress destination, MacAddress source, EtherType type)
    {
        header = header[..HeaderLength];
        destination.Write(header[EthernetView.Field.Destination..]);
        source.Write(header[EthernetView.Field.Source..]);
        BinaryPrimitives.WriteUInt16BigEndian(header[EthernetView.Field.EtherType..], (ushort)type);
    }
}
