using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The guest configures itself with real clients: busybox's udhcpc, and ISC's dhclient for DHCPv6.</summary>
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

    /// <summary>Addresses come by router advertisement; what else a guest wants to know it may ask for (RFC 8415 section 6.1).</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "dhclient")]
    [InlineData("search a.test b.test\n", "a.test. b.test.")]
    [InlineData("", null)]
    public async Task A_stateless_DHCPv6_client_learns_resolver_and_search_list(string search, string? domains)
    {
        var plan = new SlirpPlan
        {
            OwnHost = true,
            ResolvConf = "nameserver 127.0.0.1\n" + search,
            // Its socket needs the link-local address, which is usable at once without a detection of duplicates.
            Before = network => network.GuestRunsAsync("sysctl -qw net.ipv6.conf.default.accept_dad=0"),
        };
        await GuestNetwork.WithAsync(plan, async network =>
        {
            string files = Path.Combine(Machine.Scratch, $"dhclient-{network.Guest.Pid}");
            string output = await WriteScriptAsync(files + ".sh", onlyFor: "RENEW6");
            // Of the machine's /etc it reads and writes nothing.
            Outcome dhclient = await network.Guest.RunAsync("dhclient", "-6", "-S", "-d", "-v", "-sf", files + ".sh",
                "-cf", "/dev/null", "-lf", files + ".leases", "-pf", files + ".pid", GuestNetwork.TapName);
            Dictionary<string, string> told = await ReadAsync(output, dhclient);
            Assert.Equal("fd00::3", told["new_dhcp6_name_servers"]);
            Assert.Equal(domains, told.GetValueOrDefault("new_dhcp6_domain_search"));
            Assert.Equal("86400", told["new_dhcp6_info_refresh_time"]);
        });
    }

    /// <summary>Every address is leased: who comes then gets none, one line says so, and what is given back is given again.</summary>
    [EndToEndFact(SlirpnetOnly = true, Tools = "udhcpc")]
    public Task The_next_client_of_a_full_range_waits_for_an_address() =>
        GuestNetwork.WithAsync(new SlirpPlan { Capture = false, Api = true }, async network =>
        {
            const byte First = 15, Last = 30, Released = 17;
            using RawLink link = RawLink.Open(network.Guest);
            for (byte host = First; host <= Last; host++) link.SendPacket(Message(DhcpMessageType.Request, host, requested: host));
            for (int i = 0; i < 3; i++) link.SendPacket(Message(DhcpMessageType.Discover, 200));
            await PressureTests.SaysOnceAsync(network, "every DHCP address is taken");
            Assert.InRange((await SlirpStatus.AskAsync(network.Api)).Dropped("DhcpNoAddress"), 1, 3);
            link.SendPacket(Message(DhcpMessageType.Release, Released, holds: Released));
            Assert.Equal($"10.0.2.{Released}", (await LeaseAsync(network))["ip"]);
        });

    /// <summary>From a client whose hardware address ends like the address that it asks for or has.</summary>
    private static byte[] Message(DhcpMessageType type, byte client, byte requested = 0, byte holds = 0)
    {
        static Ipv4Address Address(byte host) => host == 0 ? default : Ipv4Address.Parse($"10.0.2.{host}");
        var message = new byte[400];
        var builder = new DhcpBuilder(message, new DhcpFields(
            DhcpOperation.BootRequest, client, 0, true, Address(holds), default, default, default, new MacAddress(0x0200_0000_0000ul | client)));
        builder.AddMessageType(type);
        if (requested != 0) builder.AddAddress(DhcpOptionCode.RequestedAddress, Address(requested));
        return FrameFactory.Udp(
            FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), message.AsSpan(0, builder.Finish()));
    }

    /// <summary>What udhcpc gives its script, by name.</summary>
    private static async Task<Dictionary<string, string>> LeaseAsync(SlirpPlan plan)
    {
        Dictionary<string, string> lease = [];
        await GuestNetwork.WithAsync(plan with { Configure = false, Capture = false }, async network =>
        {
            (await network.Guest.RunAsync("ip", "link", "set", GuestNetwork.TapName, "up")).Succeeded();
            lease = await LeaseAsync(network);
        });
        return lease;
    }

    private static async Task<Dictionary<string, string>> LeaseAsync(GuestNetwork network)
    {
        string script = Path.Combine(Machine.Scratch, $"lease-{network.Guest.Pid}.sh");
        string output = await WriteScriptAsync(script, onlyFor: "bound");
        Outcome udhcpc = await network.Guest.RunAsync("udhcpc", "-i", GuestNetwork.TapName, "-f", "-q", "-n", "-t", "10", "-T", "1",
            "-O", "mtu", "-O", "search", "-s", script);
        return await ReadAsync(output, udhcpc);
    }

    /// <summary>A script that keeps its environment when it is called for one thing: udhcpc tells it what for by an argument,
    /// dhclient by a variable.</summary>
    /// <returns>The file it keeps it in.</returns>
    private static async Task<string> WriteScriptAsync(string path, string onlyFor)
    {
        string output = path + ".out";
        await File.WriteAllTextAsync(path, $"#!/bin/sh\n[ \"${{1:-$reason}}\" != {onlyFor} ] || env >'{output}'\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return output;
    }

    private static async Task<Dictionary<string, string>> ReadAsync(string output, Outcome client)
    {
        client.Succeeded();
        if (!File.Exists(output)) throw new EndToEndException($"no configuration: {client}");
        var told = new Dictionary<string, string>();
        foreach (string line in await File.ReadAllLinesAsync(output))
            if (line.Split('=', 2) is [string name, string value])
                told[name] = value;
        return told;
    }
}
