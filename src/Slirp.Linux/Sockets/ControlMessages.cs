using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Sockets;

/// <summary>Control messages (cmsg(3)) to and from octets: a header of length, level and type, then data, each message
/// beginning on a multiple of eight.</summary>
/// <remarks>The buffer must be aligned to eight. The writer trusts its caller for room: the sum of all messages it knows
/// is <see cref="SendCapacity"/>. The reader trusts nothing but the length given.</remarks>
internal static unsafe class ControlMessages
{
    /// <summary>Room for every message that <see cref="Write"/> can write at once.</summary>
    internal const int SendCapacity = 160;

    /// <summary>Room for every message that the options of this library ask for at once, error queue included.</summary>
    internal const int ReceiveCapacity = 320;

    /// <returns>The octets written: msg_controllen.</returns>
    internal static int Write(byte* buffer, in SendControls controls, bool ipv6)
    {
        int at = 0;
        if (controls.Source is not null || controls.InterfaceIndex != 0) WritePacketInfo(buffer, ref at, controls, ipv6);
        if (controls.SegmentSize != 0)
            *(ushort*)Append(buffer, ref at, SocketLevel.IPPROTO_UDP, (int)UdpOption.UDP_SEGMENT, sizeof(ushort)) = controls.SegmentSize;
        if (controls.TrafficClass is byte trafficClass)
            WriteInt(buffer, ref at, ipv6, (int)Ipv6Option.IPV6_TCLASS, (int)IpOption.IP_TOS, trafficClass);
        if (controls.HopLimit is byte hopLimit)
            WriteInt(buffer, ref at, ipv6, (int)Ipv6Option.IPV6_HOPLIMIT, (int)IpOption.IP_TTL, hopLimit);
        return at;
    }

    /// <summary>Reads all messages into the fields of <paramref name="message"/>; unknown ones are passed over.</summary>
    internal static void Read(byte* buffer, nuint length, ref ReceivedMessage message)
    {
        nuint at = 0;
        while (length - at >= (nuint)sizeof(cmsghdr))
        {
            var header = (cmsghdr*)(buffer + at);
            if (header->cmsg_len < (nuint)sizeof(cmsghdr) || header->cmsg_len > length - at) return; // cut off
            int dataLength = (int)header->cmsg_len - sizeof(cmsghdr);
            ReadOne((SocketLevel)header->cmsg_level, header->cmsg_type, (byte*)(header + 1), dataLength, ref message);
            nuint step = Aligned(header->cmsg_len);
            if (step > length - at) return;
            at += step;
        }
    }

    internal static nuint Aligned(nuint length) => (length + 7) & ~(nuint)7;

    /// <summary>Writes a message's header and zeroes its padded data.</summary>
    /// <returns>Where the data goes.</returns>
    internal static byte* Append(byte* buffer, ref int at, SocketLevel level, int type, int dataLength)
    {
        byte* start = buffer + at;
        int padded = (int)Aligned((nuint)(sizeof(cmsghdr) + dataLength));
        Unsafe.InitBlock(start, 0, (uint)padded);
        *(cmsghdr*)start = new cmsghdr { cmsg_len = (nuint)(sizeof(cmsghdr) + dataLength), cmsg_level = (int)level, cmsg_type = type };
        at += padded;
        return start + sizeof(cmsghdr);
    }

    private static void WriteInt(byte* buffer, ref int at, bool ipv6, int ipv6Type, int ipv4Type, int value) =>
        *(int*)Append(buffer, ref at, ipv6 ? SocketLevel.IPPROTO_IPV6 : SocketLevel.IPPROTO_IP, ipv6 ? ipv6Type : ipv4Type, sizeof(int)) = value;

