using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>An IPv4 address as a number in host byte order: 10.0.2.2 is 0x0a000202.</summary>
public readonly record struct Ipv4Address(uint Value)
{
    public const int Length = 4;

    public static Ipv4Address Any => default;
    public static Ipv4Address Loopback => new(0x7f00_0001);
    public static Ipv4Address Broadcast => new(0xffff_ffff);

    public bool IsAny => Value == 0;

    /// <summary>127.0.0.0/8 (RFC 1122 section 3.2.1.3).</summary>
    public bool IsLoopback => Value >> 24 == 127;

    /// <summary>224.0.0.0/4 (RFC 5771).</summary>
    public bool IsMulticast => Value >> 28 == 14;

    public bool IsBroadcast => Value == 0xffff_ffff;

    /// <summary>169.254.0.0/16 (RFC 3927).</summary>
    public bool IsLinkLocal => Value >> 16 == 0xa9fe;

    public static Ipv4Address Read(ReadOnlySpan<byte> octets) => new(BinaryPrimitives.ReadUInt32BigEndian(octets));

    public void Write(Span<byte> octets) => BinaryPrimitives.WriteUInt32BigEndian(octets, Value);

    /// <summary>Dotted quad of four decimal octets, nothing else: no shorthand, no octal, no surrounding space.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Ipv4Address address)
    {
        address = default;
        uint value = 0;
        int parts = 0;
        foreach (Range range in text.Split('.'))
        {
            if (++parts > Length || !TryParseOctet(text[range], out uint octet)) return false;
            value = value << 8 | octet;
        }
        if (parts != Length) return false;
        address = new Ipv4Address(value);
        return true;
    }

    /// <summary>A leading zero means octal to some (inet_aton(3)) and nothing to others: refused, as by inet_pton(3).</summary>
    private static bool TryParseOctet(ReadOnlySpan<char> text, out uint octet)
    {
        octet = 0;
        if (text.Length is 0 or > 3 || (text.Length > 1 && text[0] == '0')) return false;
        foreach (char c in text)
        {
            if (!char.IsAsciiDigit(c)) return false;
            octet = octet * 10 + (uint)(c - '0');
        }
        return octet <= 255;
    }

    public static Ipv4Address Parse(string text) =>
        TryParse(text, out Ipv4Address address) ? address : throw new FormatException($"not an IPv4 address: {text}");

    public override string ToString() => $"{Value >> 24}.{Value >> 16 & 255}.{Value >> 8 & 255}.{Value & 255}";
}
