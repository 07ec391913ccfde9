namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Class 4: IPv4 headers.</summary>
internal static class Ipv4Attacks
{
    private static readonly string[] WrongSources =
        ["0.0.0.0", "255.255.255.255", "10.0.2.255", "224.0.0.1", "127.0.0.1", "10.0.2.2", "10.0.2.3", "240.0.0.1"];

    private static readonly string[] NobodysDestinations =
    [
        "0.0.0.0", "255.255.255.255", "10.0.2.255", "224.0.0.1", "127.0.0.1", Packets.Bot4, "10.0.2.100", "239.255.255.250", "10.0.2.0",
    ];

    /// <summary>Ours, and what is for the host to judge.</summary>
    private static readonly string[] OtherDestinations = ["10.0.2.2", "10.0.2.3", "240.0.0.1", "169.254.169.254"];

    public static IEnumerable<Attack> All(Packets p)
    {
        byte[] right = p.Udp4();
        yield return new Attack("4.1", "BadIpv4Header",
            from version in (int[])[0, 5, 6, 15] select p.Ip(Packets.With(right, (0, version << 4 | 5)), asIpv6: false));
        yield return new Attack("4.2", "BadIpv4Header",
            from length in (int[])[0, 1, 2, 3, 4, 15] select p.Ip(Packets.With(p.Udp4(0), (0, 0x40 | length))));
        yield return new Attack("4.2", null,
            from options in (byte[][])
            [
                [0xff, 0], [0xff, 1], [0xff, 255], [7, 0], [7, 1, 1], [7, 39, 4], [68, 255, 5, 3], [0x83, 7, 4, 192, 0, 2, 1],
                [0x89, 3, 255], [1, 1, 1, 1, 1, 1, 1, 0], Filled(40, 0x83), Filled(40, 0xff), Filled(40, 0), Filled(40, 1),
            ]
            select p.Ip(Packets.WithOptions(right, options)));
        yield return new Attack("4.3", "BadIpv4Header",
            from length in (int[])[0, 1, 19, right.Length + 1, 1501, 65535] select p.Ip(Packets.WithWord(right, 2, length)));
        yield return new Attack("4.4", "BadIpv4Checksum", [p.Ip([.. right.AsSpan(0, 10), 0xde, 0xad, .. right.AsSpan(12)])]);
        yield return new Attack("4.5", "HopLimitExceeded",
            from hops in (int[])[0, 1] select p.Ip(Packets.With(p.Udp4(to: "192.0.2.1"), (8, hops))));
        yield return new Attack("4.6", "BadSourceAddress", from source in WrongSources select p.Ip(p.Udp4(source: source)));
        yield return new Attack("4.7", null, from to in NobodysDestinations.Concat(OtherDestinations) select p.Ip(p.Udp4(to: to)));
        yield return new Attack("4.7", "BadDestinationAddress", from to in NobodysDestinations select p.Ip(TcpAttacks.Syn4(to, 80)));
        yield return new Attack("4.7", null, from to in OtherDestinations select p.Ip(TcpAttacks.Syn4(to, 80)));
        yield return new Attack("4.8", "UnknownProtocol",
            from protocol in Enumerable.Range(0, 256)
            where protocol is not (1 or 2 or 6 or 17 or 59) // these are known, or known to be for nobody
            select p.Ip(Packets.Packet(Packets.Bot4, "192.0.2.1", protocol, new byte[24])));
        yield return new Attack("4.8", null,
            from protocol in Enumerable.Range(0, 256) select p.Ip(Packets.Packet(Packets.Bot4, Packets.Gateway4, protocol, [])));
    }

    private static byte[] Filled(int length, byte with)
    {
        var octets = new byte[length];
        Array.Fill(octets, with);
        return octets;
    }
}
