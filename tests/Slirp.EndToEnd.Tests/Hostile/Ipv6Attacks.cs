using Slirp.Testing;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Class 6: IPv6 headers, neighbour discovery, MLD.</summary>
internal static class Ipv6Attacks
{
    public static IEnumerable<Attack> All(Packets p)
    {
        byte[] right = p.Udp6();
        int payload = right.Length - 40;
        yield return new Attack("6.1", "BadIpv6Header",
            from length in (int[])[payload + 1, 1461, 65535] select p.Ip(Packets.WithWord(right, 4, length)));
        yield return new Attack("6.1", null, from length in (int[])[0, 1, 7] select p.Ip(Packets.WithWord(right, 4, length)));
        yield return new Attack("6.1", null, [p.Ip(Packets.WithWord(Packets.WithHeaders(right, 0, 17, 0, 0xc2, 4, 0, 1, 0, 0), 4, 0))]);
        yield return new Attack("6.2", "BadIpv6Extension",
        [
            p.Ip(Packets.WithHeaders(right, 60, [0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0])), // hop-by-hop not first
            p.Ip(Packets.WithHeaders(right, 0, 17, 255, 1, 4, 0, 0, 0, 0)),
            p.Ip(Packets.WithHeaders(right, 60, Chain(150))),
        ]);
        yield return new Attack("6.2", null,
        [
            p.Ip(Packets.WithHeaders(right, 43, [17, 2, 0, 1, 0, 0, 0, 0, .. new byte[16]])),
            p.Ip(Packets.WithHeaders(right, 60, 17, 0, 0xc1, 255, 1, 2, 3, 4)),
            p.Ip(Packets.WithHeaders(right, 60, 17, 0, 0x3e, 4, 0, 0, 0, 0)),
            p.Ip(Packets.WithHeaders(right, 51, 17, 255, 0, 0, 0, 0, 0, 0)),
        ]);
        yield return new Attack("6.3", "UnknownProtocol", from next in (int[])[253, 254, 255, 6 + 128] select p.Ip(Packets.With(right, (6, next))));
        yield return new Attack("6.3", "IcmpNotSupported", [p.Ip(Packets.With(right, (6, 59)))]);
        yield return new Attack("6.4", "BadSourceAddress",
            from source in (string[])["::1", "ff02::1", "ff0e::1"] select p.Ip(p.Udp6(source: source)));
        yield return new Attack("6.4", null, from source in (string[])["::", "fe80::2", "fd00::2", "fd00::3"] select p.Ip(p.Udp6(source: source)));
        yield return new Attack("6.4", "BadIpv6Header", [p.Ip(Mapped(right, 8)), p.Ip(Mapped(right, 24))]);
        yield return new Attack("6.5", "BadNeighbourDiscovery", from type in (int[])[133, 134, 135, 136, 137] select Discovery(p, type, 64, []));
        yield return new Attack("6.5", "BadNeighbourDiscovery",
            from type in (int[])[133, 135, 136] select Discovery(p, type, 255, [.. type == 133 ? [] : Target, 1, 0, 0, 0, 0, 0, 0, 0]));
        yield return new Attack("6.5", "BadNeighbourDiscovery",
            from length in (int[])[1, 2, 7, 15] select Discovery(p, 135, 255, Target.AsSpan(0, length)));
        yield return new Attack("6.5", null,
        [
            Discovery(p, 134, 255, [0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, .. Target]),
            Discovery(p, 137, 255, [.. Target, .. Target]), Discovery(p, 135, 255, [.. Target, 1, 255, 0, 0, 0, 0, 0, 0]),
        ]);
        yield return new Attack("6.6", null,
            from i in Enumerable.Range(0, 10_000)
            select p.Ip(Packets.WithHeaders(Icmp("fe80::77", "ff02::16", 143, [0, 0, 0, 1, 4, 0, 0, 0, 0xff, 2, .. new byte[12], (byte)(i >> 8), (byte)i]),
                0, 58, 0, 5, 2, 0, 0, 1, 0)));
    }

    private static byte[] Target => [0xfd, .. new byte[14], 2];

    private static byte[] Icmp(string from, string to, int type, ReadOnlySpan<byte> body, byte hopLimit = 255) =>
        Packets.Packet(from, to, 58, FrameFactory.IcmpMessage(Packets.Address(from), Packets.Address(to), (byte)type, 0, 0, body), hopLimit);

    private static byte[] Discovery(Packets p, int type, byte hopLimit, ReadOnlySpan<byte> body) =>
        p.Ip(Icmp("fe80::77", "fe80::2", type, body, hopLimit));

    /// <summary>So many destination options headers, one behind the other.</summary>
    private static byte[] Chain(int count)
    {
        var headers = new List<byte>();
        for (int i = 0; i < count; i++) headers.AddRange([(byte)(i == count - 1 ? 17 : 60), 0, 1, 4, 0, 0, 0, 0]);
        return [.. headers];
    }

    private static byte[] Mapped(byte[] packet, int at)
    {
        byte[] bent = [.. packet];
        bent.AsSpan(at, 10).Clear();
        bent[at + 10] = bent[at + 11] = 0xff;
        return bent;
    }
}
