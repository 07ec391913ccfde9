using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>The header of an ICMP or ICMPv6 message without its checksum.</summary>
/// <param name="Rest">The second word: identifier and sequence number, an MTU, a pointer, or zero.</param>
public readonly record struct IcmpHeader(byte Type, byte Code, uint Rest = 0)
{
    /// <summary>"Fragmentation needed" or "packet too big".</summary>
    public bool IsAboutSize(bool isIpv4) => isIpv4
        ? (Type, Code) == ((byte)IcmpType.DestinationUnreachable, (byte)IcmpUnreachableCode.FragmentationNeeded)
        : Type == (byte)Icmpv6Type.PacketTooBig;

    /// <summary>"Destination unreachable", for whatever reason but its size.</summary>
    public bool IsUnreachable(bool isIpv4) => isIpv4
        ? Type == (byte)IcmpType.DestinationUnreachable && !IsAboutSize(isIpv4)
        : Type == (byte)Icmpv6Type.DestinationUnreachable;
}
