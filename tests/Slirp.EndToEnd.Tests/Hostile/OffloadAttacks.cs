using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Frames with a virtio_net header of any content. The guest's kernel refuses some and takes others in pieces;
/// what it lets out says what the header said.</summary>
internal static class OffloadAttacks
{
    public static IEnumerable<Attack> All(Packets p)
    {
        byte[] udp = p.Ip(p.Udp4(20_000)), udp6 = p.Ip(p.Udp6(20_000));
        byte[] tcp = p.Ip(TcpAttacks.Segment(4300, 80, 1, 1, TcpFlags.Ack, new byte[20_000]));
        byte[] small = p.Ip(p.Udp4(10));
        foreach (byte[] frame in (byte[][])[udp, udp6, tcp, small])
        {
            yield return new Attack("virtio, size", null,
                from type in (byte[])[0, 1, 3, 4, 5, 0x81, 0x84, 2, 6, 255]
                from size in (ushort[])[0, 1, 7, 8, 536, 1448, 1472, 9000, 65535]
                select With(frame, 1, type, 42, size, 34, 6));
            yield return new Attack("virtio, sum", null,
                from start in (ushort[])[0, 13, 14, 34, 54, 60, 65535]
                from offset in (ushort[])[0, 6, 16, 65535]
                from flags in (byte[])[0, 1, 2, 3, 255]
                select With(frame, flags, 0, 0, 0, start, offset));
            yield return new Attack("virtio, length", null,
                from length in (ushort[])[0, 1, 14, 34, 54, 2000, 65535]
                from type in (byte[])[1, 4, 5]
                select With(frame, 1, type, length, 1000, 34, 6));
        }
    }

    private static byte[] With(byte[] frame, byte flags, byte type, ushort headerLength, ushort size, ushort start, ushort offset) =>
    [
        flags, type, .. BitConverter.GetBytes(headerLength), .. BitConverter.GetBytes(size), .. BitConverter.GetBytes(start),
        .. BitConverter.GetBytes(offset), .. frame,
    ];
}
