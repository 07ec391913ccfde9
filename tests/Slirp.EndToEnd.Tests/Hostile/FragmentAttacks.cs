using Slirp.Testing;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Class F: fragments of both families.</summary>
internal static class FragmentAttacks
{
    private static uint _identification;

    public static IEnumerable<Attack> All(Packets p)
    {
        foreach (byte[] whole in (byte[][])[p.Udp4(1200), p.Udp6(1200)])
        {
            bool v4 = whole[0] >> 4 == 4;
            int header = v4 ? 20 : 40;
            byte[] Piece(uint id, int offset, int length, bool more, byte fill = 0) =>
                p.Ip(FragmentFactory.Piece(whole, offset, Filled(length, fill), more, id));
            IEnumerable<byte[]> Set(params (int Offset, int Length, bool More, byte Fill)[] pieces)
            {
                uint id = ++_identification;
                foreach ((int offset, int length, bool more, byte fill) in pieces) yield return Piece(id, offset, length, more, fill);
            }

            yield return new Attack("F1", null, Set((0, 1400, true, 0), (65_512 - 8, 8, false, 0)));
            yield return new Attack("F2", "FragmentMalformed", Set((0, 1400, true, 0), (65_528, 1400, false, 0)), Times: 1);
            yield return new Attack("F3", "FragmentOverlap", Set((0, 800, true, 1), (400, 800, false, 2)), Times: 1); // its tail
            yield return new Attack("F3", "FragmentOverlap", Set((400, 800, true, 1), (0, 800, true, 2)), Times: 1); // its head
            yield return new Attack("F3", "FragmentOverlap", Set((0, 1200, true, 1), (400, 80, true, 2)), Times: 1); // inside
            yield return new Attack("F3", "FragmentOverlap", Set((400, 80, true, 1), (0, 1200, true, 2)), Times: 1); // around
            yield return new Attack("F3", null, Set((0, 800, true, 1), (0, 800, true, 1), (0, 800, true, 1)));
            yield return new Attack("F3", null, Set((0, 800, true, 1), (0, 800, true, 2)));
            yield return new Attack("F4", null, Set((0, 800, true, 0), (800, 0, true, 0), (800, 0, false, 0)));
            yield return new Attack("F5", null, Set((800, 408, false, 0)));
            yield return new Attack("F6", null, Set((0, 8, true, 0), (8, 1200, false, 0)));
            yield return new Attack("F8", null,
                from protocol in (int[])[1, 6, 17, 58]
                select p.Ip(Packets.With(FragmentFactory.Piece(whole, 0, new byte[800], true, 77), (v4 ? 9 : 40, protocol))));
            yield return new Attack("F11", null, Complete(p, whole, header));
        }

        byte[] right4 = p.Udp4();
        yield return new Attack("F9", null, [p.Ip(Packets.With(right4, (6, 0x60)))]);
        byte[] right6 = p.Udp6();
        yield return new Attack("F10", "udp_mappings_opened", [p.Ip(Packets.WithHeaders(p.Udp6(source: "fd00::78"), 44, 17, 0, 0, 0, 0, 0, 0, 9))]);
        yield return new Attack("F10", "BadIpv6Extension",
            [p.Ip(Packets.WithHeaders(right6, 44, 44, 0, 0, 1, 0, 0, 0, 9, 17, 0, 0, 1, 0, 0, 0, 9))]);
        yield return new Attack("F10", null, [p.Ip(Packets.WithHeaders(right6, 44, 0, 0, 0, 0, 0, 0, 0, 9, 17, 0, 1, 4, 0, 0, 0, 0))]);
    }

    /// <summary>64 KiB in fragments of eight octets, backwards: what is quadratic takes a minute.</summary>
    private static IEnumerable<byte[]> Complete(Packets p, byte[] whole, int header)
    {
        byte[] large = whole[0] >> 4 == 4 ? p.Udp4(65_000) : p.Udp6(65_000);
        for (int offset = (large.Length - header - 1) & ~7; offset >= 0; offset -= 8)
        {
            int end = Math.Min(large.Length, header + offset + 8);
            yield return p.Ip(FragmentFactory.Piece(large, offset, large.AsSpan(header + offset, end - header - offset), end < large.Length, 99));
        }
    }

    private static byte[] Filled(int length, byte with)
    {
        var octets = new byte[length];
        Array.Fill(octets, with);
        return octets;
    }
}
