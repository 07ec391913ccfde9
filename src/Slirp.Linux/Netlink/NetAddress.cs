using System.Buffers.Binary;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>An IPv4 or IPv6 address without a port; IPv4 is held mapped.</summary>
/// <param name="High">The first eight octets, host byte order.</param>
/// <param name="Low">The last eight octets, host byte order.</param>
public readonly record struct NetAddress(ulong High, ulong Low)
{
    private const ulong MappedPrefix = 0x0000_ffff_0000_0000;

    public static NetAddress Ipv4(uint address) => new(0, MappedPrefix | address);

    public bool IsIpv4 => High == 0 && Low >> 32 == 0xffff;
    public SocketFamily Family => IsIpv4 ? SocketFamily.AF_INET : SocketFamily.AF_INET6;

    /// <summary>fe80::/10 or 169.254.0.0/16.</summary>
    public bool IsLinkLocal => IsIpv4 ? (uint)Low >> 16 == 0xa9fe : High >> 54 == 0x3fa;

    public SocketAddress WithPort(ushort port, uint scopeId = 0) => new(High, Low, port, scopeId);

    /// <summary>4 or 16 octets; anything else is no address.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> octets, out NetAddress address)
    {
        address = octets.Length switch
        {
            4 => Ipv4(BinaryPrimitives.ReadUInt32BigEndian(octets)),
            16 => new NetAddress(BinaryPrimitives.ReadUInt64BigEndian(octets), BinaryPrimitives.ReadUInt64BigEndian(octets[8..])),
            _ => default,
        };
        return octets.Length is 4 or 16;
    }

    /// <summary>Writes 4 octets or 16.</summary>
    /// <returns>Those written.</returns>
    internal Span<byte> Write(Span<byte> octets)
    {
        if (IsIpv4)
        {
            BinaryPrimitives.WriteUInt32BigEndian(octets, (uint)Low);
            return octets[..4];
        }
        BinaryPrimitives.WriteUInt64BigEndian(octets, High);
        BinaryPrimitives.WriteUInt64BigEndian(octets[8..], Low);
        return octets[..16];
    }

    public override string ToString()
    {
        Span<byte> octets = stackalloc byte[16];
        return new System.Net.IPAddress(Write(octets)).ToString();
    }
}
