using Slirp.Core.Link;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>Brings ICMP errors that a host socket received (ip(7), IP_RECVERR) to the guest whose datagram they are about.</summary>
/// <remarks>
/// <para>The kernel keeps of the failed datagram its destination and the payload that the error quoted. The guest's kernel
/// wants its own packet: addresses as it wrote them, ports or identifier, and whatever payload there is. So the
/// headers are written again, with lengths and checksums that fit what is quoted.</para>
/// <para>An error comes from the router that sent it, so that traceroute works; from the gateway where that address would
/// mean nothing to the guest (host loopback) or is not known.</para>
/// <para>Passed on are unreachable, too big, time exceeded and parameter problem with their codes. Redirects speak of
/// the host's own links, source quench is dead (RFC 6633): neither is passed.</para>
/// </remarks>
public sealed class ErrorRelay<TWorld>(FrameSender<TWorld> sender) where TWorld : struct, IWorld
{
    /// <summary>Octets worth taking from the error queue: with both headers it fills an IPv6 error.</summary>
    public const int MaxQuotedPayload = Icmpv6Builder.MaxQuotedLength - Ipv6Builder.HeaderLength - UdpBuilder.HeaderLength;

    /// <summary>RFC 791 section 3.1: every host takes this much, so a path MTU that nobody named is no problem at it.</summary>
    public const int UnknownMtu4 = 576;

    public const int UnknownMtu6 = 1280;

    /// <summary>Sends the error to the guest, if it is one that guests get.</summary>
    /// <param name="l4">Transport header and what is left of the payload, as the guest had sent it.</param>
    /// <param name="gateway">The gateway's address in this conversation.</param>
    public void Relay(
        MacAddress to, IpAddress guest, IpAddress remote, IpProtocol protocol, ReadOnlySpan<byte> l4,
        in HostIcmpError error, IpAddress gateway, Instant now)
    {
        if (error.IsLocal || !TryTranslate(error, guest.IsIpv4, out IcmpHeader header)) return;
        Span<byte> packet = stackalloc byte[Ipv6Builder.HeaderLength + UdpBuilder.HeaderLength + MaxQuotedPayload];
        packet = packet[..WritePacket(packet, guest, remote, protocol, l4)];
        sender.SendIcmpError(to, SourceFor(error.Offender, guest, gateway), header, packet, now);
    }

    /// <summary>How a host-side address appears in a conversation.</summary>
    public static IpAddress MapToGuest(IpAddress host, IpAddress gateway) => host.IsLoopback ? gateway : host;

    private static IpAddress SourceFor(IpAddress offender, IpAddress guest, IpAddress gateway)
    {
        bool isUsable = offender.IsIpv4 == guest.IsIpv4 && !offender.IsAny && !offender.IsMulticast;
        return isUsable ? MapToGuest(offender, gateway) : gateway;
    }

    private static bool TryTranslate(in HostIcmpError error, bool isIpv4, out IcmpHeader header)
    {
        header = new IcmpHeader(error.Type, error.Code);
        if (header.IsAboutSize(isIpv4))
        {
            int mtu = (int)Math.Min(error.Information, isIpv4 ? ushort.MaxValue : int.MaxValue);
            header = IcmpError.PacketTooBig(isIpv4, error.Information == 0 ? isIpv4 ? UnknownMtu4 : UnknownMtu6 : mtu);
            return true;
        }
        if (isIpv4)
        {
            if (error.Type == (byte)IcmpType.ParameterProblem) header = header with { Rest = error.Information << 24 };
            return (IcmpType)error.Type is IcmpType.DestinationUnreachable or IcmpType.TimeExceeded or IcmpType.ParameterProblem;
        }
        if (error.Type == (byte)Icmpv6Type.ParameterProblem) header = header with { Rest = error.Information };
        return (Icmpv6Type)error.Type is Icmpv6Type.DestinationUnreachable or Icmpv6Type.TimeExceeded or Icmpv6Type.ParameterProblem;
    }

    private static int WritePacket(Span<byte> packet, IpAddress guest, IpAddress remote, IpProtocol protocol, ReadOnlySpan<byte> l4)
    {
        int headerLength = guest.IsIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;
        if (guest.IsIpv4)
        {
            Ipv4Builder.Write(packet, new Ipv4Fields(guest.Ipv4, remote.Ipv4, protocol, 1, 0, 0, true, false, 0, l4.Length));
        }
        else
        {
            Ipv6Builder.Write(packet, new Ipv6Fields(guest, remote, protocol, 1, 0, 0, l4.Length));
        }
        l4.CopyTo(packet[headerLength..]);
        return headerLength + l4.Length;
    }
}
