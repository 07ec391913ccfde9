namespace Slirp.Wire.Tests;

public class AddressTests
{
    public static TheoryData<string, string, string?> Texts => new()
    {
        { "dotted quad",                          "10.0.2.100",             "10.0.2.100" },
        { "the largest",                          "255.255.255.255",        "255.255.255.255" },
        { "leading zeros are octal to some",      "010.0.2.1",               null },
        { "three parts",                          "10.0.2",                 null },
        { "five parts",                           "10.0.2.1.1",             null },
        { "an octet of 256",                      "10.0.2.256",             null },
        { "an empty octet",                       "10..2.1",                null },
        { "a sign",                               "10.0.2.-1",              null },
        { "hexadecimal",                          "0x0a.0.2.1",             null },
        { "blanks",                               " 10.0.2.1",              null },
        { "one number",                           "167772674",              null },
        { "nothing",                              "",                       null },
        { "compressed IPv6",                      "fd00:0::0064",           "fd00::64" },
        { "the unspecified address",              "::",                     "::" },
        { "IPv4-mapped is IPv4 inside",           "::ffff:10.0.2.1",        "10.0.2.1" },
        { "a scope is no part of an address",     "fe80::1%eth0",           null },
        { "brackets belong to URLs",              "[fd00::1]",              null },
        { "nine groups",                          "1:2:3:4:5:6:7:8:9",      null },
    };

    public static TheoryData<string, string, string> Kinds => new()
    {
        { "0.0.0.0",          "4 any",        "this network" },
        { "127.0.0.1",        "4 loopback",   "" },
        { "127.255.255.254",  "4 loopback",   "the whole of 127/8" },
        { "128.0.0.1",        "4",            "the first behind it" },
        { "223.255.255.255",  "4",            "the last unicast" },
        { "224.0.0.1",        "4 multicast beyond",  "" },
        { "239.255.255.255",  "4 multicast beyond",  "" },
        { "240.0.0.1",        "4",            "reserved" },
        { "169.254.169.254",  "4 link-local", "" },
        { "169.253.0.1",      "4",            "" },
        { "::",               "6 any",        "" },
        { "::1",              "6 loopback",   "" },
        { "::2",              "6",            "" },
        { "fe80::1",          "6 link-local", "" },
        { "febf::1",          "6 link-local", "the end of fe80::/10" },
        { "fec0::1",          "6",            "the first behind it" },
        { "ff00::1",          "6 multicast",  "reserved" },
        { "ff01::1",          "6 multicast",  "interface-local" },
        { "ff02::1",          "6 multicast beyond",  "" },
        { "ff11::1",          "6 multicast",  "interface-local, with a flag" },
        { "ff3e::1",          "6 multicast beyond",  "" },
        { "fd00::1",          "6",            "" },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void Text_is_parsed(string why, string text, string? expected)
    {
        string? parsed = IpAddress.TryParse(text, out IpAddress address) ? address.ToString() : null;
        Assert.Equal((why, expected), (why, parsed));
        if (expected == null) Assert.Throws<FormatException>(() => IpAddress.Parse(text));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Kinds_are_told_apart(string text, string expected, string why)
    {
        IpAddress address = IpAddress.Parse(text);
        string kind = (address.IsIpv4 ? "4" : "6") + (address.IsAny ? " any" : "") + (address.IsLoopback ? " loopback" : "")
            + (address.IsMulticast ? " multicast" : "")
            + (address.IsMulticastBeyondNode ? " beyond" : "") + (address.IsLinkLocal ? " link-local" : "");
        Assert.Equal((expected, why), (kind, why));
    }

    [Fact]
    public void Octets_come_back_as_they_were_written()
    {
        byte[] octets = Hex.Octets("20010db8000102030405060708090a0b");
        byte[] written = new byte[16];
        IpAddress.ReadIpv6(octets).WriteIpv6(written);
        Assert.Equal(octets, written);
        IpAddress v4 = IpAddress.ReadIpv4(Hex.Octets("0a000264"));
        Assert.Equal((4, "10.0.2.100"), (v4.Length, v4.ToString()));
        v4.WriteIpv6(written);
        Assert.Equal("00000000000000000000ffff0a000264", Hex.Text(written));
        v4.Write(written);
        Assert.Equal("0a000264", Hex.Text(written.AsSpan(0, 4)));
    }

    [Fact]
    public void Endpoints_print_as_urls_do()
    {
        Assert.Equal("10.0.2.100:80", new IpEndpoint(IpAddress.Parse("10.0.2.100"), 80).ToString());
        Assert.Equal("[fd00::100]:80", new IpEndpoint(IpAddress.Parse("fd00::100"), 80).ToString());
    }

    [Theory]
    [InlineData("52:54:00:12:34:56", "52:54:00:12:34:56")]
    [InlineData("FF:ff:0:1:2:3", "ff:ff:00:01:02:03")]
    [InlineData("52:54:00:12:34", null)]
    [InlineData("52:54:00:12:34:56:78", null)]
    [InlineData("52-54-00-12-34-56", null)]
    [InlineData("525400123456", null)]
    [InlineData("52:54:00:12:34:", null)]
    [InlineData("52:54:00:12:34:123", null)]
    [InlineData("52:54:00:12:34:+1", null)]
    public void Mac_text_is_parsed(string text, string? expected) =>
        Assert.Equal(expected, MacAddress.TryParse(text, out MacAddress mac) ? mac.ToString() : null);

    [Fact]
    public void Mac_octets_come_back_as_they_were_written()
    {
        byte[] octets = Hex.Octets("0102030405fe");
        MacAddress mac = MacAddress.Read(octets);
        Assert.Equal(0x0102030405feul, mac.Value);
        byte[] written = Hex.Octets("eeeeeeeeeeeeee");
        mac.Write(written);
        Assert.Equal("0102030405feee", Hex.Text(written));
        Assert.Equal((true, false, false), (mac.IsMulticast, mac.IsZero, new MacAddress(0x020000000000).IsMulticast));
        Assert.True(MacAddress.Broadcast.IsMulticast);
    }

    [Theory]
    [InlineData(0u, 1u, -1)]
    [InlineData(0xffff_ffffu, 0u, -1)] // across the wrap
    [InlineData(0x7fff_ffffu, 0u, int.MaxValue)]
    [InlineData(5u, 5u, 0)]
    public void Sequence_numbers_are_ordered_by_distance(uint a, uint b, int distance)
    {
        SequenceNumber one = new(a), two = new(b);
        Assert.Equal(distance, one.Since(two));
        Assert.Equal((distance < 0, distance > 0), (one.IsBefore(two), one.IsAfter(two)));
        Assert.Equal((distance <= 0, distance >= 0), (one.IsAtOrBefore(two), one.IsAtOrAfter(two)));
        Assert.Equal(distance < 0 ? two : one, SequenceNumber.Later(one, two));
        Assert.Equal(distance < 0 ? one : two, SequenceNumber.Earlier(one, two));
        Assert.Equal(one, two + distance);
        Assert.Equal(two, one - distance);
    }

    [Fact]
    public void A_window_may_lie_across_the_wrap()
    {
        var start = new SequenceNumber(0xffff_fff0);
        Assert.True(start.IsWithin(start, 1));
        Assert.False(start.IsWithin(start, 0));
        Assert.True(new SequenceNumber(0xf).IsWithin(start, 0x20));
        Assert.False(new SequenceNumber(0x10).IsWithin(start, 0x20));
        Assert.False(new SequenceNumber(0xffff_ffef).IsWithin(start, 0x20));
    }
}
