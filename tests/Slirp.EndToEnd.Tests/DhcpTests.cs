using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The guest configures itself with a real client, busybox's udhcpc.</summary>
public class DhcpTests
{
    [EndToEndFact(Tools = "udhcpc")]
    public async Task A_lease_has_address_router_and_resolver()
    {
        Dictionary<string, string> lease = await LeaseAsync(new SlirpPlan());
        Assert.Matches(@"^10\.0\.2\.(1[5-9]|2\d|30)$", lease["ip"]);
        Assert.Equal("255.255.255.0", lease["subnet"]);
        Assert.Equal("10.0.2.2", lease["router"]);
        Assert.Equal("10.0.2.3", lease["dns"]);
    }

    [EndToEndFact(SlirpnetOnly = true, Tools = "udhcpc")]
    public async Task A_lease_has_mtu_and_search_list()
    {
        var plan = new SlirpPlan { Mtu = 9000, OwnHost = true, ResolvConf = "nameserver 127.0.0.1\nsearch a.test b.test\n" };
        Dictionary<string, string> lease = await LeaseAsync(plan);
        Assert.Equal("9000", lease["mtu"]);
        Assert.Equal("a.test b.test", lease["search"].Trim());
    }

    [EndToEndFact(SlirpnetOnly = true, Tools = "udhcpc")]
    public async Task A_lease_follows_the_cidr()
    {
        Dictionary<string, string> lease = await LeaseAsync(new SlirpPlan { MoreOptions = ["--cidr=10.11.0.0/16"] });
        Assert.StartsWith("10.11.0.", lease["ip"], StringComparison.Ordinal);
        Assert.Equal("255.255.0.0", lease["subnet"]);
        Assert.Equal("10.11.0.2", lease["router"]);
    }

    /// <summary>What udhcpc gives its script, by name.</summary>
    private static async Task<Dictionary<string, string>> LeaseAsync(SlirpPlan plan)
    {
        var lease = new Dictionary<string, string>();
        await GuestNetwork.WithAsync(plan with { Configure = false, Capture = false }, async network =>
        {
            (await network.Guest.RunAsync("ip", "link", "set", GuestNetwork.TapName, "up")).Succeeded();
            string script = Path.Combine(Machine.Scratch, $"lease-{network.Guest.Pid}.sh");
            string output = script + ".out";
            await File.WriteAllTextAsync(script, $"#!/bin/sh\n[ \"$1\" != bound ] || env >'{output}'\n");
            File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
            (await network.Guest.RunAsync("udhcpc", "-i", GuestNetwork.TapName, "-f", "-q", "-n", "-t", "10", "-T", "1",
                "-O", "mtu", "-O", "search", "-s", script)).Succeeded();
            foreach (string line in await File.ReadAllLinesAsync(output))
                if (line.Split('=', 2) is [string name, string value])
                    lease[name] = value;
        });
        return lease;
    }
}
