namespace Slirp.Wire.Tests;

public class Ipv6ExtensionsTests
{
    // Protocol numbers in hex: 00 hop-by-hop, 2b routing, 2c fragment, 3c destination options, 06 TCP, 3b none, 33 AH.
    private const string PadN4 = "0104 00000000";

    public static TheoryData<string, string, string, string?> Chains => new()
    {
        { "no extension",                         "06", "",                                         "6 at 0" },
        { "no next header",                       "3b", "",                                         "59 at 0" },
        { "authentication header is not walked",  "33", "0604",                                     "51 at 0" },
        { "hop-by-hop, padded",                   "00", "0600" + PadN4,                             "6 at 8" },
        { "router alert (type 5: skip)",          "00", "3a00 0502 0000 0100",                      "58 at 8" },
        { "six times Pad1",                       "3c", "0600 000000000000",                        "6 at 8" },
        { "sixteen octets",                       "3c", "0601 010c 000000000000000000000000",       "6 at 16" },
        { "hop-by-hop, then destination",         "00", "3c00" + PadN4 + "0600" + PadN4,            "6 at 16" },
        { "hop-by-hop is not first",              "3c", "0000" + PadN4 + "0600" + PadN4,            null },
        { "hop-by-hop twice",                     "00", "0000" + PadN4 + "0600" + PadN4,            null },
        { "header cut short",                     "3c", "0600 0104 0000",                           null },
        { "length past the end",                  "3c", "06ff" + PadN4,                             null },
        { "nothing where a header should be",     "3c", "",                                         null },
        { "option past its header",               "3c", "0600 0105 00000000",                       null },
        { "option type without a length",         "3c", "0600 0103 000000 01",                      null },
        { "unknown option that may be skipped",   "3c", "0600 1e04 00000000",                       "6 at 8" },
        { "unknown option, discard (01)",         "3c", "0600 4004 00000000",                       null },
        { "unknown option, discard (10)",         "3c", "0600 8004 00000000",                       null },
        { "unknown option, discard (11)",         "3c", "0600 c904 00000000",                       null },
        { "routing without segments left",        "2b", "0600 0400 00000000",                       "6 at 8" },
        { "routing type 0 with a segment left",   "2b", "0602 0001 00000000" + "fd00000000000000 0000000000000001", null },
        { "the first fragment",                   "2c", "0600 0001 01020304",                       "6 at 8 fragment 0+ id 1020304 at 0 named at -34 is 6" },
        { "a fragment in the middle",             "2c", "0600 05a9 01020304",                       "6 at 8 fragment 1448+ id 1020304 at 0 named at -34 is 6" },
        { "the last fragment",                    "2c", "06ff 05a8 01020304",                       "6 at 8 fragment 1448 id 1020304 at 0 named at -34 is 6" },
        { "atomic fragment (RFC 6946)",           "2c", "0600 0000 01020304",                       "6 at 8 atomic fragment 0 id 1020304 at 0 named at -34 is 6" },
        { "hop-by-hop, then fragment",            "00", "2c00" + PadN4 + "1100 0001 00000001",      "17 at 16 fragment 0+ id 1 at 8 named at 0 is 17" },
        { "first fragment, then destination",     "2c", "3c00 0001 00000001 1100" + PadN4,          "17 at 16 fragment 0+ id 1 at 0 named at -34 is 60" },
        { "later fragment of destination options: not walked", "2c", "3c00 0009 00000001 ffff ffffffff",
                                                                                                    "60 at 8 fragment 8+ id 1 at 0 named at -34 is 60" },
        { "two fragment headers",                 "2c", "2c00 0000 00000001 0600 0000 00000002",    null },
        { "fragment header cut short",            "2c", "0600 0001 010203",                         null },
        { "hop-by-hop behind a fragment header",  "2c", "0000 0001 00000001 0600" + PadN4,          null },
        { "eight headers",                        "3c", "3c00 010400000000 3c00 010400000000 3c00 010400000000 3c00 010400000000"
            + "3c00 010400000000 3c00 010400000000 3c00 010400000000 0600 010400000000",            "6 at 64" },
        { "nine headers",                         "3c", "3c00 010400000000 3c00 010400000000 3c00 010400000000 3c00 010400000000"
            + "3c00 010400000000 3c00 010400000000 3c00 010400000000 3c00 010400000000 0600 010400000000", null },
    };

    [Theory]
    [MemberData(nameof(Chains))]
    public void Chains_are_walked(string why, string first, string payload, string? expected)
    {
        byte[] octets = Hex.Octets(payload);
        byte[] packet = new byte[Ipv6Builder.HeaderLength + octets.Length];
        var protocol = (IpProtocol)Convert.ToByte(first, 16);
        Ipv6Builder.Write(packet, new Ipv6Fields(IpAddress.Parse("fd00::100"), IpAddress.Parse("fd00::2"), protocol, 64, 0, 0, octets.Length));
        octets.CopyTo(packet, Ipv6Builder.HeaderLength);
        Assert.True(Ipv6View.TryParse(packet, out Ipv6View ip));
        Assert.Equal((why, expected), (why, Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper) ? Describe(upper) : null));
    }

    [Fact]
    public void A_fragment_header_comes_back_as_it_was_written()
    {
        byte[] packet = new byte[Ipv6Builder.HeaderLength + Ipv6FragmentBuilder.HeaderLength];
        Array.Fill(packet, (byte)0xee);
        Ipv6Builder.Write(packet, new Ipv6Fields(IpAddress.Parse("fd00::100"), IpAddress.Parse("fd00::2"), IpProtocol.Ipv6Fragment, 64, 0, 0, 8));
        Ipv6FragmentBuilder.Write(packet.AsSpan(Ipv6Builder.HeaderLength), IpProtocol.Udp, 65528, true, 0xfedcba98);
        Assert.True(Ipv6View.TryParse(packet, out Ipv6View ip));
        Assert.True(Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper));
        Assert.Equal("17 at 8 fragment 65528+ id fedcba98 at 0 named at -34 is 17", Describe(upper));
        Assert.Equal(8, upper.FragmentPayloadOffset);
        Assert.Equal(0, packet[41]);
    }

    private static string Describe(in Ipv6UpperLayer upper)
    {
        string text = $"{(int)upper.UpperProtocol} at {upper.UpperOffset}";
        if (!upper.HasFragment) return text;
        string more = upper.MoreFragments ? "+" : "";
        return text + (upper.IsAtomicFragment ? " atomic" : "")
            + $" fragment {upper.FragmentOffset}{more} id {upper.FragmentIdentification:x} at {upper.FragmentHeaderOffset}"
            + $" named at {upper.NextHeaderFieldOffset} is {(int)upper.FragmentNextHeader}";
    }
}
