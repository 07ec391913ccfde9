using Slirp.Cli.Options;
using Slirp.Wire;

namespace Slirp.Cli.Tests;

public class PublishRuleTests
{
    public static TheoryData<string, string?, string, string, IpProtocol> Accepted => new()
    {
        { "8080:80",                       null,        "8080",      "80",        IpProtocol.Tcp },
        { "8080:80/tcp",                   null,        "8080",      "80",        IpProtocol.Tcp },
        { "8080:80/udp",                   null,        "8080",      "80",        IpProtocol.Udp },
        { "0:80",                          null,        "0",         "80",        IpProtocol.Tcp },
        { "65535:65535",                   null,        "65535",     "65535",     IpProtocol.Tcp },
        { "127.0.0.1:8080:80",             "127.0.0.1", "8080",      "80",        IpProtocol.Tcp },
        { "0.0.0.0:53:5353/udp",           "0.0.0.0",   "53",        "5353",      IpProtocol.Udp },
        { "[::1]:8080:80",                 "::1",       "8080",      "80",        IpProtocol.Tcp },
        { "[::]:8080:80/udp",              "::",        "8080",      "80",        IpProtocol.Udp },
        { "8000-8009:9000-9009",           null,        "8000-8009", "9000-9009", IpProtocol.Tcp },
        { "8000-8000:9000",                null,        "8000",      "9000",      IpProtocol.Tcp },
        { "[2001:db8::1]:1-65535:1-65535", "2001:db8::1", "1-65535", "1-65535",   IpProtocol.Tcp },
    };

    [Theory]
    [MemberData(nameof(Accepted))]
    public void A_rule_is_read(string text, string? address, string host, string guest, IpProtocol protocol)
    {
        PublishRule rule = Assert.IsType<PublishRule>(PublishRule.Parse(text, out string? problem));
        Assert.Null(problem);
        Assert.Equal(address is null ? null : IpAddress.Parse(address), rule.HostAddress);
        Assert.Equal((host, guest, protocol), (rule.Host.ToString(), rule.Guest.ToString(), rule.Protocol));
        Assert.Equal(rule.Host.Count, rule.Guest.Count);
    }

    private const string Form = "expected [ADDR:]HOST[-HOST]:GUEST[-GUEST][/tcp|udp]";

    public static TheoryData<string, string> Refused => new()
    {
        { "",                    Form },
        { "80",                  Form },
        { "80/tcp",              Form },
        { "[::1]:80",            Form },
        { "[::1]",               Form },
        { ":",                   "\"\" is not a host port or range of ports (0 to 65535)" },
        { "8080:",               "\"\" is not a guest port or range of ports (0 to 65535)" },
        { ":80",                 "\"\" is not a host port or range of ports (0 to 65535)" },
        { "65536:80",            "\"65536\" is not a host port or range of ports (0 to 65535)" },
        { "80:73617",            "\"73617\" is not a guest port or range of ports (0 to 65535)" },
        { "-5:80",               "\"-5\" is not a host port or range of ports (0 to 65535)" },
        { "80:80.5",             "\"80.5\" is not a guest port or range of ports (0 to 65535)" },
        { "+80:80",              "\"+80\" is not a host port or range of ports (0 to 65535)" },
        { " 80:80",              "\" 80\" is not a host port or range of ports (0 to 65535)" },
        { "http:80",             "\"http\" is not a host port or range of ports (0 to 65535)" },
        { "1-2-3:4-5",           "\"1-2-3\" is not a host port or range of ports (0 to 65535)" },
        { "8009-8000:9000-9009", "host range 8009-8000 runs backwards" },
        { "8000-8009:9009-9000", "guest range 9009-9000 runs backwards" },
        { "8000-8009:9000",      "10 host ports cannot lead to 1 guest ports" },
        { "8000:9000-9009",      "1 host ports cannot lead to 10 guest ports" },
        { "0-9:9000-9009",       "host port 0 means any port and cannot start a range" },
        { "80:0",                "the guest port cannot be 0" },
        { "80:80/sctp",          "unknown protocol \"sctp\", expected tcp or udp" },
        { "80:80/",              "unknown protocol \"\", expected tcp or udp" },
        { "80:80/tcp/udp",       "unknown protocol \"tcp/udp\", expected tcp or udp" },
        { "80:80/TCP",           "unknown protocol \"TCP\", expected tcp or udp" },
        { "localhost:80:80",     "\"localhost\" is not an IP address" },
        { ":80:80",              "\"\" is not an IP address" },
        { "1.2.3:80:80",         "\"1.2.3\" is not an IP address" },
        { "::1:80:80",           "an IPv6 address needs brackets, like [::1]" },
        { "[127.0.0.1]:80:80",   "\"127.0.0.1\" is not an IPv6 address" },
        { "[]:80:80",            "\"\" is not an IPv6 address" },
        { "[::g]:80:80",         "\"::g\" is not an IP address" },
        { "[fe80::1%eth0]:80:80", "\"fe80::1%eth0\" is not an IP address" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_bad_rule_is_refused_with_its_reason(string text, string reason)
    {
        Assert.Null(PublishRule.Parse(text, out string? problem));
        Assert.Equal($"invalid --publish rule \"{text}\": {reason}", problem);
    }

    [Fact]
    public void Rules_add_up_in_order()
    {
        AttachOptions options = Argv.AttachLine("-p 1:2 42 --publish=3:4/udp tap0 --pub [::1]:5:6");
        Assert.Equal(["1:2", "3:4", "5:6"], options.Network.Publish.Select(r => $"{r.Host}:{r.Guest}"));
    }

    [Fact]
    public void A_bad_rule_fails_the_command_line_without_the_usage()
    {
        Assert.Equal(
            new UsageFailure($"invalid --publish rule \"80\": {Form}", ShowUsage: false),
            Argv.Refused("-p", "80", "42", "tap0"));
    }

    [Fact]
    public void Any_text_is_either_a_rule_or_a_problem()
    {
        const int seed = 4711;
        var random = new Random(seed);
        const string alphabet = "[]:-/0123456789.tcpudf";
        for (int round = 0; round < 20000; round++)
        {
            var text = new char[random.Next(14)];
            for (int i = 0; i < text.Length; i++) text[i] = alphabet[random.Next(alphabet.Length)];
            PublishRule? rule = PublishRule.Parse(new string(text), out string? problem);
            Assert.True(rule is null != problem is null, $"seed {seed}, round {round}: {new string(text)}");
        }
    }
}
