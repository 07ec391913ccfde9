using System.Buffers.Binary;
using System.Net;
using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Sockets;

/// <summary>Address and port of an internet socket; IPv4 is held mapped, ::ffff:a.b.c.d.</summary>
/// <remarks>Towards the kernel a mapped address becomes a sockaddr_in and any other a sockaddr_in6. So an AF_INET6 UDP
/// socket may send to both (udp(7) takes either form); for TCP open the socket in <see cref="Family"/>.</remarks>
/// <param name="High">The first eight octets, host byte order.</param>
/// <param name="Low">The last eight octets, host byte order.</param>
/// <param name="Port">Host byte order.</param>
/// <param name="ScopeId">Interface index of a link-local IPv6 address, else 0.</param>
public readonly record struct SocketAddress(ulong High, ulong Low, ushort Port, uint ScopeId = 0)
{
    private const ulong MappedPrefix = 0x0000_ffff_0000_0000;
    internal const int MaxSize = 28; // sockaddr_in6

    public static SocketAddress Ipv4(uint address, ushort port) => new(0, MappedPrefix | address, port);
    public static SocketAddress Ipv4Any(ushort port) => Ipv4(0, port);
    public static SocketAddress Ipv4Loopback(ushort port) => Ipv4(0x7f000001, port);
    public static SocketAddress Ipv6Any(ushort port) => new(0, 0, port);
    public static SocketAddress Ipv6Loopback(ushort port) => new(0, 1, port);

    /// <param name="octets">Sixteen octets as they stand in an IPv6 header, IPv4 mapped.</param>
    /// <param name="port">Host byte order.</param>
    /// <param name="scopeId">As for <see cref="ScopeId"/>.</param>
    public static SocketAddress FromOctets(ReadOnlySpan<byte> octets, ushort port, uint scopeId = 0) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(octets), BinaryPrimitives.ReadUInt64BigEndian(octets[8..]), port, scopeId);

    public bool IsIpv4 => High == 0 && Low >> 32 == 0xffff;

    /// <summary>The IPv4 address in host byte order; meaningful only if <see cref="IsIpv4"/>.</summary>
    public uint Ipv4Value => (uint)Low;

    public SocketFamily Family => IsIpv4 ? SocketFamily.AF_INET : SocketFamily.AF_INET6;

    /// <summary>0.0.0.0 or ::, whatever the port.</summary>
    public bool IsAny => High == 0 && Low is 0 or MappedPrefix;

    /// <summary>Writes the sixteen octets of the address.</summary>
    public void WriteOctets(Span<byte> octets)
    {
        BinaryPrimitives.WriteUInt64BigEndian(octets, High);
        BinaryPrimitives.WriteUInt64BigEndian(octets[8..], Low);
    }

    public override string ToString()
    {
        if (IsIpv4) return $"{(byte)(Low >> 24)}.{(byte)(Low >> 16)}.{(byte)(Low >> 8)}.{(byte)Low}:{Port}";
        Span<byte> octets = stackalloc byte[16];
        WriteOctets(octets);
        return $"[{new IPAddress(octets, ScopeId)}]:{Port}";
    }

    /// <summary>Writes the kernel's form over <see cref="MaxSize"/> octets.</summary>
    /// <returns>How many of them count.</returns>
    internal unsafe uint Encode(byte* sockaddr)
    {
        if (IsIpv4)
        {
            *(sockaddr_in*)sockaddr = new sockaddr_in
            {
                sin_family = (ushort)SocketFamily.AF_INET,
                sin_port = BinaryPrimitives.ReverseEndianness(Port),
                sin_addr = BinaryPrimitives.ReverseEndianness((uint)Low),
            };
            return (uint)sizeof(sockaddr_in);
        }
        *(sockaddr_in6*)sockaddr = new sockaddr_in6
        {
            sin6_family = (ushort)SocketFamily.AF_INET6,
            sin6_port = BinaryPrimitives.ReverseEndianness(Port),
            sin6_addr = ToInAddr(),
            sin6_scope_id = ScopeId,
        };
        return (uint)sizeof(sockaddr_in6);
    }

    /// <summary>Reads what the kernel wrote; false if it is no internet address or too short.</summary>
    internal static unsafe bool TryDecode(byte* sockaddr, uint length, out SocketAddress address)
    {
        address = default;
        if (length < sizeof(ushort)) return false;
        var family = (SocketFamily)Unsafe.ReadUnaligned<ushort>(sockaddr);
        if (family == SocketFamily.AF_INET && length >= sizeof(sockaddr_in))
        {
            var v4 = Unsafe.ReadUnaligned<sockaddr_in>(sockaddr);
            address = Ipv4(BinaryPrimitives.ReverseEndianness(v4.sin_addr), BinaryPrimitives.ReverseEndianness(v4.sin_port));
            return true;
        }
        if (family == SocketFamily.AF_INET6 && length >= sizeof(sockaddr_in6))
        {
            var v6 = Unsafe.ReadUnaligned<sockaddr_in6>(sockaddr);
            address = FromOctets(v6.sin6_addr, BinaryPrimitives.ReverseEndianness(v6.sin6_port), v6.sin6_scope_id);
            return true;
        }
        return false;
    }

    internal in6_addr ToInAddr()
    {
        in6_addr octets = default;
        WriteOctets(octets);
        return octets;
    }
}
