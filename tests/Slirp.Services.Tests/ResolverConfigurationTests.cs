using System.Text;
using Slirp.Services.Dns;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

public class ResolverConfigurationTests
{
    public static TheoryData<string, string, string> Servers => new()
    {
        { "one", "nameserver 192.0.2.1\n", "192.0.2.1" },
        { "no final newline", "nameserver 192.0.2.1", "192.0.2.1" },
        { "both families, in order", "nameserver 2001:db8::1\nnameserver 192.0.2.1\n", "2001:db8::1 192.0.2.1" },
        { "CRLF", "nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", "192.0.2.1 192.0.2.2" },
        { "CR alone", "nameserver 192.0.2.1\rnameserver 192.0.2.2", "192.0.2.1 192.0.2.2" },
        { "tabs and spaces", "  nameserver \t 192.0.2.1 \t\n", "192.0.2.1" },
        { "comment lines", "# nameserver 192.0.2.1\n; nameserver 192.0.2.2\nnameserver 192.0.2.3\n", "192.0.2.3" },
        { "comments behind", "nameserver 192.0.2.1 # first\nnameserver 192.0.2.2;second\n", "192.0.2.1 192.0.2.2" },
        { "more words", "nameserver 192.0.2.1 192.0.2.2\n", "192.0.2.1" },
        { "duplicates", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.1\n", "192.0.2.1 192.0.2.2" },
        { "0.0.0.0 and :: are this host", "nameserver 0.0.0.0\nnameserver ::\n", "127.0.0.1 ::1" },
        { "a mapped address is IPv4", "nameserver ::ffff:192.0.2.1\n", "192.0.2.1" },
        { "the stub of this host", "nameserver 127.0.0.53\noptions edns0 trust-ad\n", "127.0.0.53" },
        { "junk", "nameserver\nnameserver x\nnameserver 1.2.3\nnameserver 1.2.3.4.5\nnameserver 1.2.3.256\nname server 192.0.2.9\n", "" },
        { "another keyword", "nameservers 192.0.2.1\nNAMESERVER 192.0.2.2\n", "" },
        { "link-local by its interface", "nameserver fe80::1%eth0\nnameserver 192.0.2.1\n", "fe80::1 192.0.2.1" },
        { "octal to some, decimal to others", "nameserver 010.0.2.1\nnameserver 192.0.2.1\n", "192.0.2.1" },
        { "one server, once", "nameserver fe80::1%eth0\nnameserver fe80::1%eth1\n", "fe80::1" },
        { "a scope where there is none", "nameserver 2001:db8::1%eth0\n", "2001:db8::1" },
        { "IPv4 has no scopes", "nameserver 192.0.2.1%eth0\n", "" },
        { "no interface has such a name", "nameserver fe80::1%sixteen-octets-x\nnameserver fe80::2%\n", "" },
        { "link-local without a scope leads nowhere", "nameserver fe80::1\n", "" },
        { "groups and everybody are no resolvers", "nameserver 224.0.0.1\nnameserver ff02::1\nnameserver 255.255.255.255\n", "" },
        { "brackets and ports are not of this file", "nameserver [2001:db8::1]:53\nnameserver 192.0.2.1:53\n", "" },
        { "NULs and octets beyond ASCII", "nameserver\0192.0.2.1\nnameserver \u00e9\u00e9\n", "192.0.2.1" },
        { "empty", "", "" },
        { "blank", "\n\n \r\n", "" },
    };

    [Theory]
    [MemberData(nameof(Servers))]
    public void Servers_are_read_and_junk_is_left_out(string why, string file, string expected)
    {
        ResolverConfiguration read = ResolverConfiguration.Parse(Encoding.Latin1.GetBytes(file));
        IEnumerable<IpEndpoint> servers = expected.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(static address => FrameFactory.Endpoint(address, 53));
        Assert.True(servers.SequenceEqual(read.Servers), $"{why}: {string.Join(' ', read.Servers)}");
    }

    public static TheoryData<string, string, string> Searches => new()
    {
        { "several, each for itself", "search example.com corp.example lab\n", "example.com,corp.example,lab" },
        { "the last line wins", "search a.example\nsearch b.example c.example\n", "b.example,c.example" },
        { "domain is a search of one", "domain example.com other.example\n", "example.com" },
        { "domain after search wins", "search a.example b.example\ndomain c.example\n", "c.example" },
        { "an empty search empties the list", "search a.example\nsearch\n", "" },
        { "final dot", "search example.com. .\n", "example.com" },
        { "duplicates", "search a.example b.example a.example\n", "a.example,b.example" },
        { "not names", "search a..b -ok.example under_score.example sp\u00e9cial.example .x ok.example\n", "-ok.example,under_score.example,ok.example" },
        { "label of 64", "search " + "a".PadLeft(64, 'a') + ".example ok.example\n", "ok.example" },
        { "name of 254", "search " + string.Join('.', Enumerable.Repeat("a".PadLeft(62, 'a'), 4)) + ".ab ok.example\n", "ok.example" },
    };

    [Theory]
    [MemberData(nameof(Searches))]
    public void The_search_list_holds_valid_names_only(string why, string file, string expected)
    {
        ResolverConfiguration read = ResolverConfiguration.Parse(Encoding.Latin1.GetBytes(file));
        Assert.True(expected == string.Join(',', read.SearchDomains), $"{why}: {string.Join(',', read.SearchDomains)}");
    }

    [Fact]
    public void What_is_left_out_is_said_in_printable_words()
    {
        ResolverConfiguration read = ResolverConfiguration.Parse("nameserver fe80::1\nnameserver \u001b[31mred\nsearch a..b\n"u8);
        Assert.Equal(3, read.Warnings.Count);
        Assert.Contains("fe80::1 ", read.Warnings[0], StringComparison.Ordinal);
        Assert.Contains("interface", read.Warnings[0], StringComparison.Ordinal);
        foreach (string warning in read.Warnings) Assert.DoesNotContain(warning, static c => char.IsControl(c));
    }

    [Fact]
    public void A_thousand_servers_are_eight_and_one_warning()
    {
        var file = new StringBuilder();
        for (int i = 0; i < 1000; i++) file.Append("nameserver 192.0.").Append(i / 200).Append('.').Append(i % 200).Append('\n');
        ResolverConfiguration read = ResolverConfiguration.Parse(Encoding.ASCII.GetBytes(file.ToString()));
        Assert.Equal(ResolverConfiguration.MaxServers, read.Servers.Count);
        Assert.Equal(FrameFactory.Endpoint("192.0.0.0", 53), read.Servers[0]);
        Assert.Single(read.Warnings);
    }

    [Fact]
    public void A_huge_file_is_read_to_its_limit_and_no_line_is_cut_in_two()
    {
        // The limit falls inside the last address: 192.0.2.1 must not come out of 192.0.2.111.
        byte[] line = "nameserver 192.0.2.111\n"u8.ToArray();
        var file = new byte[100 << 20];
        file.AsSpan().Fill((byte)'\n');
        line.CopyTo(file, 0);
        "nameserver 198.51.100.222\n"u8.CopyTo(file.AsSpan(ResolverConfiguration.MaxOctets - 24));
        ResolverConfiguration read = ResolverConfiguration.Parse(file);
        Assert.Equal([FrameFactory.Endpoint("192.0.2.111", 53)], read.Servers);
        Assert.Single(read.Warnings);

        file.AsSpan().Fill((byte)'x');
        Assert.Empty(ResolverConfiguration.Parse(file).Servers);
    }

    [Fact]
    public void The_same_servers_and_domains_are_no_change()
    {
        ResolverConfiguration first = ResolverConfiguration.Parse("nameserver 192.0.2.1\nsearch a.example\n"u8);
        Assert.True(first.IsSameAs(ResolverConfiguration.Parse("# new\nsearch a.example\nnameserver 192.0.2.1"u8)));
        Assert.False(first.IsSameAs(ResolverConfiguration.Parse("nameserver 192.0.2.1\nsearch b.example\n"u8)));
        Assert.False(first.IsSameAs(ResolverConfiguration.Parse("nameserver 192.0.2.2\nsearch a.example\n"u8)));
        Assert.False(first.IsSameAs(ResolverConfiguration.Empty));
    }

    [Fact]
    public void Options_are_words_that_a_resolver_may_heed()
    {
        ResolverConfiguration read = ResolverConfiguration.Parse(
            "options ndots:2 edns0\nnameserver 192.0.2.1\noptions trust-ad $(x) \u00e9 # comment\n"u8);
        Assert.Equal(["ndots:2", "edns0", "trust-ad"], read.Options);
        Assert.False(read.IsSameAs(read with { Options = [] }));
        Assert.True(ResolverConfiguration.Parse(Encoding.ASCII.GetBytes("options" + string.Concat(Enumerable.Repeat(" x", 100)))).Options.Count
            == ResolverConfiguration.MaxOptions);
    }

    [Fact]
    public void The_scope_of_a_link_local_server_is_the_first_one_named()
    {
        ResolverConfiguration read = ResolverConfiguration.Parse(
            "nameserver fe80::1%eth0\nnameserver fe80::1%eth1\nnameserver fe80::2%7\nnameserver 2001:db8::1%eth0\n"u8);
        Assert.Equal([("fe80::1", "eth0"), ("fe80::2", "7")], read.Scopes.Select(static one => (one.Key.ToString(), one.Value)));
        Assert.False(read.IsSameAs(read with { Scopes = new Dictionary<IpAddress, string>() }));
        Assert.False(read.IsSameAs(ResolverConfiguration.Parse(
            "nameserver fe80::1%eth1\nnameserver fe80::2%7\nnameserver 2001:db8::1\n"u8)));
    }

    [Fact]
    public void Random_octets_never_throw_and_only_usable_servers_come_out()
    {
        const int seed = 20_240_611;
        var random = new Random(seed);
        byte[] words = "nameserver search domain 192.0.2.1 2001:db8::1 fe80::1%x :: ffff 255.255.255.255 # ; \r\n\t . a.b"u8.ToArray();
        for (int round = 0; round < 5000; round++)
        {
            var file = new byte[random.Next(400)];
            for (int at = 0; at < file.Length;)
            {
                int start = random.Next(words.Length), length = Math.Min(random.Next(1, 24), Math.Min(words.Length - start, file.Length - at));
                words.AsSpan(start, length).CopyTo(file.AsSpan(at));
                at += length;
                if (random.Next(10) == 0 && at < file.Length) file[at++] = (byte)random.Next(256);
            }
            ResolverConfiguration read = ResolverConfiguration.Parse(file);
            Assert.InRange(read.Servers.Count, 0, ResolverConfiguration.MaxServers);
            Assert.InRange(read.Warnings.Count, 0, ResolverConfiguration.MaxWarnings);
            foreach (IpEndpoint server in read.Servers)
                Assert.False(server.Address.IsAny || server.Address.IsMulticast, $"seed {seed}, round {round}: {server}");
        }
    }
}
