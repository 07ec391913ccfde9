using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Class E: Ethernet and ARP.</summary>
internal static class LinkAttacks
{
    public static IEnumerable<Attack> All(Packets p)
    {
        yield return new Attack("E1", null, Each(0, 13, length => new byte[length]));
        yield return new Attack("E2", "BadIpv4Header", [p.Ethernet([], 0x0800)]);
        yield return new Attack("E2", "BadIpv6Header", [p.Ethernet([], 0x86dd)]);
        yield return new Attack("E2", "BadArp", [p.Ethernet([], 0x0806)]);
        yield return new Attack("E3", null, [p.Ip(p.Udp4(1500)), p.Ip(p.Udp4(65_000))]);
        yield return new Attack("E4", "UnknownEtherType",
            from type in (int[])[0, 5, 46, 1500, 1535, 0x8100, 0x88a8, 0x88f8, 0x8863, 0xffff] select p.Ethernet(new byte[60], (ushort)type));
        byte[] tagged = p.Udp4();
        for (int depth = 0; depth < 10; depth++) tagged = [0, 1, (byte)(depth == 0 ? 0x08 : 0x81), 0, .. tagged];
        yield return new Attack("E4", "UnknownEtherType", [p.Ethernet(tagged, 0x8100)]);
        yield return new Attack("E5", "BadSourceMac",
            from mac in (ulong[])[0, 0xffff_ffff_ffff, 0x0100_5e00_0001, FrameFactory.OurMac.Value] select p.Ethernet(p.Udp4(), 0x0800, mac));
        yield return new Attack("E6", "BadArp", Each(0, 27, length => p.Ethernet(Arp(1, Packets.Bot4, Packets.Gateway4).AsSpan(0, length), 0x0806)));
        yield return new Attack("E6", "BadArp",
            from bend in ((int, int)[])[(4, 0), (4, 255), (5, 0), (5, 255), (0, 9), (2, 9)]
            select p.Ethernet(Bent(Arp(1, Packets.Bot4, Packets.Gateway4), bend), 0x0806));
        yield return new Attack("E6", null,
            from operation in (int[])[0, 3, 65535] select p.Ethernet(Arp(operation, Packets.Bot4, Packets.Gateway4), 0x0806));
        yield return new Attack("E6", null, [p.Ethernet(Arp(2, Packets.Gateway4, Packets.Gateway4), 0x0806)]);
        yield return new Attack("E6", null,
            Each(1, 20_000, i => p.Ethernet(Arp(2, $"10.0.2.{i % 200 + 20}", $"10.0.2.{i % 200 + 20}"), 0x0806)));
        yield return new Attack("E6", "NotForUs", [p.Ethernet(Arp(1, Packets.Bot4, "192.0.2.77"), 0x0806)]);
        yield return new Attack("E7", "udp_mappings_opened", [p.Ethernet([.. p.Udp4(1, fromPort: 4998), .. new byte[17]], 0x0800)]);
        yield return new Attack("E7", "udp_mappings_opened", [p.Ethernet([.. p.Udp6(1), .. new byte[] { 1, 2, 3 }], 0x86dd)]);
    }

    private static IEnumerable<byte[]> Each(int first, int last, Func<int, byte[]> make)
    {
        for (int i = first; i <= last; i++) yield return make(i);
    }

    private static byte[] Arp(int operation, string sender, string target)
    {
        var packet = new byte[ArpBuilder.Length];
        ArpBuilder.Write(packet, new ArpFields((ArpOperation)operation, FrameFactory.GuestMac, Ipv4Address.Parse(sender),
            default, Ipv4Address.Parse(target)));
        return packet;
    }

    private static byte[] Bent(byte[] packet, (int Offset, int Value) bend)
    {
        packet[bend.Offset] = (byte)bend.Value;
        return packet;
    }
}
