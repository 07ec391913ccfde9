namespace Slirp.Wire.Tests;

public class Ipv6Tests
{
    private const string Addresses = "fd000000000000000000000000000100 20010db8000000000000000000000001";
    private const string Mapped = "00000000000000000000ffff0a000264";
    private const string Packet = "6ab12345 0004 11 40" + Addresses + "aa00 00ff";

    public static TheoryData<string, string, bool> Vectors => new()
    {
        { "header and payload",                    Packet,                                             true },
        { "header alone, no next header",          "60000000 0000 3b 40" + Addresses,                  true },
        { "padding behind the payload",            Packet + "0000",                                    true },
        { "version 4",                             "40000000 0000 3b 40" + Addresses,                  false },
        { "payload beyond the octets",             "60000000 0001 3b 40" + Addresses,                  false },
        { "payload length 65535",                  "60000000 ffff 3b 40" + Addresses,                  false },
        { "jumbogram (RFC 2675)",                  "60000000 0000 00 40" + Addresses + "3b00c20400010000", false },
        { "IPv4-mapped source (RFC 4942)",         "60000000 0000 3b 40" + Mapped + Mapped,            false },
        { "IPv4-mapped destination",               "60000000 0000 3b 40" + Addresses[..32] + Mapped,   false },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void TryParse_judges(string why, string packet, bool expected) =>
        Assert.True(expected == Ipv6View.TryParse(Hex.Octets(packet), out _), why);

    [Fact]
    public void Every_truncation_is_refused() =>
        Truncation.RefusesEveryPrefix(Hex.Octets(Packet), octets => Ipv6View.TryParse(octets, out _));

    [Fact]
    public void Fields_are_read()
    {
        Assert.True(Ipv6View.TryParse(Hex.Octets(Packet + "0000"), out Ipv6View ip));
        Assert.Equal((0xab, 0x12345u), (ip.TrafficClass, ip.FlowLabel));
        Assert.Equal((IpProtocol.Udp, 64), (ip.NextHeader, ip.HopLimit));
        Assert.Equal(("fd00::100", "2001:db8::1"), (ip.Source.ToString(), ip.Destination.ToString()));
        Assert.Equal("aa0000ff", Hex.Text(ip.Payload));
        Assert.Equal(44, ip.Octets.Length);
    }
}
