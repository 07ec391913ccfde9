using Slirp.Wire.Dhcp;

namespace Slirp.Wire.Tests.Dhcp;

public class Dhcpv6Tests
{
    // Information-request 0x123456: client id (DUID-LL), elapsed time, option request for 23 and 24.
    private const string Request = "0b123456 0001000a 00030001525400123456 0008 0002 0000 0006 0004 0017 0018";

    public static TheoryData<string, string, bool> Vectors => new()
    {
        { "an information-request",                  Request,                               true },
        { "no options at all",                       "0b123456",                            true },
        { "header cut short",                        "0b1234",                              false },
        { "relay-forward: nobody is between us",     "0c123456",                            false },
        { "relay-reply",                             "0d123456",                            false },
        { "an unknown message type is legal input",  "63123456",                            true },
        { "an option's header cut short",            "0b123456 000100",                     false },
        { "an option past the end",                  "0b123456 0001000b 00030001525400123456", false },
        { "an option of 65535 octets",               "0b123456 0001ffff 00",                false },
        { "an empty option",                         "0b123456 000e0000",                   true },
    };

    public static TheoryData<string, int, bool> DuidLengths => new()
    {
        { "empty",                       0,   false },
        { "type without an identifier",  2,   false },
        { "the shortest",                3,   true },
        { "the longest",                 130, true },
        { "one too long",                131, false },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void TryParse_judges(string why, string message, bool expected) =>
        Assert.True(expected == Dhcpv6View.TryParse(Hex.Octets(message), out _), why);

    [Fact]
    public void Truncations_are_refused_unless_they_end_between_options()
    {
        byte[] request = Hex.Octets(Request);
        int[] ends = [4, 18, 24, 32];
        for (int length = 0; length <= request.Length; length++)
            Assert.Equal(ends.Contains(length), Dhcpv6View.TryParse(request.AsSpan(0, length), out _));
    }

    [Fact]
    public void A_request_reads_as_the_client_meant_it()
    {
        Assert.True(Dhcpv6View.TryParse(Hex.Octets(Request), out Dhcpv6View dhcp));
        Assert.Equal(Dhcpv6MessageType.InformationRequest, dhcp.MessageType);
        Assert.Equal(0x123456u, dhcp.TransactionId);
        Assert.Equal("00030001525400123456", Hex.Text(dhcp.ClientId));
        Assert.True(dhcp.ServerId.IsEmpty);
        Assert.True(dhcp.Requests(Dhcpv6OptionCode.DnsServers));
        Assert.True(dhcp.Requests(Dhcpv6OptionCode.DomainList));
        Assert.False(dhcp.Requests(Dhcpv6OptionCode.InformationRefreshTime));
    }

    [Theory]
    [MemberData(nameof(DuidLengths))]
    public void A_client_id_must_be_a_duid(string why, int length, bool expected)
    {
        byte[] buffer = new byte[200];
        var builder = new Dhcpv6Builder(buffer, Dhcpv6MessageType.InformationRequest, 1);
        Assert.True(builder.AddOctets(Dhcpv6OptionCode.ClientId, new byte[length]));
        Assert.True(Dhcpv6View.TryParse(buffer.AsSpan(0, builder.Length), out Dhcpv6View dhcp));
        Assert.True(expected == !dhcp.ClientId.IsEmpty, why);
    }

    [Fact]
    public void Builder_writes_a_reply()
    {
        byte[] buffer = new byte[300];
        byte[] duid = new byte[Dhcpv6Builder.LinkLayerDuidLength];
        Dhcpv6Builder.WriteLinkLayerDuid(duid, new MacAddress(0x525500abcdef));
        var builder = new Dhcpv6Builder(buffer, Dhcpv6MessageType.Reply, 0xff123456);
        Assert.True(builder.AddOctets(Dhcpv6OptionCode.ServerId, duid));
        Assert.True(builder.AddAddresses(Dhcpv6OptionCode.DnsServers, [IpAddress.Parse("fd00::3")]));
        Assert.False(builder.AddAddresses(Dhcpv6OptionCode.DnsServers, []));
        Assert.True(builder.AddDomainList(["a.b", "c"]));
        Assert.False(builder.AddDomainList([]));
        Assert.False(builder.AddDomainList(["ok", "-..-"]));
        Assert.True(builder.AddUInt32(Dhcpv6OptionCode.InformationRefreshTime, 3600));
        Assert.True(builder.AddOptionRequest([Dhcpv6OptionCode.DnsServers]));
        Assert.Equal(
            "07123456" + "0002000a00030001525500abcdef" + "00170010fd000000000000000000000000000003"
            + "00180008016101620001" + "6300" + "0020000400000e10" + "000600020017",
            Hex.Text(buffer.AsSpan(0, builder.Length)));
    }

    [Fact]
    public void An_option_that_does_not_fit_is_left_out_whole()
    {
        byte[] buffer = new byte[12];
        var builder = new Dhcpv6Builder(buffer, Dhcpv6MessageType.Reply, 1);
        Assert.False(builder.AddAddresses(Dhcpv6OptionCode.DnsServers, [IpAddress.Parse("fd00::3")]));
        Assert.False(builder.AddOctets(Dhcpv6OptionCode.ServerId, new byte[5]));
        Assert.False(builder.AddDomainList(["example.com"]));
        Assert.True(builder.AddOctets(Dhcpv6OptionCode.ServerId, new byte[4]));
        Assert.False(builder.AddDomainList(["a"]));
        Assert.Equal(12, builder.Length);
    }
}
