using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of a neighbour solicitation: "who has this address?" (RFC 4861 section 4.3).</summary>
/// <remarks>Checked here is what section 7.1.1 asks of the ICMPv6 message alone. The caller has to see to the hop limit
/// (255, else it came from afar) and the checksum, and to the rules about an unspecified source.</remarks>
public readonly ref struct NeighborSolicitationView
{
    public const int HeaderLength = 24;
    private readonly ReadOnlySpan<byte> _octets;

    private NeighborSolicitationView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if it is another type, the code is not 0, the message is short, the target is multicast or
    /// IPv4-mapped, or an option is malformed.</returns>
    public static bool TryParse(in Icmpv6View icmp, out NeighborSolicitationView solicitation)
    {
        solicitation = default;
        if (!NeighborField.IsAcceptable(icmp, Icmpv6Type.NeighborSolicitation)) return false;
        solicitation = new NeighborSolicitationView(icmp.Octets);
        return true;
    }

    public IpAddress Target => IpAddress.ReadIpv6(_octets[NeighborField.Target..]);

    /// <summary>Absent when the sender has no address yet (duplicate address detection).</summary>
    public MacAddress? SourceLinkLayer => NdpOptionReader.FindLinkLayer(_octets[HeaderLength..], NdpOptionType.SourceLinkLayer);
    public NdpOptionReader Options => new(_octets[HeaderLength..]);
}

/// <summary>Read-only view of a neighbour advertisement: "this address is mine" (RFC 4861 section 4.4).</summary>
/// <remarks>As for solicitations, hop limit and checksum are the caller's to check (section 7.1.2).</remarks>
public readonly ref struct NeighborAdvertisementView
{
    public const int HeaderLength = NeighborSolicitationView.HeaderLength;
    private readonly ReadOnlySpan<byte> _octets;

    private NeighborAdvertisementView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False for the same reasons as <see cref="NeighborSolicitationView.TryParse"/>.</returns>
    public static bool TryParse(in Icmpv6View icmp, out NeighborAdvertisementView advertisement)
    {
        advertisement = default;
        if (!NeighborField.IsAcceptable(icmp, Icmpv6Type.NeighborAdvertisement)) return false;
        advertisement = new NeighborAdvertisementView(icmp.Octets);
        return true;
    }

    public IpAddress Target => IpAddress.ReadIpv6(_octets[NeighborField.Target..]);
    public bool IsRouter => (_octets[NeighborField.Flags] & NeighborField.RouterBit) != 0;
    public bool IsSolicited => (_octets[NeighborField.Flags] & NeighborField.SolicitedBit) != 0;

    /// <summary>Replaces an address the receiver has cached.</summary>
    public bool IsOverride => (_octets[NeighborField.Flags] & NeighborField.OverrideBit) != 0;
    public MacAddress? TargetLinkLayer => NdpOptionReader.FindLinkLayer(_octets[HeaderLength..], NdpOptionType.TargetLinkLayer);
    public NdpOptionReader Options => new(_octets[HeaderLength..]);
}

/// <param name="IsRouter">Also <c>IsSolicited</c> and <c>IsOverride</c>: the flags R, S and O.</param>
public record struct NeighborAdvertisementFields(
    IpAddress Target, bool IsRouter, bool IsSolicited, bool IsOverride, MacAddress? TargetLinkLayer);

/// <summary>Whole ICMPv6 messages, checksum included. Each method returns the message's length, at most
/// <see cref="MaxLength"/>.</summary>
/// <remarks><c>from</c> and <c>to</c> are the packet's addresses. The packet's hop limit must be 255.</remarks>
public static class NeighborBuilder
{
    public const int MaxLength = NeighborSolicitationView.HeaderLength + LinkLayerOptionLength;
    internal const int LinkLayerOptionLength = 2 + MacAddress.Length;

    /// <param name="sourceLinkLayer">Must be absent if <paramref name="from"/> is unspecified.</param>
    public static int WriteSolicitation(
        Span<byte> buffer, IpAddress from, IpAddress to, IpAddress target, MacAddress? sourceLinkLayer) =>
        Write(buffer, from, to, Icmpv6Type.NeighborSolicitation, 0, target, NdpOptionType.SourceLinkLayer, sourceLinkLayer);

    public static int WriteAdvertisement(Span<byte> buffer, IpAddress from, IpAddress to, in NeighborAdvertisementFields fields)
    {
        int flags = (fields.IsRouter ? NeighborField.RouterBit : 0) | (fields.IsSolicited ? NeighborField.SolicitedBit : 0)
            | (fields.IsOverride ? NeighborField.OverrideBit : 0);
        return Write(buffer, from, to, Icmpv6Type.NeighborAdvertisement, (byte)flags, fields.Target,
            NdpOptionType.TargetLinkLayer, fields.TargetLinkLayer);
    }

    internal static int WriteLinkLayer(Span<byte> option, NdpOptionType type, MacAddress mac)
    {
        option[0] = (byte)type;
        option[1] = LinkLayerOptionLength / NdpOptionReader.Unit;
        mac.Write(option[2..]);
        return LinkLayerOptionLength;
    }

    private static int Write(
        Span<byte> buffer, IpAddress from, IpAddress to, Icmpv6Type type, byte flags, IpAddress target, NdpOptionType option,
        MacAddress? mac)
    {
        int length = NeighborSolicitationView.HeaderLength;
        Span<byte> header = buffer[..length];
        header[IcmpView.Field.Type] = (byte)type;
        header[IcmpView.Field.Code] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(header[NeighborField.Flags..], (uint)flags << 24);
        target.WriteIpv6(header[NeighborField.Target..]);
        if (mac is MacAddress address) length += WriteLinkLayer(buffer[length..], option, address);
        Icmpv6Builder.WriteChecksum(buffer[..length], from, to);
        return length;
    }
}

internal static class NeighborField // octet offsets and flags, RFC 4861 sections 4.3 and 4.4
{
    public const int Flags = 4, Target = 8;
    public const int RouterBit = 0x80, SolicitedBit = 0x40, OverrideBit = 0x20;

    public static bool IsAcceptable(in Icmpv6View icmp, Icmpv6Type type)
    {
        ReadOnlySpan<byte> octets = icmp.Octets;
        if (octets.Length < NeighborSolicitationView.HeaderLength || icmp.Type != type || icmp.Code != 0) return false;
        IpAddress target = IpAddress.ReadIpv6(octets[Target..]);
        if (target.IsIpv4 || target.IsMulticast) return false;
        return NdpOptionReader.AreWellFormed(octets[NeighborSolicitationView.HeaderLength..]);
    }
}
