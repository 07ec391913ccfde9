using System.Text;
using System.Text.Json;
using Slirp.Core.Network;
using Slirp.Host.Control;
using Slirp.Host.Forwards;
using Slirp.Wire;

namespace Slirp.Host.Tests.Control;

/// <summary>Requests and replies as programs written for slirp4netns know them, word for word, and what is beyond them.</summary>
public class ControlCommandsTests
{
    private readonly FakeForwards _forwards = new();
    private readonly ControlCommands _commands;

    public ControlCommandsTests() => _commands = new ControlCommands(_forwards, Plan, writer => writer.WriteNumber("answer", 42));

    internal static NetworkPlan Plan { get; } = new()
    {
        Network = Ipv4Address.Parse("10.0.2.0"),
        PrefixLength = 24,
        Mtu = 1500,
        OurMac = new MacAddress(0x5255_0a00_0202),
        GuestMac = new MacAddress(0x0255_0a00_0264),
        EnableIpv6 = true,
    };

    [Theory]
    [InlineData("[]", "json_object() failed")]
    [InlineData("\"x\"", "json_object() failed")]
    [InlineData("12", "json_object() failed")]
    [InlineData("{}", "no execute found")]
    [InlineData("""{"execute":12}""", "no execute found")]
    [InlineData("""{"execute":null}""", "no execute found")]
    [InlineData("""{"execute":"\ud800"}""", "no execute found")]
    [InlineData("""{"\ud800":1,"execute":"status"}""", "cannot parse JSON")]
    [InlineData("""{"execute":"add_hostfwd","arguments":{"\ud800":1}}""", "cannot parse JSON")]
    [InlineData("""{"e\udc00xecute":1}""", "cannot parse JSON")]
    [InlineData("""{"execute":"quit"}""", "unknown execute")]
    [InlineData("""{"execute":""}""", "unknown execute")]
    [InlineData("""{"execute":"add_hostfwd"}""", "add_hostfwd: bad arguments.proto")]
    [InlineData("""{"execute":"add_hostfwd","arguments":[]}""", "add_hostfwd: bad arguments.proto")]
    [InlineData("""{"execute":"add_hostfwd","arguments":{"host_port":1,"guest_port":1}}""", "add_hostfwd: bad arguments.proto")]
    [InlineData("""{"execute":"remove_hostfwd"}""", "remove_hostfwd: bad arguments.id")]
    [InlineData("""{"execute":"remove_hostfwd","arguments":{"id":"1"}}""", "remove_hostfwd: bad arguments.id")]
    [InlineData("""{"execute":"remove_hostfwd","arguments":{"id":0}}""", "remove_hostfwd: bad arguments.id")]
    [InlineData("""{"execute":"remove_hostfwd","arguments":{"id":1.5}}""", "remove_hostfwd: bad arguments.id")]
    [InlineData("""{"execute":"remove_hostfwd","arguments":{"id":9223372036854775808}}""", "remove_hostfwd: bad arguments.id")]
    public void A_bad_request_is_told_in_slirp4netns_words(string request, string tail) =>
        Assert.Equal($$$"""{"error":{"desc":"bad request: {{{tail}}}"}}""", Reply(request));

