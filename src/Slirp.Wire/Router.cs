using System.Buffers.Binary;
using Slirp.Wire.Dns;
using Field = Slirp.Wire.RouterAdvertisementView.Field;

namespace Slirp.Wire;

/// <summary>Read-only view of a router solicitation: "is there a router?" (RFC 4861 section 4.1).</summary>
/// <remarks>Hop limit 255 and the checksum are the caller's to check (section 6.1.1).</remarks>
public readonly ref struct RouterSolicitationView
{
    public const int HeaderLength = 8;
    private readonly ReadOnlySpan<byte> _octets;

    private RouterSolicitationView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if it is another type, the code is not 0, the message is short, or an option is malformed.</returns>
    public static bool TryParse(in Icmpv6View icmp, out RouterSolicitationView solicitation)
    {
        solicitation = default;
        if (icmp.Octets.Length < HeaderLength || icmp.Type != Icmpv6Type.RouterSolicitation || icmp.Code != 0) return false;
        if (!NdpOptionReader.AreWellFormed(icmp.Octets[HeaderLength..])) return false;
        solicitation = new RouterSolicitationView(icmp.Octets);
        return true;
    }

    public MacAddress? SourceLinkLayer => NdpOptionReader.FindLinkLayer(_octets[HeaderLength..], NdpOptionType.SourceLinkLayer);
    public NdpOptionReader Options => new(_octets[HeaderLength..]);
}

/// <summary>Read-only view of a router advertisement (RFC 4861 section 4.2).</summary>
/// <remarks>Hop limit 255, a link-local source and the checksum are the caller's to check (section 6.1.2).</remarks>
public readonly ref struct RouterAdvertisementView
{
    public const int HeaderLength = 16;
    private readonly ReadOnlySpan<byte> _octets;

    private RouterAdvertisementView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if it is another type, the code is not 0, the message is short, or an option is malformed.</returns>
    public static bool TryParse(in Icmpv6View icmp, out RouterAdvertisementView advertisement)
    {
        advertisement = default;
        if (icmp.Octets.Length < HeaderLength || icmp.Type != Icmpv6Type.RouterAdvertisement || icmp.Code != 0) return false;
        if (!NdpOptionReader.AreWellFormed(icmp.Octets[HeaderLength..])) return false;
        advertisement = new RouterAdvertisementView(icmp.Octets);
        return true;
    }

    public RouterAdvertisementFields Fields => new(
        _octets[Field.CurHopLimit],
        (_octets[Field.Flags] & Field.ManagedBit) != 0,
        (_octets[Field.Flags] & Field.OtherBit) != 0,
        BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.RouterLifetime..]),
        BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.ReachableTime..]),
        BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.RetransTimer..]));

    public MacAddress? SourceLinkLayer => NdpOptionReader.FindLinkLayer(_octets[HeaderLength..], NdpOptionType.SourceLinkLayer);
    public NdpOptionReader Options => new(_octets[HeaderLength..]);

    internal static class Field // octet offsets and flags, RFC 4861 section 4.2
    {
        public const int CurHopLimit = 4, Flags = 5, RouterLifetime = 6, ReachableTime = 8, RetransTimer = 12;
        public const int ManagedBit = 0x80, OtherBit = 0x40;
    }
}

/// <param name="CurHopLimit">What hosts put into their packets; 0: not said.</param>
/// <param name="IsManaged">Flag M: addresses come from DHCPv6.</param>
/// <param name="HasOtherConfiguration">Flag O: DNS and the like come from DHCPv6.</param>
/// <param name="RouterLifetimeSeconds">How long we are a default router; 0: we are none.</param>
/// <param name="ReachableTimeMilliseconds">0: not said.</param>
/// <param name="RetransTimerMilliseconds">0: not said.</param>
public record struct RouterAdvertisementFields(
    byte CurHopLimit, bool IsManaged, bool HasOtherConfiguration, ushort RouterLifetimeSeconds, uint ReachableTimeMilliseconds,
    uint RetransTimerMilliseconds);

/// <summary>Writes a router solicitation, as a guest does.</summary>
public static class RouterSolicitationBuilder
{
    public const int MaxLength = RouterSolicitationView.HeaderLength + NeighborBuilder.LinkLayerOptionLength;

    /// <param name="sourceLinkLayer">Must be absent if <paramref name="from"/> is unspecified.</param>
    /// <returns>Length of the message.</returns>
    public static int Write(Span<byte> buffer, IpAddress from, IpAddress to, MacAddress? sourceLinkLayer)
    {
        int length = RouterSolicitationView.HeaderLength;
        buffer[..length].Clear();
        buffer[IcmpView.Field.Type] = (byte)Icmpv6Type.RouterSolicitation;
        if (sourceLinkLayer is MacAddress mac)
            length += NeighborBuilder.WriteLinkLayer(buffer[length..], NdpOptionType.SourceLinkLayer, mac);
        Icmpv6Builder.WriteChecksum(buffer[..length], from, to);
        return length;
    }
}

