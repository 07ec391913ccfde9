using System.Buffers.Binary;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>Cuts packets into fragments the way a guest's kernel does, or the way an attacker would.</summary>
public static class FragmentFactory
{
    /// <summary>Fragments that fit <paramref name="mtu"/>, in order.</summary>
    public static List<byte[]> Split(ReadOnlySpan<byte> packet, int mtu, uint identification)
    {
        bool v4 = packet[0] >> 4 == 4;
        int headerLength = v4 ? 20 : 40;
        int overhead = v4 ? 20 : 48;
        int step = (mtu - overhead) & ~7;
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 8, nameof(mtu));
        int length = packet.Length - headerLength;
        var fragments = new List<byte[]>();
        for (int offset = 0; offset < length; offset += step)
        {
            int end = Math.Min(length, offset + step);
            fragments.Add(Piece(packet, offset, packet[(headerLength + offset)..(headerLength + end)], end < length, identification));
        }
        return fragments;
    }

    /// <summary>One fragment with the addresses and protocol of <paramref name="packet"/> and any offset and content.</summary>
    public static byte[] Piece(
        ReadOnlySpan<byte> packet, int offset, ReadOnlySpan<byte> content, bool moreFragments, uint identification) =>
        packet[0] >> 4 == 4
            ? Piece4(packet, offset, content, moreFragments, (ushort)identification)
            : Piece6(packet, offset, content, moreFragments, identification);

    private static byte[] Piece4(ReadOnlySpan<byte> packet, int offset, ReadOnlySpan<byte> content, bool more, ushort identification)
    {
        var fragment = new byte[20 + content.Length];
        packet[..20].CopyTo(fragment);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(2), (ushort)fragment.Length);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(4), identification);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(6), (ushort)(offset / 8 | (more ? 0x2000 : 0)));
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(10), 0);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(10), (ushort)~FrameFactory.SlowSum(fragment.AsSpan(0, 20)));
        content.CopyTo(fragment.AsSpan(20));
        return fragment;
    }

    private static byte[] Piece6(ReadOnlySpan<byte> packet, int offset, ReadOnlySpan<byte> content, bool more, uint identification)
    {
        var fragment = new byte[48 + content.Length];
        packet[..40].CopyTo(fragment);
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(4), (ushort)(8 + content.Length));
        fragment[6] = (byte)IpProtocol.Ipv6Fragment;
        fragment[40] = packet[6];
        BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(42), (ushort)(offset & 0xfff8 | (more ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(fragment.AsSpan(44), identification);
        content.CopyTo(fragment.AsSpan(48));
        return fragment;
    }
}
