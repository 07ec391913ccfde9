namespace Slirp.Wire.Tests;

public class Ipv4Tests
{
    private const string Rest = "1234 4000 40 11 0000 0a000264 08080808"; // id, DF, TTL 64, UDP, no checksum, addresses
    private const string Packet = "4510 0018" + Rest + "aa00 00ff";

    public static TheoryData<string, string, bool> Vectors => new()
    {
        { "header and payload",                 Packet,                                      true },
        { "header alone",                       "4500 0014" + Rest,                          true },
        { "padding after Total Length",         "4500 0014" + Rest + "0000 0000",            true },
        { "options of four octets",             "4600 0018" + Rest + "01010101",             true },
        { "the longest header",                 "4f00 003c" + Rest + new string('0', 80),    true },
        { "version 0",                          "0500 0014" + Rest,                          false },
        { "version 5",                          "5500 0014" + Rest,                          false },
        { "version 6",                          "6500 0014" + Rest,                          false },
        { "IHL 0",                              "4000 0014" + Rest,                          false },
        { "IHL 4, below the fixed header",      "4400 0014" + Rest,                          false },
        { "IHL beyond the octets",              "4600 0018" + Rest,                          false },
        { "IHL beyond Total Length",            "4600 0014" + Rest + "01010101",             false },
        { "Total Length 0 (as TSO may leave)",  "4500 0000" + Rest,                          false },
        { "Total Length below the header",      "4500 0013" + Rest,                          false },
        { "Total Length beyond the octets",     "4500 0015" + Rest,                          false },
        { "Total Length 65535",                 "4500 ffff" + Rest,                          false },
    };

    public static TheoryData<string, string, bool, bool, int, bool> Fragments => new()
    {
        { "whole, may be fragmented",     "0000", false, false, 0,     false },
        { "whole, DF",                    "4000", true,  false, 0,     false },
        { "first of several",             "2000", false, true,  0,     true },
        { "one in the middle",            "2001", false, true,  8,     true },
        { "the last",                     "00b9", false, false, 1480,  true },
        { "the largest offset",           "1fff", false, false, 65528, true },
        { "DF and MF both",               "6000", true,  true,  0,     true },
        { "the reserved bit says nothing", "8000", false, false, 0,    false },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void TryParse_judges(string why, string packet, bool expected) =>
        Assert.True(expected == Ipv4View.TryParse(Hex.Octets(packet), out _), why);

    [Fact]
    public void Every_truncation_is_refused()
    {
        Truncation.RefusesEveryPrefix(Hex.Octets(Packet), octets => Ipv4View.TryParse(octets, out _));
        Truncation.RefusesEveryPrefix(
            Hex.Octets("4f00 003c" + Rest + new string('0', 80)), octets => Ipv4View.TryParse(octets, out _));
    }

    [Fact]
    public void Fields_are_read()
    {
        Assert.True(Ipv4View.TryParse(Hex.Octets("4610 001a 1234 4000 40 11 abcd 0a000264 08080808 01020304 aa00 ffff"), out Ipv4View ip));
        Assert.Equal((24, 26, 0x10, 0x1234), (ip.HeaderLength, ip.TotalLength, ip.Tos, ip.Identification));
        Assert.Equal((64, IpProtocol.Udp, 0xabcd), (ip.TimeToLive, ip.Protocol, ip.Checksum));
        Assert.Equal(("10.0.2.100", "8.8.8.8"), (ip.Source.ToString(), ip.Destination.ToString()));
        Assert.Equal("01020304", Hex.Text(ip.Options));
        Assert.Equal("aa00", Hex.Text(ip.Payload));
        Assert.Equal(26, ip.Octets.Length);
    }

    [Theory]
    [MemberData(nameof(Fragments))]
    public void Fragment_fields_are_read(string why, string flags, bool df, bool mf, int offset, bool isFragment)
    {
        Assert.True(Ipv4View.TryParse(Hex.Octets("4500 0014 1234" + flags + "40 11 0000 0a000264 08080808"), out Ipv4View ip));
        Assert.Equal((why, df, mf, offset, isFragment), (why, ip.DontFragment, ip.MoreFragments, ip.FragmentOffset, ip.IsFragment));
    }

    [Theory]
    [InlineData("as in many textbooks", "4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7", true)]
    [InlineData("one bit off", "4500 0073 0000 4000 4011 b860 c0a8 0001 c0a8 00c7", false)]
    [InlineData("options are covered", "4600 0073 0000 4000 4011 b55f c0a8 0001 c0a8 00c7 0101 0101", true)]
    [InlineData("options changed", "4600 0073 0000 4000 4011 b55f c0a8 0001 c0a8 00c7 0101 0102", false)]
    public void Checksum_covers_the_header(string why, string header, bool expected)
    {
        byte[] packet = new byte[0x73];
        Array.Fill(packet, (byte)0x5a);
        Hex.Octets(header).CopyTo(packet, 0);
        Assert.True(Ipv4View.TryParse(packet, out Ipv4View ip));
        Assert.True(expected == ip.HasValidChecksum, why);
    }
}