/// <summary>Writes one router advertisement: fixed fields, then options in the order they are added, then
/// <see cref="Finish"/>.</summary>
/// <remarks>An option that does not fit the buffer is left out whole and its method answers false. The packet's hop limit
/// must be 255 and its source link-local.</remarks>
public ref struct RouterAdvertisementBuilder
{
    private const int AddressLength = 16;
    private readonly Span<byte> _buffer;
    private int _length;

    /// <param name="buffer">At least 16 octets; its length is the limit of the message.</param>
    public RouterAdvertisementBuilder(Span<byte> buffer, in RouterAdvertisementFields fields)
    {
        _buffer = buffer;
        _length = RouterAdvertisementView.HeaderLength;
        Span<byte> header = buffer[.._length];
        header.Clear();
        header[IcmpView.Field.Type] = (byte)Icmpv6Type.RouterAdvertisement;
        header[Field.CurHopLimit] = fields.CurHopLimit;
        header[Field.Flags] = (byte)((fields.IsManaged ? Field.ManagedBit : 0) | (fields.HasOtherConfiguration ? Field.OtherBit : 0));
        BinaryPrimitives.WriteUInt16BigEndian(header[Field.RouterLifetime..], fields.RouterLifetimeSeconds);
        BinaryPrimitives.WriteUInt32BigEndian(header[Field.ReachableTime..], fields.ReachableTimeMilliseconds);
        BinaryPrimitives.WriteUInt32BigEndian(header[Field.RetransTimer..], fields.RetransTimerMilliseconds);
    }

    public bool AddSourceLinkLayer(MacAddress mac)
    {
        if (!TryReserve(NdpOptionType.SourceLinkLayer, NeighborBuilder.LinkLayerOptionLength, out Span<byte> body)) return false;
        mac.Write(body);
        return true;
    }

    /// <param name="mtu">IP octets.</param>
    public bool AddMtu(uint mtu)
    {
        if (!TryReserve(NdpOptionType.Mtu, 8, out Span<byte> body)) return false;
        BinaryPrimitives.WriteUInt32BigEndian(body[2..], mtu);
        return true;
    }

    public bool AddPrefix(in PrefixInformation prefix)
    {
        if (!TryReserve(NdpOptionType.PrefixInformation, 2 + PrefixInformation.BodyLength, out Span<byte> body)) return false;
        prefix.Write(body);
        return true;
    }

    /// <summary>Resolvers (RDNSS, RFC 8106 section 5.1).</summary>
    /// <returns>False also if there are none: the option must not be sent empty.</returns>
    public bool AddRecursiveDns(uint lifetimeSeconds, scoped ReadOnlySpan<IpAddress> servers)
    {
        int length = 8 + servers.Length * AddressLength;
        if (servers.IsEmpty || !TryReserve(NdpOptionType.RecursiveDns, length, out Span<byte> body)) return false;
        BinaryPrimitives.WriteUInt32BigEndian(body[2..], lifetimeSeconds);
        for (int i = 0; i < servers.Length; i++) servers[i].WriteIpv6(body[(6 + i * AddressLength)..]);
        return true;
    }

    /// <summary>The search list (DNSSL, RFC 8106 section 5.2), filled up with zeros to a multiple of eight octets.</summary>
    /// <returns>False if there are no names, one is not a domain name, or they do not fit: then none is written.</returns>
    public bool AddSearchList(uint lifetimeSeconds, scoped ReadOnlySpan<string> domains)
    {
        const int FixedLength = 8; // type, length, reserved, lifetime
        if (domains.IsEmpty || _length + FixedLength > _buffer.Length) return false;
        int at = _length + FixedLength;
        foreach (string domain in domains)
        {
            if (!DomainName.TryWrite(domain, _buffer[at..], out int written)) return false;
            at += written;
        }
        int namesLength = at - _length - FixedLength;
        int length = (FixedLength + namesLength + NdpOptionReader.Unit - 1) / NdpOptionReader.Unit * NdpOptionReader.Unit;
        if (!TryReserve(NdpOptionType.DnsSearchList, length, out Span<byte> body, keep: FixedLength + namesLength)) return false;
        BinaryPrimitives.WriteUInt16BigEndian(body, 0);
        BinaryPrimitives.WriteUInt32BigEndian(body[2..], lifetimeSeconds);
        return true;
    }

    /// <returns>Length of the message, whose checksum is now in place.</returns>
    public readonly int Finish(IpAddress from, IpAddress to)
    {
        Icmpv6Builder.WriteChecksum(_buffer[.._length], from, to);
        return _length;
    }

    // Octets from keep on, counted from the option's start, are cleared; those before it the caller wrote or writes.
    private bool TryReserve(NdpOptionType type, int length, out Span<byte> body, int keep = 2)
    {
        body = default;
        if (length > byte.MaxValue * NdpOptionReader.Unit || _length + length > _buffer.Length) return false;
        Span<byte> option = _buffer.Slice(_length, length);
        option[0] = (byte)type;
        option[1] = (byte)(length / NdpOptionReader.Unit);
        option[keep..].Clear();
        body = option[2..];
        _length += length;
        return true;
    }
}
