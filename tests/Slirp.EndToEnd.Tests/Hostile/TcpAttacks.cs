using System.Buffers.Binary;
using System.Net;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Class T, as far as it needs no connection of its own; the rest is in HostileTcpTests.</summary>
internal static class TcpAttacks
{
    /// <param name="p">What to build with.</param>
    /// <param name="port">A server's of the host's loopback.</param>
    /// <param name="victim">A connection of the guest that must not notice.</param>
    public static IEnumerable<Attack> All(Packets p, int port, (IPEndPoint Guest, IPEndPoint Remote) victim)
    {
        byte[] syn = Syn4(Packets.Gateway4, port);
        yield return new Attack("T1", "BadTcpHeader", from offset in (int[])[0, 1, 2, 3, 4, 15] select p.Ip(Tcp(syn, (32, offset << 4))));
        yield return new Attack("T1", "BadTcpHeader", from length in (int[])[0, 1, 19] select p.Ip(Packets.Packet(Packets.Bot4, Packets.Gateway4, 6, new byte[length])));
        yield return new Attack("T1", "BadTcpChecksum", [p.Ip(Packets.With(syn, (36, syn[36] ^ 1)))]);
        yield return new Attack("T2", null,
            from options in (byte[][])
            [
                [2, 0], [2, 1], [2, 255], [2, 3, 1], [2, 4, 0, 0], [2, 4, 0, 1], [2, 4, 255, 255], [2, 4, 5, 180, 2, 4, 0, 1],
                [3, 3, 15], [3, 3, 255], [3, 0], [4, 2, 4, 2, 4, 0], [5, 10, 0, 0, 0, 9, 0, 0, 0, 1], [5, 2], [5, 255], [8, 10], [8, 1],
                [254, 0], [255, 255], [1, 1, 1, 0, 2, 4, 9, 9], [34, 2], [34, 18, .. new byte[16]],
            ]
            select p.Ip(WithOptions(port, options)));
        TcpFlags[] odd =
        [
            TcpFlags.None, TcpFlags.Syn | TcpFlags.Fin, TcpFlags.Syn | TcpFlags.Rst, TcpFlags.Fin, TcpFlags.Urg, TcpFlags.Psh,
            TcpFlags.Fin | TcpFlags.Psh | TcpFlags.Urg, (TcpFlags)255, TcpFlags.Syn | TcpFlags.Ack, TcpFlags.Rst, TcpFlags.Rst | TcpFlags.Ack,
        ];
        yield return new Attack("T3", null, from flags in odd select p.Ip(Segment(4100, port, 1, 1, flags)));
        yield return new Attack("T3", "TcpNoFlow", from flags in odd where (flags & TcpFlags.Ack) != 0 select p.Ip(Segment(4101, port, 1, 1, flags)));
        yield return new Attack("T7", null, from to in Enumerable.Range(0, 65_536) select p.Ip(Syn4(Packets.Bot4, to)));
        yield return new Attack("T7", "tcp_flows_opened", [p.Ip(Segment(4102, port, 9, 0, TcpFlags.Syn, new byte[400]))]);
        yield return new Attack("T9", null, from i in Enumerable.Range(0, 20) select p.Ip(Segment(4103, port, 9, 0, TcpFlags.Syn)));
        yield return new Attack("T9", null, from i in Enumerable.Range(0, 20) select p.Ip(Segment(4103, port, 9 + (uint)i * 100_000, 0, TcpFlags.Syn)));
        yield return new Attack("T13", null,
            from hops in (byte[])[2, 255]
            from tos in (byte[])[0, 1, 2, 3, 255]
            select p.Ip(Packets.With(Segment(4400 + tos, port, 9, 0, TcpFlags.Syn), (1, tos), (8, hops))));
        // Blind: one of these in four thousand million is the right number, and only a reset or a FIN with it does harm.
        yield return new Attack("T8", null,
            from i in Enumerable.Range(1, 4000)
            from flags in (TcpFlags[])[TcpFlags.Rst, TcpFlags.Syn, TcpFlags.Syn | TcpFlags.Ack, TcpFlags.Ack]
            select p.Ip(Against(victim, (uint)i * 1_073_741u, (uint)i * 99_991u, flags)));
    }

    public static byte[] Syn4(string to, int port, string source = Packets.Bot4) =>
        FrameFactory.Tcp(Packets.Address(source), Packets.Address(to),
            new TcpFields(4078, (ushort)port, new SequenceNumber(1), default, TcpFlags.Syn, 0xffff));

    public static byte[] Segment(int from, int to, uint sequence, uint acknowledgment, TcpFlags flags, byte[]? payload = null) =>
        FrameFactory.Tcp(Packets.Address(Packets.Bot4), Packets.Address(Packets.Gateway4),
            new TcpFields((ushort)from, (ushort)to, new SequenceNumber(sequence), new SequenceNumber(acknowledgment), flags, 1000),
            payload: payload ?? []);

    private static byte[] Against((IPEndPoint Guest, IPEndPoint Remote) victim, uint sequence, uint acknowledgment, TcpFlags flags) =>
        FrameFactory.Tcp(Packets.Address($"{victim.Guest.Address}"), Packets.Address($"{victim.Remote.Address}"),
            new TcpFields((ushort)victim.Guest.Port, (ushort)victim.Remote.Port, new SequenceNumber(sequence),
                new SequenceNumber(acknowledgment), flags, 1000));

    public static byte[] WithUrgent(byte[] packet, int pointer) =>
        Tcp(packet, (33, packet[33] | (int)TcpFlags.Urg), (38, pointer >> 8), (39, pointer));

    /// <summary>A segment with octets changed and its checksum made right again.</summary>
    private static byte[] Tcp(byte[] packet, params (int Offset, int Value)[] octets) => Summed(Packets.With(packet, octets));

    private static byte[] WithOptions(int port, byte[] options)
    {
        byte[] padded = [.. options, .. new byte[-options.Length & 3]];
        byte[] bare = Segment(4200 + options.Length, port, (uint)options[^1], 0, TcpFlags.Syn);
        byte[] whole = [.. bare, .. padded];
        whole[32] = (byte)((20 + padded.Length) / 4 << 4);
        return Summed(Packets.WithWord(whole, 2, whole.Length));
    }

    private static byte[] Summed(byte[] packet)
    {
        packet[36] = packet[37] = 0;
        uint pseudo = FrameFactory.PseudoHeaderSum(
            IpAddress.ReadIpv4(packet.AsSpan(12)), IpAddress.ReadIpv4(packet.AsSpan(16)), IpProtocol.Tcp, packet.Length - 20);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(36), (ushort)~FrameFactory.SlowSum(packet.AsSpan(20), pseudo));
        return packet;
    }
}