    private static void WritePacketInfo(byte* buffer, ref int at, in SendControls controls, bool ipv6)
    {
        SocketAddress source = controls.Source ?? default;
        if (ipv6)
        {
            *(in6_pktinfo*)Append(buffer, ref at, SocketLevel.IPPROTO_IPV6, (int)Ipv6Option.IPV6_PKTINFO, sizeof(in6_pktinfo)) =
                new in6_pktinfo { ipi6_addr = source.ToInAddr(), ipi6_ifindex = controls.InterfaceIndex };
            return;
        }
        *(in_pktinfo*)Append(buffer, ref at, SocketLevel.IPPROTO_IP, (int)IpOption.IP_PKTINFO, sizeof(in_pktinfo)) =
            new in_pktinfo { ipi_ifindex = (int)controls.InterfaceIndex, ipi_spec_dst = BinaryPrimitives.ReverseEndianness(source.Ipv4Value) };
    }

    private static void ReadOne(SocketLevel level, int type, byte* data, int length, ref ReceivedMessage message)
    {
        switch (level)
        {
            case SocketLevel.IPPROTO_IP:
                ReadIpv4((IpOption)type, data, length, ref message);
                break;
            case SocketLevel.IPPROTO_IPV6:
                ReadIpv6((Ipv6Option)type, data, length, ref message);
                break;
            case SocketLevel.IPPROTO_UDP when (UdpOption)type == UdpOption.UDP_GRO && length >= sizeof(int):
                message.SegmentSize = *(int*)data;
                break;
            default: // not asked for by this library
                break;
        }
    }

    private const uint FirstMulticast = 0xe000_0000; // and above all of those, the broadcast address of every link

    private static void ReadIpv4(IpOption type, byte* data, int length, ref ReceivedMessage message)
    {
        switch (type)
        {
            case IpOption.IP_PKTINFO when length >= sizeof(in_pktinfo):
                var info = (in_pktinfo*)data;
                uint to = BinaryPrimitives.ReverseEndianness(info->ipi_addr);
                // What went to a network's broadcast address is answered from the host's own in that network (ip(7)).
                bool isForAll = to >= FirstMulticast;
                message.LocalAddress = SocketAddress.Ipv4(isForAll ? to : BinaryPrimitives.ReverseEndianness(info->ipi_spec_dst), 0);
                message.InterfaceIndex = (uint)info->ipi_ifindex;
                message.HasLocalAddress = true;
                break;
            case IpOption.IP_TOS when length >= 1: // one octet on receipt, unlike the int that sends it
                message.TrafficClass = *data;
                break;
            case IpOption.IP_TTL when length >= sizeof(int):
                message.HopLimit = *(int*)data;
                break;
            case IpOption.IP_RECVERR when length >= sizeof(sock_extended_err):
                message.Error = ReadError(data, length);
                break;
            default: // not asked for by this library
                break;
        }
    }

    private static void ReadIpv6(Ipv6Option type, byte* data, int length, ref ReceivedMessage message)
    {
        switch (type)
        {
            case Ipv6Option.IPV6_PKTINFO when length >= sizeof(in6_pktinfo):
                var info = (in6_pktinfo*)data;
                message.LocalAddress = SocketAddress.FromOctets(info->ipi6_addr, 0);
                message.InterfaceIndex = info->ipi6_ifindex;
                message.HasLocalAddress = true;
                break;
            case Ipv6Option.IPV6_TCLASS when length >= sizeof(int):
                message.TrafficClass = *(int*)data;
                break;
            case Ipv6Option.IPV6_HOPLIMIT when length >= sizeof(int):
                message.HopLimit = *(int*)data;
                break;
            case Ipv6Option.IPV6_RECVERR when length >= sizeof(sock_extended_err):
                message.Error = ReadError(data, length);
                break;
            default: // not asked for by this library
                break;
        }
    }

    /// <summary>The offender's sockaddr follows the struct (SO_EE_OFFENDER); AF_UNSPEC when there is none.</summary>
    private static ExtendedError ReadError(byte* data, int length)
    {
        var error = (sock_extended_err*)data;
        uint rest = (uint)(length - sizeof(sock_extended_err));
        bool known = SocketAddress.TryDecode(data + sizeof(sock_extended_err), rest, out SocketAddress offender);
        return new ExtendedError((Errno)error->ee_errno, (ErrorOrigin)error->ee_origin, error->ee_type, error->ee_code,
            error->ee_info, offender with { Port = 0 }, known);
    }
}
