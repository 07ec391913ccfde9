using Slirp.Wire.Dhcp;

namespace Slirp.Wire.Tests.Dhcp;

public class DhcpTests
{
    private static readonly MacAddress Mac = new(0x525400123456);

    private static readonly DhcpFields Fields = new(
        DhcpOperation.BootRequest, 0xdeadbeef, 7, true, new(1), new(2), new(3), new(4), Mac);

    public static TheoryData<string, int, byte> BadFixedFields => new()
    {
        { "op is neither request nor reply",    0,   3 },
        { "hardware is not Ethernet",           1,   6 },
        { "hardware length 0",                  2,   0 },
        { "hardware length beyond chaddr",      2,   255 },
        { "the cookie's first octet",           236, 0 },
        { "the cookie's last octet",            239, 0 },
    };

    // Message type 53 = discover (3501 01), requested address 50 (3204 0a000264).
    public static TheoryData<string, string, string> OptionFields => new()
    {
        { "nothing behind the cookie",                 "",                           "" },
        { "no End at all",                             "350101",                     "53=01" },
        { "an option behind End does not count",       "350101 ff 32040a000264",     "53=01" },
        { "pads between options",                      "0000 350101 00 32040a000264 ff", "53=01 50=0a000264" },
        { "pads to the end",                           "000000000000",               "" },
        { "length past the end",                       "350101 3220 0a000264",       "53=01" },
        { "a code without a length",                   "350101 32",                  "53=01" },
        { "an empty option",                           "0c00 350101 ff",             "12= 53=01" },
        { "the same option twice: both are walked",    "350101 350103 ff",           "53=01 53=03" },
        { "option 82 is just an option",               "5204 01020000 350101 ff",    "82=01020000 53=01" },
    };

    // file holds 0c0161 340102 ff ("a", and an overload that must not count), sname 0c0162 340103 ff ("b", and another).
    public static TheoryData<string, string, string> Overloads => new()
    {
        { "not overloaded",                        "350101 ff",        "53=01" },
        { "file is lent and lends nothing itself", "340101 350101 ff", "52=01 53=01 12=61 52=02" },
        { "sname is lent",                         "340102 350101 ff", "52=02 53=01 12=62 52=03" },
        { "both, file first",                      "340103 ff",        "52=03 12=61 52=02 12=62 52=03" },
        { "overload of a wrong length",            "34020303 350101",  "52=0303 53=01" },
        { "a fault ends the walk before the lent", "340103 3290",      "52=03" },
    };

    [Fact]
    public void Fixed_fields_come_back_as_they_were_written()
    {
        byte[] message = Message("ff");
        Assert.True(DhcpView.TryParse(message, out DhcpView dhcp));
        var parsed = new DhcpFields(
            dhcp.Op, dhcp.Xid, dhcp.Secs, dhcp.IsBroadcast, dhcp.Ciaddr, dhcp.Yiaddr, dhcp.Siaddr, dhcp.Giaddr, dhcp.Chaddr);
        Assert.Equal(Fields, parsed);
    }

    [Fact]
    public void Short_messages_are_refused() => Truncation.RefusesEveryPrefix(
        Message("350101 ff"), DhcpView.HeaderLength, octets => DhcpView.TryParse(octets, out _));

    [Theory]
    [MemberData(nameof(BadFixedFields))]
    public void Messages_of_another_kind_are_refused(string why, int offset, byte value)
    {
        byte[] message = Message("ff");
        message[offset] = value;
        Assert.False(DhcpView.TryParse(message, out _), why);
    }

    [Theory]
    [MemberData(nameof(OptionFields))]
    public void Options_are_walked(string why, string options, string expected) =>
        Assert.Equal((why, expected), (why, Walk(Message(options))));

    [Theory]
    [MemberData(nameof(Overloads))]
    public void Lent_fields_are_walked_once(string why, string options, string expected)
    {
        byte[] message = Message(options);
        Hex.Octets("0c0161 340102 ff").CopyTo(message.AsSpan(108));
        Hex.Octets("0c0162 340103 ff").CopyTo(message.AsSpan(44));
        Assert.Equal((why, expected), (why, Walk(message)));
    }

    [Fact]
    public void Typed_options_of_a_wrong_length_read_as_absent()
    {
        Assert.True(DhcpView.TryParse(Message("35020101 320300 0000 36050a0000020a 3302 0000 390120 ff"), out DhcpView dhcp));
        Assert.Equal(DhcpMessageType.None, dhcp.MessageType);
        Assert.Null(dhcp.RequestedAddress);
        Assert.Null(dhcp.ServerIdentifier);
        Assert.Null(dhcp.LeaseTimeSeconds);
        Assert.Equal(576, dhcp.MaxMessageSize);
        Assert.True(dhcp.ClientIdentifier.IsEmpty);
        Assert.True(dhcp.ParameterRequestList.IsEmpty);
    }

    [Fact]
    public void A_request_reads_as_the_client_meant_it()
    {
        Assert.True(DhcpView.TryParse(Message("350103 3d07 01525400123456 32040a000264 36040a000202 390205dc 3703 0103 06 ff"), out DhcpView dhcp));
        Assert.Equal(DhcpMessageType.Request, dhcp.MessageType);
        Assert.Equal("10.0.2.100", dhcp.RequestedAddress.ToString());
        Assert.Equal("10.0.2.2", dhcp.ServerIdentifier.ToString());
        Assert.Equal(1500, dhcp.MaxMessageSize);
        Assert.Equal("01525400123456", Hex.Text(dhcp.ClientIdentifier));
        Assert.Equal("010306", Hex.Text(dhcp.ParameterRequestList));
    }

