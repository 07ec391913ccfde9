namespace Slirp.Wire.Tests;

public class NdpTests
{
    private static readonly IpAddress From = IpAddress.Parse("fe80::1"), To = IpAddress.Parse("ff02::1");
    private static readonly IpAddress Target = IpAddress.Parse("fd00::100");
    private static readonly MacAddress Mac = new(0x525400123456);
    private const string TargetHex = "fd000000000000000000000000000100";

    public static TheoryData<string, string, bool> Solicitations => new()
    {
        { "with source link-layer address",            "87000000 00000000" + TargetHex + "0101 525400123456", true },
        { "without options (DAD)",                     "87000000 00000000" + TargetHex, true },
        { "an advertisement",                          "88000000 00000000" + TargetHex, false },
        { "code is not 0",                             "87010000 00000000" + TargetHex, false },
        { "target cut short",                          "87000000 00000000" + "fd00", false },
        { "multicast target",                          "87000000 00000000" + "ff020000000000000000000000000001", false },
        { "IPv4-mapped target",                        "87000000 00000000" + "00000000000000000000ffff0a000202", false },
        { "option of length 0: would loop for ever",   "87000000 00000000" + TargetHex + "0100 525400123456", false },
        { "option past the end",                       "87000000 00000000" + TargetHex + "0102 525400123456", false },
        { "option's type without a length",            "87000000 00000000" + TargetHex + "01", false },
        { "octets behind the last option",             "87000000 00000000" + TargetHex + "0101 525400123456 0000", false },
        { "an unknown option is stepped over",         "87000000 00000000" + TargetHex + "fe02 0000 0000 0000 0000 0000 0000 0000", true },
    };

    [Theory]
    [MemberData(nameof(Solicitations))]
    public void Solicitations_are_judged(string why, string message, bool expected)
    {
        Assert.Equal((why, expected), (why, Icmpv6View.TryParse(Hex.Octets(message), out Icmpv6View icmp)
            && NeighborSolicitationView.TryParse(icmp, out _)));
    }

    [Fact]
    public void A_solicitation_comes_back_as_it_was_written()
    {
        byte[] buffer = Dirty(100);
        int length = NeighborBuilder.WriteSolicitation(buffer, From, To, Target, Mac);
        Assert.Equal(NeighborBuilder.MaxLength, length);
        Icmpv6View icmp = Parse(buffer[..length]);
        Assert.True(NeighborSolicitationView.TryParse(icmp, out NeighborSolicitationView solicitation));
        Assert.Equal((Target, (MacAddress?)Mac), (solicitation.Target, solicitation.SourceLinkLayer));
        Assert.Equal(0u, icmp.RestOfHeader);

        length = NeighborBuilder.WriteSolicitation(buffer, default, To, Target, null);
        Assert.True(Icmpv6View.TryParse(buffer.AsSpan(0, length), out icmp) && icmp.HasValidChecksum(default, To));
        Assert.True(NeighborSolicitationView.TryParse(icmp, out solicitation));
        Assert.Null(solicitation.SourceLinkLayer);
    }

    [Fact]
    public void An_advertisement_comes_back_with_each_flag()
    {
        for (int bits = 0; bits < 16; bits++)
        {
            var fields = new NeighborAdvertisementFields(
                Target, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0 ? Mac : null);
            byte[] buffer = Dirty(100);
            int length = NeighborBuilder.WriteAdvertisement(buffer, From, To, fields);
            Assert.True(NeighborAdvertisementView.TryParse(Parse(buffer[..length]), out NeighborAdvertisementView view));
            Assert.Equal(fields, new NeighborAdvertisementFields(
                view.Target, view.IsRouter, view.IsSolicited, view.IsOverride, view.TargetLinkLayer));
        }
    }

    [Fact]
    public void A_router_solicitation_comes_back_as_it_was_written()
    {
        byte[] buffer = Dirty(100);
        int length = RouterSolicitationBuilder.Write(buffer, From, To, Mac);
        Assert.True(RouterSolicitationView.TryParse(Parse(buffer[..length]), out RouterSolicitationView view));
        Assert.Equal(Mac, view.SourceLinkLayer);
        length = RouterSolicitationBuilder.Write(buffer, From, To, null);
        Assert.Equal(8, length);
        Assert.True(RouterSolicitationView.TryParse(Parse(buffer[..length]), out view));
        Assert.Null(view.SourceLinkLayer);
    }

