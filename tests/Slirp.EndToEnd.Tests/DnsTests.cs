using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The forwarder against dnsmasq, which is the resolver of a host network of the test's own.</summary>
public class DnsTests
{
    private const string Forwarder4 = "10.0.2.3", Forwarder6 = "fd00::3";
    private const string DeadResolver = "127.0.0.9"; // nothing listens there
    private const int LargeStrings = 16; // of 200 octets each: beyond 512, beyond 1232, beyond a frame

    public static TheoryData<string> Forwarders => new() { Forwarder4, Forwarder6 };

    [EndToEndFact(Tools = "dnsmasq,dig")]
    public Task Resolves_over_udp() =>
        WithResolverAsync("nameserver 127.0.0.1\n",
            async network => Assert.Equal("192.0.2.7\n", await AskAsync(network, Forwarder4, "www.example.test", "A")));

    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [MemberData(nameof(Forwarders))]
    public Task Resolves_over_udp_and_tcp_on_both_families(string forwarder) =>
        WithResolverAsync("nameserver 127.0.0.1\n", async network =>
        {
            foreach (string transport in (string[])["+notcp", "+tcp"])
            {
                Assert.Equal("192.0.2.7\n", await AskAsync(network, forwarder, "www.example.test", "A", transport));
                Assert.Equal("2001:db8::7\n", await AskAsync(network, forwarder, "www.example.test", "AAAA", transport));
            }
        });

    /// <summary>An answer beyond what UDP carries is truncated and comes whole over TCP.</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [MemberData(nameof(Forwarders))]
    public Task A_large_answer_is_truncated_and_then_whole(string forwarder) =>
        WithResolverAsync("nameserver 127.0.0.1\n", async network =>
        {
            string truncated = (await network.Guest.RunAsync(
                "dig", $"@{forwarder}", "+noedns", "+ignore", "large.example.test", "TXT")).Succeeded();
            Assert.Matches("flags:[a-z ]* tc", truncated);
            string whole = await AskAsync(network, forwarder, "large.example.test", "TXT");
            Assert.Equal(LargeStrings, whole.Count(letter => letter == '"') / 2);
        });

    /// <summary>What the resolver says of itself is what the guest hears: a name that is not there stays so.</summary>
    [EndToEndFact(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    public Task The_resolver_s_no_is_passed_on() =>
        WithResolverAsync("nameserver 127.0.0.1\n", async network =>
        {
            string said = (await network.Guest.RunAsync("dig", $"@{Forwarder4}", "nobody.example.test", "A")).Succeeded();
            Assert.Contains("status: NXDOMAIN", said, StringComparison.Ordinal);
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [InlineData(Forwarder4, "nameserver ::1\n")] // the resolver is of the other family
    [InlineData(Forwarder6, "nameserver 127.0.0.1\n")]
    [InlineData(Forwarder4, $"nameserver {DeadResolver}\nnameserver 127.0.0.1\n")] // the first one is dead
    public Task Any_resolver_that_lives_will_do(string forwarder, string resolvConf) =>
        WithResolverAsync(resolvConf, async network =>
        {
            Assert.Equal("192.0.2.7\n", await AskAsync(network, forwarder, "www.example.test", "A"));
            Assert.Equal("192.0.2.7\n", await AskAsync(network, forwarder, "www.example.test", "A", "+tcp"));
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [InlineData("")]
    [InlineData("# no resolver here\n")]
    public Task Without_a_resolver_the_answer_is_a_failure_at_once(string resolvConf) =>
        WithResolverAsync(resolvConf, async network =>
        {
            Outcome dig = await network.Guest.RunAsync("dig", $"@{Forwarder4}", "+tries=1", "www.example.test", "A");
            Assert.Contains("status: SERVFAIL", dig.Stdout, StringComparison.Ordinal);
        });

    public static TheoryData<string> Changes => new() { "write", "rename", "symlink" };

    /// <summary>The ways in which programs change resolv.conf: in place, by a new file, by another target.</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [MemberData(nameof(Changes))]
    public Task A_change_of_resolv_conf_is_followed(string change) =>
        WithResolverAsync($"nameserver {DeadResolver}\n", async network =>
        {
            string file = network.PathOfHost("/etc/resolv.conf");
            const string Living = "nameserver 127.0.0.1\n";
            switch (change)
            {
                case "write":
                    await File.WriteAllTextAsync(file, Living);
                    break;
                case "rename":
                    await File.WriteAllTextAsync(file + ".new", Living);
                    File.Move(file + ".new", file, overwrite: true);
                    break;
                default:
                    await File.WriteAllTextAsync(network.PathOfHost("/etc/resolv-target.conf"), Living);
                    File.CreateSymbolicLink(file + ".new", "resolv-target.conf");
                    File.Move(file + ".new", file, overwrite: true);
                    break;
            }

            await AnswersAsync(network).WithinAsync("an answer from the new resolver");
        });

    // The change is noticed a moment after it was made, so this asks until it is.
    private static async Task AnswersAsync(GuestNetwork network)
    {
        while (await AskAsync(network, Forwarder4, "www.example.test", "A") != "192.0.2.7\n") await Task.Delay(20);
    }

    private static async Task<string> AskAsync(GuestNetwork network, string forwarder, string name, string type,
        string transport = "+notcp") =>
        (await network.Guest.RunAsync("dig", $"@{forwarder}", "+short", "+tries=3", "+timeout=15", transport, name, type)).Succeeded();

    private static async Task WithResolverAsync(string resolvConf, Func<GuestNetwork, Task> test)
    {
        ChildProcess? dnsmasq = null;
        var plan = new SlirpPlan
        {
            OwnHost = true,
            ResolvConf = resolvConf,
            Before = async network =>
            {
                string large = string.Concat(Enumerable.Repeat("," + new string('x', 200), LargeStrings));
                dnsmasq = network.HostNamespace.Start("dnsmasq", "--no-daemon", "--log-facility=-",
                    "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                    "--listen-address=127.0.0.1,::1", "--bind-interfaces", "--local=/example.test/",
                    "--host-record=www.example.test,192.0.2.7,2001:db8::7",
                    "--txt-record=large.example.test" + large);
                await dnsmasq.StderrLineAsync("started");
            },
        };
        try
        {
            await GuestNetwork.WithAsync(plan, test);
        }
        finally
        {
            if (dnsmasq is not null) await dnsmasq.DisposeAsync();
        }
    }
}
