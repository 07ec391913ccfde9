using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Slirp.Wire;

/// <summary>An IPv4 or IPv6 address in one 128-bit form; IPv4 is held mapped, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).</summary>
/// <remarks>An IPv6 packet that carries a mapped address is refused at the door (RFC 4942 section 2.2), so the form
/// is never ambiguous inside.</remarks>
/// <param name="High">The first eight octets, host byte order.</param>
/// <param name="Low">The last eight octets, host byte order.</param>
public readonly record struct IpAddress(ulong High, ulong Low)
{
    private const ulong MappedPrefix = 0x0000_ffff_0000_0000;

    public static IpAddress Ipv6Any => default;
    public static IpAddress Ipv6Loopback => new(0, 1);

    public bool IsIpv4 => High == 0 && Low >> 32 == 0xffff;

    /// <summary>The embedded IPv4 address; meaningful only if <see cref="IsIpv4"/>.</summary>
    public Ipv4Address Ipv4 => new((uint)Low);

    /// <summary>True for 0.0.0.0 and for ::.</summary>
    public bool IsAny => High == 0 && (Low == 0 || Low == MappedPrefix);

    /// <summary>127.0.0.0/8 or ::1.</summary>
    public bool IsLoopback => IsIpv4 ? Ipv4.IsLoopback : this == Ipv6Loopback;

    /// <summary>224.0.0.0/4 or ff00::/8.</summary>
    public bool IsMulticast => IsIpv4 ? Ipv4.IsMulticast : High >> 56 == 0xff;

    /// <summary>A group whose members may be on other machines: any of IPv4's; in IPv6 the scopes 0 (reserved) and 1
    /// (interface-local) are not (RFC 4291 section 2.7).</summary>
    public bool IsMulticastBeyondNode => IsMulticast && (IsIpv4 || (High >> 48 & 0xf) > 1);

    /// <summary>169.254.0.0/16 or fe80::/10.</summary>
    public bool IsLinkLocal => IsIpv4 ? Ipv4.IsLinkLocal : High >> 54 == 0x3fa;

    /// <summary>4 or 16.</summary>
    public int Length => IsIpv4 ? 4 : 16;

    public static implicit operator IpAddress(Ipv4Address v4) => new(0, MappedPrefix | v4.Value);

    /// <param name="octets">At least 16 octets as they stand in an IPv6 header.</param>
    public static IpAddress ReadIpv6(ReadOnlySpan<byte> octets) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(octets), BinaryPrimitives.ReadUInt64BigEndian(octets[8..]));

    public static IpAddress ReadIpv4(ReadOnlySpan<byte> octets) => Ipv4Address.Read(octets);

    /// <summary>Writes all sixteen octets, IPv4 in mapped form.</summary>
    public void WriteIpv6(Span<byte> octets)
    {
        BinaryPrimitives.WriteUInt64BigEndian(octets, High);
        BinaryPrimitives.WriteUInt64BigEndian(octets[8..], Low);
    }

    /// <summary>Writes <see cref="Length"/> octets: 4 for IPv4, 16 for IPv6.</summary>
    public void Write(Span<byte> octets)
    {
        if (IsIpv4) Ipv4.Write(octets);
        else WriteIpv6(octets);
    }

    /// <summary>Both families, in their usual text forms (RFC 5952); no scope id, no brackets.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out IpAddress address)
    {
        address = default;
        if (Ipv4Address.TryParse(text, out Ipv4Address v4))
        {
            address = v4;
            return true;
        }
        if (!text.Contains(':') || text.ContainsAny('%', '[', ']') || !IPAddress.TryParse(text, out IPAddress? parsed)) return false;
        Span<byte> octets = stackalloc byte[16];
        if (parsed.AddressFamily != AddressFamily.InterNetworkV6 || !parsed.TryWriteBytes(octets, out _)) return false;
        address = ReadIpv6(octets);
        return true;
    }

    public static IpAddress Parse(string text) =>
        TryParse(text, out IpAddress address) ? address : throw new FormatException($"not an IP address: {text}");

    public override string ToString()
    {
        if (IsIpv4) return Ipv4.ToString();
        Span<byte> octets = stackalloc byte[16];
        WriteIpv6(octets);
        return new IPAddress(octets).ToString();
    }
}
