using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>RFC 4861 section 4.6, RFC 8106. Unknown values are legal input.</summary>
public enum NdpOptionType : byte
{
    SourceLinkLayer = 1,
    TargetLinkLayer = 2,
    PrefixInformation = 3,
    Mtu = 5,
    RecursiveDns = 25,
    DnsSearchList = 31,
}

/// <summary>Walks the options of a neighbour discovery message.</summary>
/// <remarks>Only made by views that found every option well-formed: lengths above zero, none past the end.</remarks>
public ref struct NdpOptionReader
{
    internal const int Unit = 8; // lengths count in eights of octets
    private ReadOnlySpan<byte> _rest;

    internal NdpOptionReader(ReadOnlySpan<byte> options) => _rest = options;

    /// <param name="body">What follows type and length: 6 octets or 8 more each step; borrowed from the message.</param>
    /// <returns>False at the end.</returns>
    public bool TryRead(out NdpOptionType type, out ReadOnlySpan<byte> body)
    {
        type = default;
        body = default;
        if (_rest.Length < Unit) return false;
        int length = _rest[1] * Unit;
        if (length == 0 || length > _rest.Length) return false;
        type = (NdpOptionType)_rest[0];
        body = _rest[2..length];
        _rest = _rest[length..];
        return true;
    }

    /// <summary>The message as a whole is void if this is false (RFC 4861 section 4.6: length 0 must be discarded).</summary>
    internal static bool AreWellFormed(ReadOnlySpan<byte> options)
    {
        var reader = new NdpOptionReader(options);
        while (reader.TryRead(out _, out _)) { }
        return reader._rest.IsEmpty;
    }

    /// <summary>The first link-layer address of this type, if there is one of Ethernet's length.</summary>
    internal static MacAddress? FindLinkLayer(ReadOnlySpan<byte> options, NdpOptionType wanted)
    {
        var reader = new NdpOptionReader(options);
        while (reader.TryRead(out NdpOptionType type, out ReadOnlySpan<byte> body))
            if (type == wanted && body.Length == MacAddress.Length) return MacAddress.Read(body);
        return null;
    }
}

/// <summary>An on-link prefix as a router advertises it (RFC 4861 section 4.6.2).</summary>
/// <param name="Length">Bits, at most 128.</param>
/// <param name="IsAutonomous">Hosts may make addresses from it (SLAAC).</param>
public record struct PrefixInformation(
    IpAddress Prefix, byte Length, bool IsOnLink, bool IsAutonomous, uint ValidSeconds, uint PreferredSeconds)
{
    internal const int BodyLength = 30;

    /// <param name="body">Of an option of type <see cref="NdpOptionType.PrefixInformation"/>.</param>
    /// <returns>False if the body has another length, or the prefix more than 128 bits.</returns>
    public static bool TryParse(ReadOnlySpan<byte> body, out PrefixInformation prefix)
    {
        prefix = default;
        if (body.Length != BodyLength || body[0] > 128) return false;
        prefix = new PrefixInformation(
            IpAddress.ReadIpv6(body[14..]),
            body[0],
            (body[1] & 0x80) != 0,
            (body[1] & 0x40) != 0,
            BinaryPrimitives.ReadUInt32BigEndian(body[2..]),
            BinaryPrimitives.ReadUInt32BigEndian(body[6..]));
        return true;
    }

    internal readonly void Write(Span<byte> body)
    {
        body[0] = Length;
        body[1] = (byte)((IsOnLink ? 0x80 : 0) | (IsAutonomous ? 0x40 : 0));
        BinaryPrimitives.WriteUInt32BigEndian(body[2..], ValidSeconds);
        BinaryPrimitives.WriteUInt32BigEndian(body[6..], PreferredSeconds);
        BinaryPrimitives.WriteUInt32BigEndian(body[10..], 0);
        Prefix.WriteIpv6(body[14..]);
    }
}
