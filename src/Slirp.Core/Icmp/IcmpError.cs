using Slirp.Core.Link;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>The errors we send, in the words of either family.</summary>
public static class IcmpError
{
    public static IcmpHeader NetworkUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Network) : Unreachable(Icmpv6UnreachableCode.NoRoute);

    public static IcmpHeader HostUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Host) : Unreachable(Icmpv6UnreachableCode.Address);

    public static IcmpHeader PortUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Port) : Unreachable(Icmpv6UnreachableCode.Port);

    /// <summary>Nobody here speaks the packet's upper protocol (RFC 1122 section 3.2.2.1, RFC 8200 section 4).</summary>
    /// <param name="nextHeaderOffset">IPv6 only: where in the packet it is named.</param>
    public static IcmpHeader ProtocolUnreachable(bool isIpv4, int nextHeaderOffset) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Protocol)
        : new IcmpHeader((byte)Icmpv6Type.ParameterProblem, (byte)Icmpv6ParameterCode.UnrecognizedNextHeader, (uint)nextHeaderOffset);

    /// <summary>The owner of this network, or of one on the way, does not want it (RFC 1812 section 5.2.7.1).</summary>
    public static IcmpHeader Prohibited(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.CommunicationProhibited) : Unreachable(Icmpv6UnreachableCode.Prohibited);

    /// <summary>"Fragmentation needed and DF set" (RFC 1191) or "packet too big".</summary>
    /// <param name="mtu">IP octets that would have passed.</param>
    public static IcmpHeader PacketTooBig(bool isIpv4, int mtu) => isIpv4
        ? Unreachable(IcmpUnreachableCode.FragmentationNeeded) with { Rest = (uint)Math.Min(mtu, ushort.MaxValue) }
        : new IcmpHeader((byte)Icmpv6Type.PacketTooBig, 0, (uint)mtu);

    /// <summary>RFC 1191 section 7.1: the next smaller MTU that links have, for a packet that was too big by who knows how much.</summary>
    public static int PlateauBelow(int packetLength)
    {
        foreach (int plateau in (ReadOnlySpan<int>)[32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296])
            if (plateau < packetLength) return plateau;
        return 68;
    }

    /// <summary>"Too big", where nobody has named what would have passed: the sender feels its way down. A guest must not heed less
    /// than every IPv6 link carries (RFC 8201 section 4).</summary>
    /// <param name="packetLength">Octets of the packet on its way from the host, its header included.</param>
    public static IcmpHeader PacketTooBigSomehow(bool isIpv4, int packetLength)
    {
        int plateau = PlateauBelow(packetLength);
        return PacketTooBig(isIpv4, isIpv4 ? plateau : Math.Max(plateau, NarrowPaths.SmallestMtu));
    }

    public static IcmpHeader HopLimitExceeded(bool isIpv4) => TimeExceeded(isIpv4, 0);

    public static IcmpHeader ReassemblyTimeExceeded(bool isIpv4) => TimeExceeded(isIpv4, 1);

    /// <param name="pointer">Offset of the octet at fault in the packet.</param>
    public static IcmpHeader ErroneousField(bool isIpv4, int pointer) => isIpv4
        ? new IcmpHeader((byte)IcmpType.ParameterProblem, 0, (uint)pointer << 24)
        : new IcmpHeader((byte)Icmpv6Type.ParameterProblem, (byte)Icmpv6ParameterCode.ErroneousField, (uint)pointer);

    /// <summary>What a router would say that met this error when it tried to pass the packet on.</summary>
    public static IcmpHeader From(HostError error, bool isIpv4) => error switch
    {
        HostError.NetworkUnreachable or HostError.AddressNotAvailable or HostError.NotSupported => NetworkUnreachable(isIpv4),
        HostError.AccessDenied => Prohibited(isIpv4),
        HostError.ConnectionRefused => PortUnreachable(isIpv4),
        _ => HostUnreachable(isIpv4),
    };

    private static IcmpHeader Unreachable(IcmpUnreachableCode code) => new((byte)IcmpType.DestinationUnreachable, (byte)code);

    private static IcmpHeader Unreachable(Icmpv6UnreachableCode code) => new((byte)Icmpv6Type.DestinationUnreachable, (byte)code);

    private static IcmpHeader TimeExceeded(bool isIpv4, byte code) =>
        new(isIpv4 ? (byte)IcmpType.TimeExceeded : (byte)Icmpv6Type.TimeExceeded, code);
}
