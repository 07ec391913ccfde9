using System.Buffers.Binary;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Classes I and U: ICMP of both families, and UDP.</summary>
internal static class DatagramAttacks
{
    public static IEnumerable<Attack> Icmp(Packets p)
    {
        byte[] echo4 = Echo(Packets.Bot4, Packets.Gateway4), echo6 = Echo(Packets.Bot6, Packets.Gateway6);
        yield return new Attack("I1", "BadIpv4Header", [p.Ip(Packets.WithWord(echo4, 2, echo4.Length + 400))]);
        yield return new Attack("I1", "BadIpv6Header", [p.Ip(Packets.WithWord(echo6, 4, 1400))]);
        yield return new Attack("I2", "BadIcmp",
            from length in Enumerable.Range(0, 8) select p.Ip(Packets.Packet(Packets.Bot4, Packets.Gateway4, 1, echo4.AsSpan(20, length))));
        yield return new Attack("I2", "BadIcmp",
            from length in Enumerable.Range(0, 8) select p.Ip(Packets.Packet(Packets.Bot6, Packets.Gateway6, 58, echo6.AsSpan(40, length))));
        byte[] others = TcpAttacks.Syn4("10.0.2.2", 80, source: "10.0.2.100");
        yield return new Attack("I3", null,
            from length in (int[])[0, 1, 19, 20, 24, 28, others.Length]
            from type in (int[])[3, 4, 5, 11, 12]
            select p.Ip(Message(Packets.Bot4, Packets.Gateway4, type, type == 3 ? 3 : 0, others.AsSpan(0, length))));
        yield return new Attack("I4", null,
            from mtu in (int[])[0, 1, 67, 68, 65535] select p.Ip(Message(Packets.Bot4, Packets.Gateway4, 3, 4, others, (uint)mtu)));
        yield return new Attack("I5", "icmp_echoes",
            from sequence in Enumerable.Range(0, 20_000) select p.Ip(Echo(Packets.Bot4, Packets.Gateway4, (ushort)sequence)));
        yield return new Attack("I6", null,
            from to in (string[])["255.255.255.255", "10.0.2.255", "224.0.0.1", "10.0.2.100"] select p.Ip(Echo(Packets.Bot4, to)));
        yield return new Attack("I6", null, from to in (string[])["ff02::1", "ff02::2", "ff0e::1"] select p.Ip(Echo(Packets.Bot6, to)));
        yield return new Attack("I7", "IcmpNotSupported",
            from type in Enumerable.Range(0, 256) where type != 8 select p.Ip(Message(Packets.Bot4, Packets.Gateway4, type, 0, new byte[20])));
        yield return new Attack("I7", "IcmpNotSupported",
            from type in Enumerable.Range(0, 256)
            where type is not (128 or >= 133 and <= 137)
            select p.Ip(Message(Packets.Bot6, Packets.Gateway6, type, 0, new byte[20])));
        yield return new Attack("I7", "BadIcmpChecksum", [p.Ip(Broken(echo4, 22)), p.Ip(Broken(echo6, 42))]);
    }

    public static IEnumerable<Attack> Udp(Packets p)
    {
        byte[] right = p.Udp4(), right6 = p.Udp6();
        int length = right.Length - 20;
        yield return new Attack("U1", "BadUdpHeader",
            from claimed in (int[])[0, 1, 2, 3, 4, 5, 6, 7, length + 1, 65535] select p.Ip(Udp4Checked(right, claimed)));
        yield return new Attack("U1", null, from claimed in (int[])[8, length - 1] select p.Ip(Udp4Checked(right, claimed)));
        yield return new Attack("U1", "BadUdpHeader", [p.Ip(Packets.WithWord(right6, 44, 0)), p.Ip(Packets.WithWord(right6, 44, 7))]);
        yield return new Attack("U2", "BadUdpHeader", [p.Ip(Packets.WithWord(Unsummed(right), 22, 0))]);
        yield return new Attack("U2", "BadSourceAddress",
            [p.Ip(Unsummed(FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 0), FrameFactory.Endpoint("10.0.2.2", 0), [])))]);
        yield return new Attack("U2", null, [p.Ip(p.Udp4(fromPort: 0))]);
        yield return new Attack("U3", "BadUdpChecksum", [p.Ip(Broken(right, 26)), p.Ip(Broken(right6, 46)), p.Ip(Packets.WithWord(right6, 46, 0))]);
        yield return new Attack("U4", "udp_mappings_opened", [p.Ip(p.Udp4(0, fromPort: 4999))]);
        yield return new Attack("U5", null,
            from size in Enumerable.Range(0, 301)
            from to in ((string, int)[])[("10.0.2.3", 53), ("10.0.2.2", 67), ("255.255.255.255", 67), ("10.0.2.2", 69), ("10.0.2.3", 123)]
            select p.Ip(p.Udp4(size, to: to.Item1, port: to.Item2)));
        yield return new Attack("U7", "BadSourceAddress",
            [p.Ip(FrameFactory.Udp(FrameFactory.Endpoint("10.0.2.3", 53), FrameFactory.Endpoint("10.0.2.3", 53), DnsMessage.Query(1)))]);
        yield return new Attack("U7", "BadSourceAddress",
            [p.Ip(FrameFactory.Udp(FrameFactory.Endpoint("fd00::3", 53), FrameFactory.Endpoint("fd00::3", 53), DnsMessage.Query(1)))]);
    }

    public static byte[] Echo(string from, string to, ushort sequence = 1) =>
        FrameFactory.Echo(Packets.Address(from), Packets.Address(to), 77, sequence, new byte[32]);

    private static byte[] Message(string from, string to, int type, int code, ReadOnlySpan<byte> body, uint rest = 0)
    {
        IpAddress source = Packets.Address(from), target = Packets.Address(to);
        return Packets.Packet(from, to, source.IsIpv4 ? 1 : 58, FrameFactory.IcmpMessage(source, target, (byte)type, (byte)code, rest, body));
    }

    private static byte[] Broken(byte[] packet, int checksum) => Packets.With(packet, (checksum, packet[checksum] ^ 0x55));

    private static byte[] Udp4Checked(byte[] packet, int length) => Unsummed(Packets.WithWord(packet, 24, length));

    private static byte[] Unsummed(byte[] packet)
    {
        byte[] bent = [.. packet];
        BinaryPrimitives.WriteUInt16BigEndian(bent.AsSpan(26), 0); // IPv4 only: none sent
        return bent;
    }
}
