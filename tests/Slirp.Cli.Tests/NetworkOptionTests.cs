using Slirp.Cli.Options;
using Slirp.Wire;

namespace Slirp.Cli.Tests;

public class NetworkOptionTests
{
    private static NetworkOptions Read(params string[] options) => Argv.WithTarget(options).Network;

    [Fact]
    public void Defaults_are_those_of_slirp4netns()
    {
        NetworkOptions network = Read();
        Assert.Equal(NetworkOptions.Default, network);
        Assert.Equal(1500, network.Mtu);
        Assert.Equal("10.0.2.0/24", network.Cidr.ToString());
        Assert.False(network.EnableIpv6 || network.DisableHostLoopback || network.DisableDns);
        Assert.True(network.OutboundAddr is null && network.OutboundAddr6 is null && network.MacAddress is null);
        Assert.Empty(network.Publish);
        Assert.Equal(Offload.None, network.NoOffload);
    }

    [Theory]
    [InlineData("68", 68)]
    [InlineData("1279", 1279)]
    [InlineData("65520", 65520)]
    [InlineData("65521", 65521)]
    [InlineData("+1500", 1500)]
    [InlineData(" 1500", 1500)] // strtol skips white space in front
    [InlineData("01500", 1500)]
    public void Mtu_is_taken(string text, int mtu)
    {
        Assert.Equal(mtu, Read("-m", text).Mtu);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("65522")]
    [InlineData("99999999999999999999")]
    [InlineData("4294968796")] // 1500 modulo 2^32
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("12x")]
    [InlineData("0x5dc")]
    [InlineData("1500 ")]
    public void Mtu_out_of_range_shows_the_usage(string text)
    {
        Assert.Equal(
            new UsageFailure("MTU must be a positive integer (< 65522)", ShowUsage: true),
            Argv.Refused("--mtu", text, "42", "tap0"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(67)]
    public void Mtu_below_what_ipv4_needs_is_refused_by_name(int mtu)
    {
        Assert.Equal(
            new UsageFailure($"MTU {mtu} is too small: IPv4 needs at least 68", ShowUsage: false),
            Argv.Refused($"--mtu={mtu}", "42", "tap0"));
    }

    [Theory]
    [InlineData("-6 --mtu=1279 42 tap0")]
    [InlineData("42 tap0 --mtu=1279 --enable-ipv6")]
    public void Ipv6_stays_off_with_a_warning_where_the_mtu_is_too_small_for_it(string line)
    {
        CommandLine read = Argv.ReadLine(line);
        NetworkOptions network = Assert.IsType<AttachCommand>(read.Command).Options.Network;
        Assert.Equal((1279, false), (network.Mtu, network.EnableIpv6));
        string warning = Assert.Single(read.Warnings);
        Assert.Equal("WARNING: IPv6 stays off: it needs an MTU of at least 1280, not 1279", warning);
    }

    [Theory]
    [InlineData("-6")]
    [InlineData("--enable-ipv6")]
    [InlineData("--enable-i")]
    public void Ipv6_is_on_without_a_word_from_1280(string option)
    {
        CommandLine read = Argv.Read(option, "--mtu=1280", "42", "tap0");
        Assert.True(Assert.IsType<AttachCommand>(read.Command).Options.Network.EnableIpv6);
        Assert.Empty(read.Warnings);
    }

    [Theory]
    [InlineData("--disable-host-loopback")]
    [InlineData("--disable-host")]
    [InlineData("--no-host-loopback")]
    public void Host_loopback_is_closed(string option)
    {
        Assert.Equal(NetworkOptions.Default with { DisableHostLoopback = true }, Read(option));
    }

    [Theory]
    [InlineData("--disable-dns")]
    [InlineData("--disable-d")]
    public void Dns_is_disabled(string option)
    {
        Assert.Equal(NetworkOptions.Default with { DisableDns = true }, Read(option));
    }

    [Theory]
    [InlineData("--no-host-loopback", "--disable-host-loopback")]
    [InlineData("--create-sandbox", "--enable-sandbox")]
    public void A_deprecated_spelling_warns(string option, string better)
    {
        string warning = $"WARNING: {option} is deprecated, please use {better} instead.";
        Assert.Equal(warning, Assert.Single(Argv.Read(option, "42", "tap0").Warnings));
    }

    [Theory]
    [InlineData("10.0.2.0/24", "10.0.2.0", 24)]
    [InlineData("10.41.0.0/16", "10.41.0.0", 16)]
    [InlineData("192.168.0.0/25", "192.168.0.0", 25)]
    [InlineData("192.168.0.128/25", "192.168.0.128", 25)]
    [InlineData("128.0.0.0/1", "128.0.0.0", 1)]
    [InlineData("10.0.0.0/08", "10.0.0.0", 8)]
    public void Cidr_is_taken(string text, string network, int prefix)
    {
        Assert.Equal(new Ipv4Cidr(Ipv4Address.Parse(network), prefix), Read($"--cidr={text}").Cidr);
    }

    [Theory]
    [InlineData("", "invalid CIDR: ")]
    [InlineData("1", "invalid CIDR: 1")]
    [InlineData("10.0.2.0", "invalid CIDR: 10.0.2.0")]
    [InlineData("10.0.2.0/", "invalid CIDR: 10.0.2.0/")]
    [InlineData("10.0.2.0/240", "invalid CIDR: 10.0.2.0/240")]
    [InlineData("10.0.2.0/24x", "invalid CIDR: 10.0.2.0/24x")]
    [InlineData(" 10.0.2.0/24", "invalid CIDR:  10.0.2.0/24")]
    [InlineData("10.0.2/24", "invalid CIDR: 10.0.2/24")]
    [InlineData("10.0.2.0.0/24", "invalid CIDR: 10.0.2.0.0/24")]
    [InlineData("10..2.0/24", "invalid CIDR: 10..2.0/24")]
    [InlineData("10.0.2000.0/24", "invalid CIDR: 10.0.2000.0/24")]
    [InlineData("fd00::/64", "invalid CIDR: fd00::/64")]
    [InlineData("10.0.2.0/-1", "invalid CIDR: 10.0.2.0/-1")]
    [InlineData("300.1.1.1/8", "invalid network address: 300.1.1.1")]
    [InlineData("010.0.2.0/24", "invalid network address: 010.0.2.0")]
    [InlineData("300.1.1.1/99", "invalid network address: 300.1.1.1")]
    [InlineData("10.0.2.1/0", "prefix length needs to be 1-25")]
    [InlineData("10.0.2.0/26", "prefix length needs to be 1-25")]
    [InlineData("10.0.2.0/99", "prefix length needs to be 1-25")]
    [InlineData("10.0.2.100/24", "CIDR needs to be a network address like 10.0.2.0/24, not like 10.0.2.100/24")]
    [InlineData("10.0.2.0/16", "CIDR needs to be a network address like 10.0.0.0/16, not like 10.0.2.0/16")]
    [InlineData("10.0.0.127/25", "CIDR needs to be a network address like 10.0.0.0/25, not like 10.0.0.127/25")]
    public void Cidr_is_refused_without_the_usage(string text, string message)
    {
        Assert.Equal(new UsageFailure(message, ShowUsage: false), Argv.Refused("--cidr", text, "42", "tap0"));
    }

    [Theory]
    [InlineData("02:00:00:00:00:01", 0x020000000001)]
    [InlineData("2:0:0:0:0:1", 0x020000000001)]
    [InlineData("AA:bb:Cc:00:11:22", 0xaabbcc001122)]
    public void Mac_address_is_taken_with_configure(string text, ulong value)
    {
        Assert.Equal(new MacAddress(value), Read("-c", $"--macaddress={text}").MacAddress);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("zz", "")]
    [InlineData("010203040506", "")]
    [InlineData("02:00:00:00:00:0g", "")]
    [InlineData("02-00-00-00-00-01", "")]
    [InlineData("2:0:0:0:0:", "")]
    [InlineData("2:0:0:0:0:001", "")]
    [InlineData("2:0:0:0:0", "  Is it too short?")]
    [InlineData("02:03", "  Is it too short?")]
    [InlineData("02:03:04:05:06:07:08", "  Is it too long?")]
    [InlineData("01:00:5e:00:00:01", "  Is it a multicast address?")]
    [InlineData("ff:ff:ff:ff:ff:ff", "  Is it a multicast address?")]
    [InlineData("00:00:00:00:00:00", "  Is it all zero?")]
    public void Mac_address_is_refused_without_the_usage(string text, string hint)
    {
        UsageFailure failure = Argv.Refused("-c", "--macaddress", text, "42", "tap0");
        Assert.False(failure.ShowUsage);
        Assert.Equal(
            $"\"{text}\" is an invalid MAC address.{hint}\n" +
            "macaddress has to be a valid MAC address (hex string, 6 bytes, each byte separated by a ':').",
            failure.Message);
    }

    [Theory]
    [InlineData("192.0.2.7")]
    [InlineData("0.0.0.0")]
    public void Outbound_ipv4_address_is_taken(string text)
    {
        Assert.Equal(new OutboundSource.ByAddress(IpAddress.Parse(text)), Read("--outbound-addr", text).OutboundAddr);
    }

    [Theory]
    [InlineData("2001:db8::7")]
    [InlineData("::1")]
    public void Outbound_ipv6_address_is_taken(string text)
    {
        NetworkOptions network = Read("--outbound-addr6", text);
        Assert.Equal(new OutboundSource.ByAddress(IpAddress.Parse(text)), network.OutboundAddr6);
        Assert.Null(network.OutboundAddr);
    }

    [Theory]
    [InlineData("eth0")]
    [InlineData("enp0s31f6")]
    [InlineData("exactly15bytes0")]
    [InlineData("256.1.1.1")] // no address, but an interface may be called so: run time finds out
    public void Outbound_interface_is_taken_for_either_family(string name)
    {
        NetworkOptions network = Read($"--outbound-addr={name}", $"--outbound-addr6={name}");
        Assert.Equal(new OutboundSource.ByInterface(name), network.OutboundAddr);
        Assert.Equal(new OutboundSource.ByInterface(name), network.OutboundAddr6);
    }

    [Theory]
    [InlineData("--outbound-addr", "::1")]
    [InlineData("--outbound-addr", "::ffff:192.0.2.7")]
    [InlineData("--outbound-addr", "")]
    [InlineData("--outbound-addr", "a b")]
    [InlineData("--outbound-addr", "a/b")]
    [InlineData("--outbound-addr", "..")]
    [InlineData("--outbound-addr", "sixteen-bytes-00")]
    [InlineData("--outbound-addr", "192.0.2.7:80")]
    [InlineData("--outbound-addr6", "192.0.2.7")]
    [InlineData("--outbound-addr6", "::ffff:192.0.2.7")]
    [InlineData("--outbound-addr6", "[::1]")]
    [InlineData("--outbound-addr6", "fe80::1%eth0")]
    [InlineData("--outbound-addr6", "2001:db8::7/64")]
    public void Outbound_address_of_the_wrong_kind_is_refused_without_the_usage(string option, string text)
    {
        string message = option == "--outbound-addr"
            ? "outbound-addr has to be valid ipv4 address or interface name."
            : "outbound-addr6 has to be valid ipv6 address or interface name.";
        Assert.Equal(new UsageFailure(message, ShowUsage: false), Argv.Refused(option, text, "42", "tap0"));
    }

    [Theory]
    [InlineData("tso", Offload.Tso)]
    [InlineData("uso", Offload.Uso)]
    [InlineData("tso,uso", Offload.Tso | Offload.Uso)]
    [InlineData("csum", Offload.Csum | Offload.Tso | Offload.Uso)]
    [InlineData("vnet", Offload.All)]
    [InlineData("all", Offload.All)]
    [InlineData("uso,all,uso", Offload.All)]
    public void Offloads_are_switched_off_with_what_needs_them(string list, Offload off)
    {
        Assert.Equal(off, Read($"--no-offload={list}").NoOffload);
    }

    [Fact]
    public void Lists_of_offloads_add_up()
    {
        Assert.Equal(Offload.Tso | Offload.Uso, Read("--no-off=uso", "--no-offload=tso").NoOffload);
    }

    [Theory]
    [InlineData("")]
    [InlineData("tso,")]
    [InlineData("TSO")]
    [InlineData("tso uso")]
    [InlineData("gro")]
    public void A_list_with_an_unknown_offload_is_refused(string list)
    {
        string message = $"no-offload has to be a list of tso, uso, csum, vnet or all, not \"{list}\"";
        Assert.Equal(
            new UsageFailure(message, ShowUsage: false),
            Argv.Refused("--no-offload", list, "42", "tap0"));
    }

    [Fact]
    public void The_last_value_wins()
    {
        NetworkOptions network = Read("-c", "--mtu=9000", "--cidr=bad", "-m1400", "--cidr=10.9.0.0/16",
            "--macaddress=zz", "--macaddress=2:0:0:0:0:9", "--outbound-addr=::", "--outbound-addr=eth9");
        Assert.Equal(NetworkOptions.Default with
        {
            Mtu = 1400,
            Cidr = new Ipv4Cidr(Ipv4Address.Parse("10.9.0.0"), 16),
            MacAddress = new MacAddress(0x020000000009),
            OutboundAddr = new OutboundSource.ByInterface("eth9"),
        }, network);
    }
}
