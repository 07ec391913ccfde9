namespace Slirp.Wire.Tests.Judges;

/// <summary>Whole Ethernet frames made with the builders under test.</summary>
internal static class Frames
{
    public static readonly MacAddress GuestMac = new(0x525400123456), HostMac = new(0x525500abcdef);

    public delegate int Writer(Span<byte> l4);

    public static byte[] Ethernet(EtherType type, ReadOnlySpan<byte> packet)
    {
        byte[] frame = new byte[EthernetBuilder.HeaderLength + packet.Length];
        EthernetBuilder.Write(frame, GuestMac, HostMac, type);
        packet.CopyTo(frame.AsSpan(EthernetBuilder.HeaderLength));
        return frame;
    }

    /// <summary>IPv4 or IPv6 by the family of <paramref name="source"/>.</summary>
    public static byte[] Ip(IpAddress source, IpAddress destination, IpProtocol protocol, Writer write, byte ttl = 64)
    {
        byte[] l4 = new byte[4000];
        Array.Fill(l4, (byte)0xee);
        int length = write(l4);
        int headerLength = source.IsIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;
        byte[] packet = new byte[headerLength + length];
        if (source.IsIpv4)
            Ipv4Builder.Write(packet, new Ipv4Fields(source.Ipv4, destination.Ipv4, protocol, ttl, 0xb8, 0x1234, true, false, 0, length));
        else
            Ipv6Builder.Write(packet, new Ipv6Fields(source, destination, protocol, ttl, 0xb8, 0x12345, length));
        l4.AsSpan(0, length).CopyTo(packet.AsSpan(headerLength));
        return Ethernet(source.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6, packet);
    }

    public static byte[] Tcp(IpAddress source, IpAddress destination, TcpFields fields, TcpOptions options, byte[] payload) =>
        Ip(source, destination, IpProtocol.Tcp, l4 =>
        {
            int length = TcpBuilder.Write(l4, fields, options);
            payload.CopyTo(l4[length..]);
            length += payload.Length;
            uint pseudoHeader = InternetChecksum.PseudoHeader(source, destination, IpProtocol.Tcp, length);
            TcpBuilder.WriteChecksum(l4, InternetChecksum.Finish(InternetChecksum.Sum(l4[..length], pseudoHeader)));
            return length;
        });

    public static byte[] Udp(IpAddress source, ushort sourcePort, IpAddress destination, ushort destinationPort, byte[] payload) =>
        Ip(source, destination, IpProtocol.Udp, l4 =>
        {
            int length = UdpBuilder.HeaderLength + payload.Length;
            UdpBuilder.Write(l4, sourcePort, destinationPort, length);
            payload.CopyTo(l4[UdpBuilder.HeaderLength..]);
            UdpBuilder.WriteChecksum(l4, UdpBuilder.ComputeChecksum(l4[..length], source, destination));
            return length;
        });
}