    [Fact]
    public void Builder_writes_an_offer()
    {
        byte[] buffer = new byte[576];
        Array.Fill(buffer, (byte)0xee);
        var builder = new DhcpBuilder(buffer, Fields with { Op = DhcpOperation.BootReply });
        Assert.True(builder.AddMessageType(DhcpMessageType.Offer));
        Assert.True(builder.AddAddress(DhcpOptionCode.ServerIdentifier, Ipv4Address.Parse("10.0.2.2")));
        Assert.True(builder.AddUInt32(DhcpOptionCode.LeaseTime, 86400));
        Assert.True(builder.AddAddress(DhcpOptionCode.SubnetMask, Ipv4Address.Parse("255.255.255.0")));
        Assert.True(builder.AddAddresses(DhcpOptionCode.DomainNameServer, [new(0x0a000203), new(0x0a000204)]));
        Assert.False(builder.AddAddresses(DhcpOptionCode.Router, []));
        Assert.True(builder.AddUInt16(DhcpOptionCode.InterfaceMtu, 65520));
        Assert.True(builder.AddText(DhcpOptionCode.DomainName, "lan"));
        Assert.True(builder.AddDomainSearch(["a.example", "b.example."]));
        Assert.True(builder.AddOctets(DhcpOptionCode.ClientIdentifier, [1, 2]));
        int length = builder.Finish();
        Assert.Equal(309, length);
        Assert.Equal(
            "53=02 54=0a000202 51=00015180 1=ffffff00 6=0a0002030a000204 26=fff0 15=6c616e " +
            "119=0161076578616d706c65000162076578616d706c6500 61=0102",
            Walk(buffer[..length]));
    }

    [Fact]
    public void Short_messages_are_filled_up_with_zeros_and_leak_nothing()
    {
        byte[] buffer = new byte[576];
        Array.Fill(buffer, (byte)0xee);
        var builder = new DhcpBuilder(buffer, Fields);
        builder.AddMessageType(DhcpMessageType.Nak);
        int length = builder.Finish();
        Assert.Equal(DhcpBuilder.MinLength, length);
        Assert.DoesNotContain((byte)0xee, buffer[..length]);
        Assert.All(buffer[244..length], octet => Assert.Equal(0, octet));
        Assert.Equal(0xee, buffer[length]);
    }

    [Fact]
    public void Long_search_lists_are_split_and_overlong_ones_left_out()
    {
        string[] domains = [.. Enumerable.Range(0, 20).Select(i => $"department{i:d2}.example.com")];
        byte[] buffer = new byte[1400];
        var builder = new DhcpBuilder(buffer, Fields);
        Assert.True(builder.AddDomainSearch(domains));
        int length = builder.Finish();
        Assert.Equal(20 * 26, SearchList(buffer[..length]).Length);
        Assert.True(SearchList(buffer[..length]).AsSpan().StartsWith(Hex.Octets("0c 6465706172746d656e743030 07 6578616d706c65 03 636f6d 00")));

        builder = new DhcpBuilder(buffer.AsSpan(0, 600), Fields);
        Assert.False(builder.AddDomainSearch(domains));
        Assert.False(builder.AddDomainSearch([.. Enumerable.Repeat(domains[0], 50)]));
        Assert.False(builder.AddDomainSearch(["not..aname"]));
        Assert.Equal("", Walk(buffer[..builder.Finish()]));
    }

    [Fact]
    public void An_option_that_does_not_fit_is_left_out_whole()
    {
        byte[] buffer = new byte[300];
        var builder = new DhcpBuilder(buffer, Fields);
        Assert.True(builder.AddOctets(DhcpOptionCode.Message, new byte[55]));
        Assert.False(builder.AddOctets(DhcpOptionCode.HostName, new byte[1]));
        Assert.True(builder.AddOctets(DhcpOptionCode.HostName, []));
        Assert.Equal(300, builder.Finish());
        Assert.Equal(255, buffer[299]);
        Assert.Throws<ArgumentOutOfRangeException>(() => { _ = new DhcpBuilder(new byte[299], Fields); });
    }

    private static byte[] Message(string options)
    {
        byte[] head = new byte[DhcpBuilder.MinLength];
        _ = new DhcpBuilder(head, Fields);
        return [.. head[..DhcpView.HeaderLength], .. Hex.Octets(options)];
    }

    private static string Walk(byte[] message)
    {
        Assert.True(DhcpView.TryParse(message, out DhcpView dhcp));
        var found = new List<string>();
        DhcpOptionReader options = dhcp.Options;
        while (options.TryRead(out DhcpOptionCode code, out ReadOnlySpan<byte> value)) found.Add($"{(int)code}={Hex.Text(value)}");
        Assert.False(options.TryRead(out _, out _));
        return string.Join(' ', found);
    }

    private static byte[] SearchList(byte[] message)
    {
        Assert.True(DhcpView.TryParse(message, out DhcpView dhcp));
        var list = new List<byte>();
        DhcpOptionReader options = dhcp.Options;
        while (options.TryRead(out DhcpOptionCode code, out ReadOnlySpan<byte> value))
            if (code == DhcpOptionCode.DomainSearch) list.AddRange(value.ToArray());
        return [.. list];
    }
}
