using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Unknown values are legal input.</summary>
public enum IcmpType : byte
{
    EchoReply = 0,
    DestinationUnreachable = 3,
    SourceQuench = 4,
    Redirect = 5,
    EchoRequest = 8,
    TimeExceeded = 11,
    ParameterProblem = 12,
}

/// <summary>Codes of destination unreachable (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).</summary>
public enum IcmpUnreachableCode : byte
{
    Network = 0,
    Host = 1,
    Protocol = 2,
    Port = 3,
    FragmentationNeeded = 4,
    SourceRouteFailed = 5,
    NetworkProhibited = 9,
    HostProhibited = 10,
    CommunicationProhibited = 13,
}

/// <summary>Read-only view of one ICMP message in octets the caller owns (RFC 792).</summary>
/// <remarks>Fields in host byte order. A field that belongs to another type reads as whatever stands there.</remarks>
public readonly ref struct IcmpView
{
    public const int HeaderLength = 8;
    private readonly ReadOnlySpan<byte> _octets;

    private IcmpView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if <paramref name="l4"/> is shorter than the 8 octets every message has. The checksum is
    /// not looked at.</returns>
    public static bool TryParse(ReadOnlySpan<byte> l4, out IcmpView icmp)
    {
        icmp = default;
        if (l4.Length < HeaderLength) return false;
        icmp = new IcmpView(l4);
        return true;
    }

    public IcmpType Type => (IcmpType)_octets[Field.Type];
    public byte Code => _octets[Field.Code];
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Checksum..]);
    public uint RestOfHeader => BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.RestOfHeader..]);

    /// <summary>Of an echo request or reply.</summary>
    public ushort Identifier => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Identifier..]);

    /// <summary>Of an echo request or reply.</summary>
    public ushort Sequence => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Sequence..]);

    /// <summary>Of "fragmentation needed" (RFC 1191 section 4); zero from routers older than that.</summary>
    public ushort NextHopMtu => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Sequence..]);

    /// <summary>Of a parameter problem: the offending octet of the quoted packet.</summary>
    public byte Pointer => _octets[Field.RestOfHeader];

    /// <summary>Echo data, or the start of the packet an error is about.</summary>
    public ReadOnlySpan<byte> Body => _octets[HeaderLength..];
    public ReadOnlySpan<byte> Octets => _octets;
    public bool HasValidChecksum => InternetChecksum.IsValid(_octets);

    internal static class Field // octet offsets, the same in ICMP and ICMPv6
    {
        public const int Type = 0, Code = 1, Checksum = 2, RestOfHeader = 4, Identifier = 4, Sequence = 6;
    }
}

/// <summary>Whole ICMP messages, checksum included. Each method returns the message's length.</summary>
/// <remarks>The destination must have room for header and body; a body that already stands in its place is not copied
/// over itself wrongly. Errors quote as much of <c>packet</c> as RFC 1812 section 4.3.2.3 lets them.</remarks>
public static class IcmpBuilder
{
    public const int HeaderLength = IcmpView.HeaderLength;

    /// <summary>The error and its IPv4 header stay within 576 octets (RFC 1812 section 4.3.2.3).</summary>
    public const int MaxQuotedLength = 576 - Ipv4Builder.HeaderLength - HeaderLength;

    public static int WriteEchoRequest(Span<byte> destination, ushort identifier, ushort sequence, ReadOnlySpan<byte> body) =>
        Write(destination, IcmpType.EchoRequest, 0, (uint)identifier << 16 | sequence, body);

    public static int WriteEchoReply(Span<byte> destination, ushort identifier, ushort sequence, ReadOnlySpan<byte> body) =>
        Write(destination, IcmpType.EchoReply, 0, (uint)identifier << 16 | sequence, body);

    public static int WriteDestinationUnreachable(Span<byte> destination, IcmpUnreachableCode code, ReadOnlySpan<byte> packet) =>
        WriteError(destination, IcmpType.DestinationUnreachable, (byte)code, 0, packet);

    /// <param name="mtu">IP octets the next hop takes (RFC 1191 section 4).</param>
    public static int WriteFragmentationNeeded(Span<byte> destination, ushort mtu, ReadOnlySpan<byte> packet) =>
        WriteError(destination, IcmpType.DestinationUnreachable, (byte)IcmpUnreachableCode.FragmentationNeeded, mtu, packet);

    /// <param name="code">0: in transit; 1: during reassembly.</param>
    public static int WriteTimeExceeded(Span<byte> destination, byte code, ReadOnlySpan<byte> packet) =>
        WriteError(destination, IcmpType.TimeExceeded, code, 0, packet);

    /// <param name="pointer">The offending octet of <paramref name="packet"/>.</param>
    public static int WriteParameterProblem(Span<byte> destination, byte pointer, ReadOnlySpan<byte> packet) =>
        WriteError(destination, IcmpType.ParameterProblem, 0, (uint)pointer << 24, packet);

    /// <summary>Any error: one the kernel reported is passed on with type, code and rest as they were.</summary>
    public static int WriteError(
        Span<byte> destination, IcmpType type, byte code, uint restOfHeader, ReadOnlySpan<byte> packet) =>
        Write(destination, type, code, restOfHeader, packet[..Math.Min(packet.Length, MaxQuotedLength)]);

    private static int Write(Span<byte> destination, IcmpType type, byte code, uint restOfHeader, ReadOnlySpan<byte> body)
    {
        Span<byte> message = destination[..(HeaderLength + body.Length)];
        body.CopyTo(message[HeaderLength..]); // first: the body may lie where the header goes
        message[IcmpView.Field.Type] = (byte)type;
        message[IcmpView.Field.Code] = code;
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpView.Field.Checksum..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(message[IcmpView.Field.RestOfHeader..], restOfHeader);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(message));
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpView.Field.Checksum..], checksum);
        return message.Length;
    }
}
