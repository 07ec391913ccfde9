using System.Buffers.Binary;
using Slirp.Core.Network;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>Composes what a guest sends: whole IP packets, their fragments, and frames from the virtio_net header on.</summary>
/// <remarks>Checksums are finished, as by a guest without offloads, unless a virtio header that says otherwise is given.</remarks>
public static class FrameFactory
{
    public static MacAddress GuestMac { get; } = new(0x0255_0a00_0264);

    public static MacAddress OurMac { get; } = new(0x5255_0a00_0202);

    /// <summary>The default addresses, with IPv6.</summary>
    public static NetworkPlan Plan { get; } = new()
    {
        Network = Ipv4Address.Parse("10.0.2.0"),
        PrefixLength = 24,
        Mtu = 1500,
        OurMac = OurMac,
        GuestMac = GuestMac,
        EnableIpv6 = true,
    };

    /// <summary>"10.0.2.100", 53 → an endpoint.</summary>
    public static IpEndpoint Endpoint(string address, int port) => new(IpAddress.Parse(address), (ushort)port);

    /// <summary>Octets that differ from place to place and from seed to seed, so that a shifted or swapped copy shows.</summary>
    public static byte[] Pattern(int length, int seed = 1)
    {
        var octets = new byte[length];
        uint x = (uint)seed * 2654435761u + 1;
        for (int i = 0; i < length; i++)
        {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            octets[i] = (byte)x;
        }
        return octets;
    }

    /// <summary>A frame to our station, from the guest's unless another is named.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> packet, VirtioNetHeader virtio = default, MacAddress? source = null)
    {
        var frame = new byte[VirtioNetHeader.Length + EthernetBuilder.HeaderLength + packet.Length];
        virtio.Write(frame);
        EtherType type = packet[0] >> 4 == 4 ? EtherType.Ipv4 : EtherType.Ipv6;
        EthernetBuilder.Write(frame.AsSpan(VirtioNetHeader.Length), OurMac, source ?? GuestMac, type);
        packet.CopyTo(frame.AsSpan(VirtioNetHeader.Length + EthernetBuilder.HeaderLength));
        return frame;
    }

    /// <summary>An IP packet of either family around a complete payload.</summary>
    public static byte[] Packet(
        IpAddress from, IpAddress to, IpProtocol protocol, ReadOnlySpan<byte> payload,
        byte trafficClass = 0, byte hopLimit = 64, bool dontFragment = false, ushort identification = 0)
    {
        int headerLength = from.IsIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;
        var packet = new byte[headerLength + payload.Length];
        if (from.IsIpv4)
        {
            Ipv4Builder.Write(packet, new Ipv4Fields(
                from.Ipv4, to.Ipv4, protocol, hopLimit, trafficClass, identification, dontFragment, false, 0, payload.Length));
        }
        else
        {
            Ipv6Builder.Write(packet, new Ipv6Fields(from, to, protocol, hopLimit, trafficClass, 0, payload.Length));
        }
        payload.CopyTo(packet.AsSpan(headerLength));
        return packet;
    }

    public static byte[] Udp(
        IpEndpoint from, IpEndpoint to, ReadOnlySpan<byte> payload,
        byte trafficClass = 0, byte hopLimit = 64, bool dontFragment = false, ushort identification = 0)
    {
        var datagram = new byte[UdpBuilder.HeaderLength + payload.Length];
        UdpBuilder.Write(datagram, from.Port, to.Port, datagram.Length);
        payload.CopyTo(datagram.AsSpan(UdpBuilder.HeaderLength));
        UdpBuilder.WriteChecksum(datagram, UdpBuilder.ComputeChecksum(datagram, from.Address, to.Address));
        return Packet(from.Address, to.Address, IpProtocol.Udp, datagram, trafficClass, hopLimit, dontFragment, identification);
    }

    public static byte[] Tcp(
        IpAddress from, IpAddress to, in TcpFields fields, in TcpOptions options = default, ReadOnlySpan<byte> payload = default)
    {
        Span<byte> header = stackalloc byte[TcpBuilder.MaxHeaderLength];
        header = header[..TcpBuilder.Write(header, fields, options)];
        var segment = new byte[header.Length + payload.Length];
        header.CopyTo(segment);
        payload.CopyTo(segment.AsSpan(header.Length));
        uint sum = SlowSum(segment, PseudoHeaderSum(from, to, IpProtocol.Tcp, segment.Length));
        TcpBuilder.WriteChecksum(segment, (ushort)~sum);
        return Packet(from, to, IpProtocol.Tcp, segment, dontFragment: true);
    }

    /// <summary>An ICMP or ICMPv6 echo request.</summary>
    public static byte[] Echo(
        IpAddress from, IpAddress to, ushort identifier, ushort sequence, ReadOnlySpan<byte> data,
        byte trafficClass = 0, byte hopLimit = 64, bool dontFragment = false, ushort identification = 0)
    {
        byte[] message = EchoMessage(from, to, identifier, sequence, data);
        IpProtocol protocol = from.IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
        return Packet(from, to, protocol, message, trafficClass, hopLimit, dontFragment, identification: identification);
    }

    /// <summary>The ICMP part of <see cref="Echo"/>; <paramref name="isReply"/> makes it the answer.</summary>
    public static byte[] EchoMessage(
        IpAddress from, IpAddress to, ushort identifier, ushort sequence, ReadOnlySpan<byte> data, bool isReply = false)
    {
        byte type = (from.IsIpv4, isReply) switch { (true, false) => 8, (true, true) => 0, (false, false) => 128, _ => 129 };
        return IcmpMessage(from, to, type, 0, (uint)identifier << 16 | sequence, data);
    }

    /// <summary>Any ICMP or ICMPv6 message, checksum included.</summary>
    public static byte[] IcmpMessage(IpAddress from, IpAddress to, byte type, byte code, uint rest, ReadOnlySpan<byte> body)
    {
        var message = new byte[8 + body.Length];
        message[0] = type;
        message[1] = code;
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), rest);
        body.CopyTo(message.AsSpan(8));
        uint initial = from.IsIpv4 ? 0u : PseudoHeaderSum(from, to, IpProtocol.Icmpv6, message.Length);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), (ushort)~SlowSum(message, initial));
        return message;
    }

    /// <summary>The sum of RFC 1071 done the plain way, two octets at a time: the judge of the fast one.</summary>
    public static ushort SlowSum(ReadOnlySpan<byte> octets, uint initial = 0)
    {
        ulong sum = initial;
        for (int i = 0; i < octets.Length; i++) sum += i % 2 == 0 ? (ulong)octets[i] << 8 : octets[i];
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }

    public static ushort PseudoHeaderSum(IpAddress from, IpAddress to, IpProtocol protocol, int length)
    {
        Span<byte> pseudo = stackalloc byte[40];
        pseudo.Clear();
        from.Write(pseudo);
        to.Write(pseudo[from.Length..]);
        BinaryPrimitives.WriteUInt32BigEndian(pseudo[32..], (uint)length);
        pseudo[39] = (byte)protocol;
        return SlowSum(pseudo);
    }
}
