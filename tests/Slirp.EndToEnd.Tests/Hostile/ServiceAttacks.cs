using Slirp.Testing;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Classes D and N: what is sent to the DHCP servers and to the forwarder of DNS.</summary>
internal static class ServiceAttacks
{
    private static readonly byte[] Cookie = [99, 130, 83, 99];

    public static IEnumerable<Attack> Dhcp(Packets p)
    {
        yield return new Attack("D1", "BadDhcp", from length in Enumerable.Range(0, 240) select Bootp(p, Header().AsSpan(0, Math.Min(length, 236)).ToArray()));
        yield return new Attack("D2", "BadDhcp", [Bootp(p, [.. Header(), 0, 0, 0, 0, 53, 1, 1, 255]), Bootp(p, [.. Header(), 99, 130, 83, 98, 53, 1, 1, 255])]);
        yield return new Attack("D3", null,
            from options in (byte[][])
            [
                [53, 255, 1], [53], [53, 0, 255], [53, 1], [53, 1, 0, 255], [53, 1, 99, 255], [255, 53, 1, 1], [53, 1, 1],
                [.. new byte[312]], [.. new byte[312], 53, 1, 1, 255], [53, 1, 1, 52, 1, 3, 255], [52, 1, 3, 52, 1, 3, 53, 1, 1],
                [82, 4, 1, 2, 3, 4, 53, 1, 1, 255], [53, 1, 1, 53, 1, 3, 55, 2, 1, 3, 55, 1, 255, 255], [53, 1, 3, 50, 3, 10, 0, 2, 255],
                [53, 1, 3, 50, 4, 10, 0, 2, 2, 255], [53, 1, 1, 61, 0, 255], [53, 1, 1, 57, 2, 0, 0, 255], [53, 1, 1, 57, 2, 255, 255, 255],
                [53, 1, 8, 255], [53, 1, 4, 255], [53, 1, 7, 255], [53, 1, 5, 255], [53, 1, 2, 255],
            ]
            select Bootp(p, [.. Header(), .. Cookie, .. options]));
        yield return new Attack("D3", null, [Bootp(p, [.. Overloaded(), .. Cookie, 52, 1, 3, 53, 1, 1, 255])]);
        yield return new Attack("D4", null,
            from bend in (((int, int)[])[(0, 2), (1, 255), (2, 255), (2, 0), (3, 255), (8, 255), (10, 0x80), (24, 10), (16, 10)])
            select Bootp(p, Bent([.. Header(), .. Cookie, 53, 1, 1, 255], bend)));
        yield return new Attack("D6", "BadDhcpv6",
            from body in (byte[][])[[], [11], [11, 0, 0], [99, 0, 0, 1], [12, 0, .. new byte[32], 0, 9]] select Dhcpv6(p, body));
        yield return new Attack("D6", null,
            from options in (byte[][])
            [
                [], [0, 1], [0, 1, 255, 255], [0, 1, 0, 0], [0, 1, 0, 130, .. new byte[130]], [0, 3, 0, 12, .. new byte[12], 0, 5],
                [0, 3, 0, 16, .. new byte[12], 0, 3, 255, 255], [0, 6, 0, 1, 23], [0, 6, 0, 255], [0, 14, 0, 0, 0, 14, 0, 0],
                [0, 3, 0, 40, .. new byte[12], 0, 5, 0, 24, .. new byte[24]],
            ]
            from type in (byte[])[1, 3, 11]
            select Dhcpv6(p, [type, 1, 2, 3, .. options]));
        yield return new Attack("D6", null, [Dhcpv6(p, [11, 1, 2, 3, 0, 6, 0, 2, 0, 23], source: "2001:db8::77")]);
    }

    public static IEnumerable<Attack> Dns(Packets p)
    {
        byte[] right = DnsMessage.Query(7);
        yield return new Attack("N1", "BadDns", from length in Enumerable.Range(0, 12) select Query(p, right.AsSpan(0, length).ToArray()));
        yield return new Attack("N2", "BadDns",
            from name in (byte[][])[[0xc0, 12], [0xc0, 13], [0xc0, 200], [0xff, 0xff], [1], [63, 1], [64, 1, 0], [0x80, 0], [1, 65, 0xc0, 12], Labels(130)]
            select Query(p, [.. DnsMessage.Header(7, 0x0100, 1, 0, 0, 0), .. name, 0, 1, 0, 1]));
        yield return new Attack("N3", "BadDns", from count in (int[])[0, 2, 65535] select Query(p, [.. DnsMessage.Header(7, 0x0100, count, 0, 0, 0), .. right.AsSpan(12)]));
        yield return new Attack("N3", null,
            from counts in ((int, int, int)[])[(65535, 0, 0), (0, 65535, 0), (0, 0, 65535)]
            select Query(p, [.. DnsMessage.Header(7, 0x0100, 1, counts.Item1, counts.Item2, counts.Item3), .. right.AsSpan(12)]));
        yield return new Attack("N4", "BadDns", [Query(p, [.. DnsMessage.Header(7, 0x8180, 1, 0, 0, 0), .. right.AsSpan(12)])]);
        yield return new Attack("N4", null, from code in Enumerable.Range(0, 16) select Query(p, [.. DnsMessage.Header(7, code << 11, 1, 0, 0, 0), .. right.AsSpan(12)]));
        yield return new Attack("N1", null, [Query(p, [.. right, .. new byte[1400 - right.Length]])]);
    }

    private static byte[] Query(Packets p, byte[] message) =>
        p.Ip(FrameFactory.Udp(FrameFactory.Endpoint(Packets.Bot4, 4053), FrameFactory.Endpoint("10.0.2.3", 53), message));

    private static byte[] Labels(int count)
    {
        var name = new List<byte>();
        for (int i = 0; i < count; i++) name.AddRange([1, 65]); // 260 octets: more than a name may have
        return [.. name, 0];
    }

    private static byte[] Header()
    {
        var header = new byte[236];
        (header[0], header[1], header[2]) = (1, 1, 6);
        byte[] station = [2, 0, 0, 0, 0, 77];
        station.CopyTo(header, 28);
        return header;
    }

    /// <summary>File and server name hold options that say again that they hold options.</summary>
    private static byte[] Overloaded()
    {
        byte[] header = Header();
        byte[] again = [52, 1, 3, 82, 255];
        again.CopyTo(header, 44);
        again.CopyTo(header, 108);
        return header;
    }

    private static byte[] Bent(byte[] message, (int Offset, int Value) bend)
    {
        message[bend.Offset] = (byte)bend.Value;
        return message;
    }

    private static byte[] Bootp(Packets p, byte[] message) =>
        p.Ip(FrameFactory.Udp(FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), message));

    private static byte[] Dhcpv6(Packets p, byte[] message, string source = "fe80::77") =>
        p.Ip(FrameFactory.Udp(FrameFactory.Endpoint(source, 546), FrameFactory.Endpoint("ff02::1:2", 547), message));
}
