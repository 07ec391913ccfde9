using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>What an ICMP or ICMPv6 error says, without the packet it is about.</summary>
/// <param name="Rest">The second word of the header: an MTU, a pointer, or zero.</param>
public readonly record struct IcmpError(byte Type, byte Code, uint Rest = 0)
{
    public static IcmpError NetworkUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Network) : Unreachable(Icmpv6UnreachableCode.NoRoute);

    public static IcmpError HostUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Host) : Unreachable(Icmpv6UnreachableCode.Address);

    public static IcmpError PortUnreachable(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.Port) : Unreachable(Icmpv6UnreachableCode.Port);

    /// <summary>The owner of this network, or of one on the way, does not want it (RFC 1812 section 5.2.7.1).</summary>
    public static IcmpError Prohibited(bool isIpv4) => isIpv4
        ? Unreachable(IcmpUnreachableCode.CommunicationProhibited) : Unreachable(Icmpv6UnreachableCode.Prohibited);

    /// <summary>"Fragmentation needed and DF set" (RFC 1191) or "packet too big".</summary>
    /// <param name="mtu">IP octets that would have passed.</param>
    public static IcmpError PacketTooBig(bool isIpv4, int mtu) => isIpv4
        ? Unreachable(IcmpUnreachableCode.FragmentationNeeded) with { Rest = (uint)Math.Min(mtu, ushort.MaxValue) }
        : new IcmpError((byte)Icmpv6Type.PacketTooBig, 0, (uint)mtu);

    public static IcmpError HopLimitExceeded(bool isIpv4) => TimeExceeded(isIpv4, 0);

    public static IcmpError ReassemblyTimeExceeded(bool isIpv4) => TimeExceeded(isIpv4, 1);

    /// <param name="pointer">Offset of the octet at fault in the packet.</param>
    public static IcmpError ErroneousField(bool isIpv4, int pointer) => isIpv4
        ? new IcmpError((byte)IcmpType.ParameterProblem, 0, (uint)pointer << 24)
        : new IcmpError((byte)Icmpv6Type.ParameterProblem, (byte)Icmpv6ParameterCode.ErroneousField, (uint)pointer);

    /// <summary>What a router would say that met this error when it tried to pass the packet on.</summary>
    public static IcmpError From(HostError error, bool isIpv4) => error switch
    {
        HostError.NetworkUnreachable or HostError.AddressNotAvailable or HostError.NotSupported => NetworkUnreachable(isIpv4),
        HostError.AccessDenied => Prohibited(isIpv4),
        HostError.ConnectionRefused => PortUnreachable(isIpv4),
        _ => HostUnreachable(isIpv4),
    };

    /// <summary>Frees a host of any limit on errors: it cannot send until it knows (Linux makes the same exception).</summary>
    public bool IsAboutSize(bool isIpv4) => isIpv4
        ? (Type, Code) == ((byte)IcmpType.DestinationUnreachable, (byte)IcmpUnreachableCode.FragmentationNeeded)
        : Type == (byte)Icmpv6Type.PacketTooBig;

    private static IcmpError Unreachable(IcmpUnreachableCode code) => new((byte)IcmpType.DestinationUnreachable, (byte)code);

    private static IcmpError Unreachable(Icmpv6UnreachableCode code) => new((byte)Icmpv6Type.DestinationUnreachable, (byte)code);

    private static IcmpError TimeExceeded(bool isIpv4, byte code) =>
        new(isIpv4 ? (byte)IcmpType.TimeExceeded : (byte)Icmpv6Type.TimeExceeded, code);
}
