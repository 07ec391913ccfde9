using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Unknown values are legal input; below 128 they are errors (RFC 4443 section 2.1).</summary>
public enum Icmpv6Type : byte
{
    DestinationUnreachable = 1,
    PacketTooBig = 2,
    TimeExceeded = 3,
    ParameterProblem = 4,
    EchoRequest = 128,
    EchoReply = 129,
    MulticastListenerQuery = 130,
    MulticastListenerReport = 131,
    MulticastListenerDone = 132,
    RouterSolicitation = 133,
    RouterAdvertisement = 134,
    NeighborSolicitation = 135,
    NeighborAdvertisement = 136,
    Redirect = 137,
    MulticastListenerReportV2 = 143,
}

/// <summary>Codes of destination unreachable (RFC 4443 section 3.1).</summary>
public enum Icmpv6UnreachableCode : byte
{
    NoRoute = 0,
    Prohibited = 1,
    BeyondScope = 2,
    Address = 3,
    Port = 4,
    SourcePolicy = 5,
    RejectRoute = 6,
}

/// <summary>Codes of parameter problem (RFC 4443 section 3.4).</summary>
public enum Icmpv6ParameterCode : byte
{
    ErroneousField = 0,
    UnrecognizedNextHeader = 1,
    UnrecognizedOption = 2,
}

/// <summary>Read-only view of one ICMPv6 message in octets the caller owns (RFC 4443).</summary>
/// <remarks>Fields in host byte order. A field that belongs to another type reads as whatever stands there.</remarks>
public readonly ref struct Icmpv6View
{
    public const int HeaderLength = 8;
    private readonly ReadOnlySpan<byte> _octets;

    private Icmpv6View(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if <paramref name="l4"/> is shorter than the 8 octets every known message has. The checksum is not
    /// looked at.</returns>
    public static bool TryParse(ReadOnlySpan<byte> l4, out Icmpv6View icmp)
    {
        icmp = default;
        if (l4.Length < HeaderLength) return false;
        icmp = new Icmpv6View(l4);
        return true;
    }

    public Icmpv6Type Type => (Icmpv6Type)_octets[IcmpView.Field.Type];
    public byte Code => _octets[IcmpView.Field.Code];
    public bool IsError => _octets[IcmpView.Field.Type] < 128;
    public ushort Checksum => BinaryPrimitives.ReadUInt16BigEndian(_octets[IcmpView.Field.Checksum..]);
    public uint RestOfHeader => BinaryPrimitives.ReadUInt32BigEndian(_octets[IcmpView.Field.RestOfHeader..]);

    /// <summary>Of an echo request or reply.</summary>
    public ushort Identifier => BinaryPrimitives.ReadUInt16BigEndian(_octets[IcmpView.Field.Identifier..]);

    /// <summary>Of an echo request or reply.</summary>
    public ushort Sequence => BinaryPrimitives.ReadUInt16BigEndian(_octets[IcmpView.Field.Sequence..]);

    /// <summary>Of "packet too big".</summary>
    public uint Mtu => RestOfHeader;

    /// <summary>Of a parameter problem: the offending octet of the quoted packet.</summary>
    public uint Pointer => RestOfHeader;

    /// <summary>Echo data, or the start of the packet an error is about.</summary>
    public ReadOnlySpan<byte> Body => _octets[HeaderLength..];
    public ReadOnlySpan<byte> Octets => _octets;

    public bool HasValidChecksum(IpAddress source, IpAddress destination) => InternetChecksum.IsValid(
        _octets, InternetChecksum.PseudoHeader(source, destination, IpProtocol.Icmpv6, _octets.Length));
}

/// <summary>Whole ICMPv6 messages, checksum included. Each method returns the message's length.</summary>
/// <remarks><c>from</c> and <c>to</c> are the packet's addresses, which the checksum covers. The buffer must have room for
/// header and body. Errors quote as much of <c>packet</c> as fits the minimum MTU (RFC 4443 section 2.4 (c)).</remarks>
public static class Icmpv6Builder
{
    public const int HeaderLength = Icmpv6View.HeaderLength;
    public const int MaxQuotedLength = 1280 - Ipv6Builder.HeaderLength - HeaderLength;

    public static int WriteEchoRequest(
        Span<byte> buffer, IpAddress from, IpAddress to, ushort identifier, ushort sequence, ReadOnlySpan<byte> body) =>
        Write(buffer, from, to, Icmpv6Type.EchoRequest, 0, (uint)identifier << 16 | sequence, body);

    public static int WriteEchoReply(
        Span<byte> buffer, IpAddress from, IpAddress to, ushort identifier, ushort sequence, ReadOnlySpan<byte> body) =>
        Write(buffer, from, to, Icmpv6Type.EchoReply, 0, (uint)identifier << 16 | sequence, body);

    public static int WriteDestinationUnreachable(
        Span<byte> buffer, IpAddress from, IpAddress to, Icmpv6UnreachableCode code, ReadOnlySpan<byte> packet) =>
        WriteError(buffer, from, to, Icmpv6Type.DestinationUnreachable, (byte)code, 0, packet);

    /// <param name="mtu">IP octets the next hop takes.</param>
    public static int WritePacketTooBig(Span<byte> buffer, IpAddress from, IpAddress to, uint mtu, ReadOnlySpan<byte> packet) =>
        WriteError(buffer, from, to, Icmpv6Type.PacketTooBig, 0, mtu, packet);

    /// <param name="code">0: in transit; 1: during reassembly.</param>
    public static int WriteTimeExceeded(Span<byte> buffer, IpAddress from, IpAddress to, byte code, ReadOnlySpan<byte> packet) =>
        WriteError(buffer, from, to, Icmpv6Type.TimeExceeded, code, 0, packet);

    /// <param name="pointer">The offending octet of <paramref name="packet"/>.</param>
    public static int WriteParameterProblem(
        Span<byte> buffer, IpAddress from, IpAddress to, Icmpv6ParameterCode code, uint pointer, ReadOnlySpan<byte> packet) =>
        WriteError(buffer, from, to, Icmpv6Type.ParameterProblem, (byte)code, pointer, packet);

    /// <summary>Any error: one the kernel reported is passed on with type, code and rest as they were.</summary>
    public static int WriteError(
        Span<byte> buffer, IpAddress from, IpAddress to, Icmpv6Type type, byte code, uint restOfHeader,
        ReadOnlySpan<byte> packet) =>
        Write(buffer, from, to, type, code, restOfHeader, packet[..Math.Min(packet.Length, MaxQuotedLength)]);

    private static int Write(
        Span<byte> buffer, IpAddress from, IpAddress to, Icmpv6Type type, byte code, uint restOfHeader, ReadOnlySpan<byte> body)
    {
        Span<byte> message = buffer[..(HeaderLength + body.Length)];
        body.CopyTo(message[HeaderLength..]); // first: the body may lie where the header goes
        message[IcmpView.Field.Type] = (byte)type;
        message[IcmpView.Field.Code] = code;
        BinaryPrimitives.WriteUInt32BigEndian(message[IcmpView.Field.RestOfHeader..], restOfHeader);
        WriteChecksum(message, from, to);
        return message.Length;
    }

    internal static void WriteChecksum(Span<byte> message, IpAddress from, IpAddress to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpView.Field.Checksum..], 0);
        uint pseudoHeader = InternetChecksum.PseudoHeader(from, to, IpProtocol.Icmpv6, message.Length);
        ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(message, pseudoHeader));
        BinaryPrimitives.WriteUInt16BigEndian(message[IcmpView.Field.Checksum..], checksum);
    }
}
