using System.Buffers.Binary;
using Slirp.Core.Icmp;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Link;

/// <summary>ICMP and ICMPv6 toward the guest: messages of any length, and errors about the guest's packets.</summary>
/// <remarks>
/// An error is never sent about an error, a fragment but the first, or a packet from or to more than one host (RFC 1122
/// section 3.2.2, RFC 4443 section 2.4 (e)), and no more than 1000 a second after the first 50: what Linux allows a host
/// by default (icmp_msgs_per_sec, icmp_msgs_burst). Errors about size are exempt there and here.
/// </remarks>
public sealed partial class FrameSender<TWorld>
{
    private const int ErrorsPerSecond = 1000, ErrorBurst = 50;

    private TokenBucket _errorLimit = new(ErrorsPerSecond, ErrorBurst);

    /// <summary>Sends a complete message; whatever its checksum field holds, the right one is sent.</summary>
    public LinkResult SendIcmp(
        MacAddress to, IpAddress source, IpAddress destination, ReadOnlySpan<byte> message, byte trafficClass = 0)
    {
        if (!IcmpView.TryParse(message, out IcmpView icmp)) return RefuseTooBig();
        var header = new IcmpHeader((byte)icmp.Type, icmp.Code, icmp.RestOfHeader);
        return SendIcmp(to, source, destination, header, icmp.Body, trafficClass);
    }

    /// <summary>Sends a message given as its header's fields and its body, in fragments if it must be.</summary>
    /// <param name="pathMtu">As <see cref="MtuTo"/> says; without it the link's own.</param>
    public LinkResult SendIcmp(
        MacAddress to, IpAddress source, IpAddress destination, in IcmpHeader header, ReadOnlySpan<byte> body,
        byte trafficClass = 0, byte hopLimit = HopLimit, int pathMtu = int.MaxValue)
    {
        bool v4 = destination.IsIpv4;
        int length = IcmpBuilder.HeaderLength + body.Length;
        if (length > MaxUpperLength(destination)) return RefuseTooBig();
        IpProtocol protocol = v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
        int ipHeaderLength = IpHeaderLength(destination);

        Span<byte> headers = stackalloc byte[MaxHeaders];
        int l4 = IpOffset + ipHeaderLength;
        Span<byte> icmp = headers.Slice(l4, IcmpBuilder.HeaderLength);
        WriteIcmpHeader(icmp, header, body, v4 ? 0 : InternetChecksum.PseudoHeader(source, destination, protocol, length));
        int limit = Math.Min(mtu, pathMtu);
        if (ipHeaderLength + length > limit)
            return SendFragments(to, source, destination, protocol, icmp, body, trafficClass, hopLimit, limit);
        if (v4)
        {
            Ipv4Builder.Write(headers[IpOffset..], new Ipv4Fields(
                source.Ipv4, destination.Ipv4, protocol, hopLimit, trafficClass, (ushort)_identification4.Next(), false, false, 0, length));
        }
        else
        {
            Ipv6Builder.Write(headers[IpOffset..], new Ipv6Fields(source, destination, protocol, hopLimit, trafficClass, 0, length));
        }
        return Transmit(headers[..(l4 + IcmpBuilder.HeaderLength)], to, v4, default, body);
    }

    /// <summary>Tells the guest what became of a packet of its own.</summary>
    /// <param name="source">Who says so; the packet's own source is the one to be told.</param>
    /// <param name="packet">The whole IP packet; quoted as far as the RFCs want: 576 octets in all for IPv4 (RFC 1812
    /// section 4.3.2.3), 1280 for IPv6 (RFC 4443 section 2.4 (c)).</param>
    /// <returns>False if no error may be sent about this packet, or not now.</returns>
    public bool SendIcmpError(MacAddress to, IpAddress source, in IcmpHeader error, ReadOnlySpan<byte> packet, Instant now)
    {
        if (!TryFindErrorTarget(packet, out IpAddress destination) || destination.IsIpv4 != source.IsIpv4) return false;
        bool v4 = destination.IsIpv4;
        if (!error.IsAboutSize(v4) && !_errorLimit.TryTake(now)) return false;
        int room = mtu - IpHeaderLength(destination) - IcmpBuilder.HeaderLength;
        int limit = Math.Min(room, v4 ? IcmpBuilder.MaxQuotedLength : Icmpv6Builder.MaxQuotedLength);
        return SendIcmp(to, source, destination, error, packet[..Math.Min(packet.Length, limit)]) == LinkResult.Ok;
    }

    private static void WriteIcmpHeader(Span<byte> icmp, in IcmpHeader header, ReadOnlySpan<byte> body, uint initialSum)
    {
        icmp[0] = header.Type;
        icmp[1] = header.Code;
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], 0);
        BinaryPrimitives.WriteUInt32BigEndian(icmp[4..], header.Rest);
        uint sum = InternetChecksum.Sum(body, InternetChecksum.Sum(icmp, initialSum));
        BinaryPrimitives.WriteUInt16BigEndian(icmp[2..], InternetChecksum.Finish(sum));
    }

    /// <returns>False if no error may be sent about <paramref name="packet"/>.</returns>
    private static bool TryFindErrorTarget(ReadOnlySpan<byte> packet, out IpAddress target)
    {
        target = default;
        if (Ipv4View.TryParse(packet, out Ipv4View v4))
        {
            target = v4.Source;
            bool isIcmp = v4.Protocol == IpProtocol.Icmp;
            return v4.FragmentOffset == 0 && IsOneHost(v4.Source) && IsOneHost(v4.Destination)
                && !(isIcmp && !IsIcmpQuery(v4.Payload));
        }
        if (!Ipv6View.TryParse(packet, out Ipv6View v6) || !Ipv6Extensions.TryWalk(v6, out Ipv6UpperLayer upper)) return false;
        target = v6.Source;
        if (upper.FragmentOffset != 0 || !IsOneHost(v6.Source) || !IsOneHost(v6.Destination)) return false;
        return upper.UpperProtocol != IpProtocol.Icmpv6 || IsIcmpv6Information(v6.Payload[upper.UpperOffset..]);
    }

    private static bool IsOneHost(IpAddress address) =>
        !address.IsAny && !address.IsMulticast && !address.IsLoopback && !(address.IsIpv4 && address.Ipv4.IsBroadcast);

    // Echo, router discovery, timestamp, information and mask: all that RFC 1122 section 3.2.2 does not call an error.
    private static bool IsIcmpQuery(ReadOnlySpan<byte> message) =>
        message.Length >= IcmpView.HeaderLength && message[0] is 0 or 8 or 9 or 10 or (>= 13 and <= 18);

    private static bool IsIcmpv6Information(ReadOnlySpan<byte> message) =>
        message.Length >= Icmpv6View.HeaderLength && message[0] >= 128 && message[0] != (byte)Icmpv6Type.Redirect;
}