    [Fact]
    public void A_router_advertisement_comes_back_with_all_its_options()
    {
        byte[] message = WriteAdvertisement(out RouterAdvertisementFields fields, out PrefixInformation prefix);
        Assert.True(RouterAdvertisementView.TryParse(Parse(message), out RouterAdvertisementView view));
        Assert.Equal(fields, view.Fields);
        Assert.Equal(Mac, view.SourceLinkLayer);
        var found = new List<string>();
        NdpOptionReader options = view.Options;
        while (options.TryRead(out NdpOptionType type, out ReadOnlySpan<byte> body))
        {
            if (type == NdpOptionType.PrefixInformation)
            {
                Assert.True(PrefixInformation.TryParse(body, out PrefixInformation parsed));
                Assert.Equal(prefix, parsed);
            }
            else found.Add($"{type} {Hex.Text(body)}");
        }
        string[] expected =
        [
            "SourceLinkLayer 525400123456",
            "Mtu 00000000fff0",
            "RecursiveDns 000000000e10fd000000000000000000000000000003",
            "DnsSearchList 00000000003c" + "0161076578616d706c65000162000000", // filled up to a multiple of eight
        ];
        Assert.Equal(expected, found);
    }

    [Fact]
    public void Truncated_router_advertisements_are_refused_unless_they_end_between_options()
    {
        byte[] message = WriteAdvertisement(out _, out _);
        int[] ends = [16, 24, 32, 64, 88, 112];
        Assert.Equal(112, message.Length);
        for (int length = 0; length <= message.Length; length++)
        {
            bool taken = Icmpv6View.TryParse(message.AsSpan(0, length), out Icmpv6View icmp) && RouterAdvertisementView.TryParse(icmp, out _);
            Assert.True(ends.Contains(length) == taken, $"{length} octets");
        }
    }

    [Fact]
    public void Options_that_do_not_fit_are_left_out_whole()
    {
        byte[] buffer = Dirty(24);
        var builder = new RouterAdvertisementBuilder(buffer, default);
        Assert.False(builder.AddPrefix(default));
        Assert.False(builder.AddRecursiveDns(1, [Target]));
        Assert.False(builder.AddRecursiveDns(1, []));
        Assert.False(builder.AddSearchList(1, ["example.com"]));
        Assert.False(builder.AddSearchList(1, []));
        Assert.True(builder.AddMtu(1500));
        Assert.False(builder.AddMtu(1500));
        Assert.False(builder.AddSourceLinkLayer(Mac));
        Assert.False(builder.AddSearchList(1, ["a"]));
        Assert.Equal(24, builder.Finish(From, To));
        Assert.True(RouterAdvertisementView.TryParse(Parse(buffer), out _));
    }

    [Theory]
    [InlineData("a body of another length", "40c0 00000e10 00000e10 00000000 fd00")]
    [InlineData("a prefix of 129 bits", "81c0 00000e10 00000e10 00000000 fd000000000000000000000000000000")]
    public void Bad_prefixes_are_refused(string why, string body) => Assert.False(PrefixInformation.TryParse(Hex.Octets(body), out _), why);

    private static byte[] WriteAdvertisement(out RouterAdvertisementFields fields, out PrefixInformation prefix)
    {
        fields = new RouterAdvertisementFields(64, false, true, 1800, 30_000, 1000);
        prefix = new PrefixInformation(IpAddress.Parse("fd00::"), 64, true, true, 86400, 14400);
        byte[] buffer = Dirty(200);
        var builder = new RouterAdvertisementBuilder(buffer, fields);
        Assert.True(builder.AddSourceLinkLayer(Mac));
        Assert.True(builder.AddMtu(65520));
        Assert.True(builder.AddPrefix(prefix));
        Assert.True(builder.AddRecursiveDns(3600, [IpAddress.Parse("fd00::3")]));
        Assert.True(builder.AddSearchList(60, ["a.example", "b"]));
        return buffer[..builder.Finish(From, To)];
    }

    private static Icmpv6View Parse(byte[] message)
    {
        Assert.True(Icmpv6View.TryParse(message, out Icmpv6View icmp));
        Assert.True(icmp.HasValidChecksum(From, To));
        return icmp;
    }

    private static byte[] Dirty(int length)
    {
        byte[] buffer = new byte[length];
        Array.Fill(buffer, (byte)0xee);
        return buffer;
    }
}