    [Theory]
    [InlineData("""{}""", "proto")]
    [InlineData("""{"proto":"sctp"}""", "proto")]
    [InlineData("""{"proto":6}""", "proto")]
    [InlineData("""{"proto":"TCP"}""", "proto")]
    [InlineData("""{"proto":"tcp","host_addr":"localhost"}""", "host_addr")]
    [InlineData("""{"proto":"tcp","host_addr":"1.2.3"}""", "host_addr")]
    [InlineData("""{"proto":"tcp","host_addr":"[::1]"}""", "host_addr")]
    [InlineData("""{"proto":"tcp","host_addr":17}""", "host_addr")]
    [InlineData("""{"proto":"tcp4","host_addr":"::1"}""", "host_addr")]
    [InlineData("""{"proto":"udp6","host_addr":"127.0.0.1"}""", "host_addr")]
    [InlineData("""{"proto":"tcp"}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":"8080"}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":-1}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":65536}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":73617}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":8087.9}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":9223372036854775808}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":1e999}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":null,"guest_addr":"x"}""", "host_port")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_addr":"x"}""", "guest_addr")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_addr":false}""", "guest_addr")]
    [InlineData("""{"proto":"tcp","host_port":80}""", "guest_port")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":0}""", "guest_port")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":65536}""", "guest_port")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":80,"host_port_end":79}""", "host_port_end")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":80,"host_port_end":65536}""", "host_port_end")]
    [InlineData("""{"proto":"tcp","host_port":0,"guest_port":80,"host_port_end":9}""", "host_port_end")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":80,"host_port_end":89,"guest_port_end":88}""", "guest_port_end")]
    [InlineData("""{"proto":"tcp","host_port":80,"guest_port":80,"guest_port_end":81}""", "guest_port_end")]
    public void Arguments_are_checked_in_slirp4netns_order(string arguments, string member)
    {
        Assert.Equal(
            $$$"""{"error":{"desc":"bad request: add_hostfwd: bad arguments.{{{member}}}"}}""",
            Reply($$"""{"execute":"add_hostfwd","arguments":{{arguments}}}"""));
        Assert.Empty(_forwards.List());
    }

    [Theory]
    [InlineData("""{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"","guest_port":80}""",
        IpProtocol.Tcp, "0.0.0.0", 8080, 1, "10.0.2.100", 80)]
    [InlineData("""{"proto":"udp","host_addr":"","host_port":53,"guest_addr":"10.0.2.15","guest_port":5353}""",
        IpProtocol.Udp, "0.0.0.0", 53, 1, "10.0.2.15", 5353)]
    [InlineData("""{"proto":"tcp","host_port":65535,"guest_port":65535}""", IpProtocol.Tcp, "0.0.0.0", 65535, 1, "10.0.2.100", 65535)]
    [InlineData("""{"proto":"tcp","host_addr":null,"host_port":8080.0,"guest_addr":null,"guest_port":8e1}""",
        IpProtocol.Tcp, "0.0.0.0", 8080, 1, "10.0.2.100", 80)]
    [InlineData("""{"proto":"tcp","host_addr":"::1","host_port":80,"guest_addr":"fd00::100","guest_port":80}""",
        IpProtocol.Tcp, "::1", 80, 1, "fd00::100", 80)]
    [InlineData("""{"proto":"udp6","host_port":80,"guest_port":80}""", IpProtocol.Udp, "::", 80, 1, "10.0.2.100", 80)]
    [InlineData("""{"proto":"tcp4","host_port":80,"guest_port":80}""", IpProtocol.Tcp, "0.0.0.0", 80, 1, "10.0.2.100", 80)]
    [InlineData("""{"proto":"tcp","host_port":8000,"host_port_end":8099,"guest_port":9000}""",
        IpProtocol.Tcp, "0.0.0.0", 8000, 100, "10.0.2.100", 9000)]
    [InlineData("""{"proto":"tcp","host_port":8000,"host_port_end":8001,"guest_port":9000,"guest_port_end":9001,"more":[{}]}""",
        IpProtocol.Tcp, "0.0.0.0", 8000, 2, "10.0.2.100", 9000)]
    public void A_forward_is_asked_for_as_told(
        string arguments, IpProtocol protocol, string host, int hostPort, int count, string guest, int guestPort)
    {
        Assert.Equal("""{"return":{"id":1}}""", Reply($$"""{"arguments":{{arguments}},"execute":"add_hostfwd"}"""));
        Assert.Equal(
            new ForwardRequest(protocol, IpAddress.Parse(host), (ushort)hostPort, count, IpAddress.Parse(guest), (ushort)guestPort),
            Assert.Single(_forwards.List()).Bound);
    }

    [Fact]
    public void Any_port_is_answered_with_the_one_chosen() => Assert.Equal(
        """{"return":{"id":1,"host_port":40001}}""",
        Reply("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":0,"guest_port":80}}"""));

    [Fact]
    public void A_refusal_keeps_the_known_words_and_says_more_beside_them()
    {
        _forwards.Problem = "0.0.0.0:80/tcp: a \"privileged\" port";
        Assert.Equal(
            """{"error":{"desc":"bad request: add_hostfwd: slirp_add_hostfwd failed","detail":"0.0.0.0:80/tcp: a \"privileged\" port"}}""",
            Reply("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,"guest_port":80}}"""));
    }

    [Fact]
    public void Ids_rise_and_the_list_is_where_both_kinds_of_readers_look()
    {
        const string entry =
            """{"id":2,"proto":"udp","host_addr":"127.0.0.1","host_port":53,"guest_addr":"10.0.2.100","guest_port":5353}""";
        const string range =
            """{"id":3,"proto":"tcp","host_addr":"::","host_port":8000,"guest_addr":"fd00::5","guest_port":9000,"host_port_end":8009,"guest_port_end":9009}""";
        Reply("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,"guest_port":80}}""");
        Reply("""{"execute":"add_hostfwd","arguments":{"proto":"udp","host_addr":"127.0.0.1","host_port":53,"guest_port":5353}}""");
        Assert.Equal("""{"return":{}}""", Reply("""{"execute":"remove_hostfwd","arguments":{"id":1}}"""));
        Assert.Equal(
            """{"return":{"id":3}}""",
            Reply("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":8000,"host_port_end":8009,"guest_addr":"fd00::5","guest_port":9000}}"""));
        Assert.Equal(
            $$$"""{"entries":[{{{entry}}},{{{range}}}],"return":{"entries":[{{{entry}}},{{{range}}}]}}""",
            Reply("""{"execute":"list_hostfwd"}"""));
        Assert.Equal(
            """{"error":{"desc":"bad request: remove_hostfwd: bad arguments.id","detail":"there is no forward 1"}}""",
            Reply("""{"execute":"remove_hostfwd","arguments":{"id":1}}"""));
    }

    /// <summary>Requests put together at random, from what callers send and from what JSON allows and nobody expects.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_asked_is_answered(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < 20_000; i++)
        {
            string request = RandomValue(random, 4);
            string reply = Reply(request);
            using var answer = JsonDocument.Parse(reply);
            Assert.True(answer.RootElement.TryGetProperty("error", out _) || answer.RootElement.TryGetProperty("return", out _), request);
        }
    }

    private static string RandomValue(Random random, int depth) => random.Next(depth > 0 ? 9 : 6) switch
    {
        0 => OneOf(random, "0", "1", "80", "-1", "65535", "65536", "8e1", "1e999", "-0", "0.5", "9223372036854775808", "1E-400"),
        1 => OneOf(random, "null", "true", "false"),
        < 6 => RandomText(random),
        6 => $"[{string.Join(',', Enumerable.Range(0, random.Next(3)).Select(_ => RandomValue(random, depth - 1)))}]",
        _ => $"{{{string.Join(',', Enumerable.Range(0, random.Next(6)).Select(_ => $"{RandomText(random)}:{RandomValue(random, depth - 1)}"))}}}",
    };

    private static string RandomText(Random random)
    {
        string text = OneOf(random, "execute", "arguments", "add_hostfwd", "remove_hostfwd", "list_hostfwd", "status", "proto", "tcp", "udp6",
            "host_addr", "host_port", "host_port_end", "guest_addr", "guest_port", "guest_port_end", "id", "127.0.0.1", "::1", "");
        if (random.Next(4) > 0) return $"\"{text}\"";
        int at = random.Next(text.Length + 1);
        string odd = OneOf(random, @"\ud800", @"\udc00", @"\ud83d\ude00", @"\u0000", @"\n", @"\/", @"\u0065", "\u00e9", "\ufffd", "%", "'");
        return $"\"{text[..at]}{odd}{text[at..]}\"";
    }

    private static string OneOf(Random random, params ReadOnlySpan<string> choices) => choices[random.Next(choices.Length)];

    [Fact]
    public void An_empty_list_is_a_list() =>
        Assert.Equal("""{"entries":[],"return":{"entries":[]}}""", Reply("""{"execute":"list_hostfwd"}"""));

    [Fact]
    public void Status_is_wrapped() => Assert.Equal("""{"return":{"answer":42}}""", Reply("""{"execute":"status"}"""));

    private string Reply(string request) => Encoding.UTF8.GetString(_commands.Answer(Encoding.UTF8.GetBytes(request)));
}
