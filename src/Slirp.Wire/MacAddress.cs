using System.Buffers.Binary;
using System.Globalization;

namespace Slirp.Wire;

/// <summary>A 48-bit IEEE 802 hardware address; the low 48 bits of <paramref name="Value"/>, first octet highest.</summary>
public readonly record struct MacAddress(ulong Value)
{
    public const int Length = 6;

    public static MacAddress Broadcast => new(0xffff_ffff_ffff);

    /// <summary>True for group addresses (multicast and broadcast): the low bit of the first octet.</summary>
    public bool IsMulticast => (Value >> 40 & 1) != 0;

    public bool IsZero => Value == 0;

    /// <param name="octets">At least <see cref="Length"/> octets.</param>
    public static MacAddress Read(ReadOnlySpan<byte> octets)
    {
        ulong high = BinaryPrimitives.ReadUInt32BigEndian(octets);
        return new MacAddress(high << 16 | BinaryPrimitives.ReadUInt16BigEndian(octets[4..]));
    }

    /// <param name="octets">At least <see cref="Length"/> octets.</param>
    public void Write(Span<byte> octets)
    {
        BinaryPrimitives.WriteUInt32BigEndian(octets, (uint)(Value >> 16));
        BinaryPrimitives.WriteUInt16BigEndian(octets[4..], (ushort)Value);
    }

    /// <summary>Six hexadecimal octets of one or two digits, separated by colons.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out MacAddress mac)
    {
        mac = default;
        ulong value = 0;
        int parts = 0;
        foreach (Range range in text.Split(':'))
        {
            ReadOnlySpan<char> part = text[range];
            if (++parts > Length || part.Length is 0 or > 2) return false;
            if (!byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte octet)) return false;
            value = value << 8 | octet;
        }
        if (parts != Length) return false;
        mac = new MacAddress(value);
        return true;
    }

    public override string ToString() =>
        $"{Value >> 40 & 255:x2}:{Value >> 32 & 255:x2}:{Value >> 24 & 255:x2}:"
        + $"{Value >> 16 & 255:x2}:{Value >> 8 & 255:x2}:{Value & 255:x2}";
}
