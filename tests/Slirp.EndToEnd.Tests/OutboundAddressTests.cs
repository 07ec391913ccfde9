using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>--outbound-addr and --outbound-addr6: what a machine beyond the host's uplink sees as the sender.</summary>
public class OutboundAddressTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    private static readonly string[] Second = [$"--outbound-addr={Uplink.Second4}", $"--outbound-addr6={Uplink.Second6}"];

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Without_the_option_the_routes_choose(AddressFamily family) =>
        WithUplinkAsync([], (network, uplink) => AllLeaveFromAsync(network, uplink, family, Uplink.First(family)));

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4, false)]
    [InlineData(V6, false)]
    [InlineData(V4, true)]
    [InlineData(V6, true)]
    public Task Everything_leaves_from_the_address_asked_for(AddressFamily family, bool asUser) =>
        WithUplinkAsync(Second, (network, uplink) => AllLeaveFromAsync(network, uplink, family, Uplink.Second(family)), asUser);

    /// <summary>Each option has an interface of its own: the first global address there.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task An_interface_stands_for_its_address()
    {
        const string Own4 = "198.51.100.4", Own6 = "2001:db8:6::6";
        return WithUplinkAsync(["--outbound-addr=four0", "--outbound-addr6=six0"], async (network, uplink) =>
        {
            await LeavesFromAsync(network, uplink, V4, Own4);
            await LeavesFromAsync(network, uplink, V6, Own6);
        }, before: async uplink =>
        {
            await uplink.HostAsync("link add four0 type veth peer name six0");
            foreach (string end in (string[])["four0", "six0"]) await uplink.HostAsync($"link set {end} up");
            await uplink.HostAsync($"address add {Own4}/32 dev four0");
            await uplink.HostAsync("address add 2001:db8:6::4/128 dev four0 nodad");
            await uplink.HostAsync("address add 198.51.100.6/32 dev six0");
            await uplink.HostAsync($"address add {Own6}/128 dev six0 nodad");
            await uplink.FarAsync($"route add 198.51.100.0/24 via {Uplink.First4}");
            await uplink.FarAsync($"-6 route add 2001:db8:6::/64 via {Uplink.First6}");
        });
    }

    /// <summary>One UDP port of the guest speaks to both, from one port of the host.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Host_loopback_is_spoken_to_from_it_as_well(AddressFamily family) =>
        WithUplinkAsync(Second, async (network, uplink) =>
        {
            await using var near = new Witness(network.Host, GuestNetwork.Loopback(family));
            await using var far = new Witness(uplink, Uplink.Far(family));
            using Socket connection = await network.ConnectAsync(family, near.Port);
            Assert.Equal(Uplink.Second(family), (await Witness.HeardFromAsync(connection)).Address.ToString());

            using Socket guest = Unconnected(network, family);
            var gateway = new IPEndPoint(GuestNetwork.Gateway(family), near.Port);
            var beyond = new IPEndPoint(Uplink.Far(family), far.Port);
            IPEndPoint first = await Witness.HeardFromAsync(guest, beyond);
            Assert.Equal(Uplink.Second(family), first.Address.ToString());
            Assert.Equal(first, await Witness.HeardFromAsync(guest, gateway));
            Assert.Equal(first, await Witness.HeardFromAsync(guest, beyond));
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [InlineData("10.0.2.3", "+notcp", V4)]
    [InlineData("10.0.2.3", "+tcp", V4)]
    [InlineData("fd00::3", "+notcp", V6)]
    [InlineData("fd00::3", "+tcp", V6)]
    public Task Our_own_questions_leave_from_there_too(string forwarder, string transport, AddressFamily upstream) =>
        WithUplinkAsync(Second, async (network, uplink) =>
        {
            await using ChildProcess dnsmasq = await FarResolverAsync(uplink);
            Outcome dig = await network.Guest.RunAsync(
                "dig", $"@{forwarder}", "+short", "+tries=3", "+timeout=15", transport, "www.example.test", "A");
            Assert.Equal("192.0.2.7\n", dig.Succeeded());
            await dnsmasq.StderrLineAsync($"www.example.test from {Uplink.Second(upstream)}");
        }, resolvConf: $"nameserver {Uplink.Far(upstream)}\n");

    /// <summary>A port of the host is taken for one destination only: ten serve any number of servers.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task An_outbound_address_costs_no_ports(AddressFamily family) =>
        WithUplinkAsync(Second, async (network, uplink) =>
        {
            var connections = new List<Socket>();
            try
            {
                for (int server = 0; server < 4; server++)
                {
                    await using var witness = new Witness(uplink, Uplink.Far(family));
                    for (int i = 0; i < 8; i++)
                        connections.Add(await ConnectAsync(network, new IPEndPoint(Uplink.Far(family), witness.Port)));
                    foreach (Socket connection in connections[^8..])
                        Assert.InRange((await Witness.HeardFromAsync(connection)).Port, 41000, 41009);
                }
            }
            finally
            {
                foreach (Socket connection in connections) connection.Dispose();
            }
        }, before: async uplink => await uplink.HostRunAsync("echo 41000 41009 >/proc/sys/net/ipv4/ip_local_port_range"));

    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_start_report_names_both() =>
        WithUplinkAsync([$"--outbound-addr={Uplink.Second4}", $"--outbound-addr6={Uplink.Interface}"], (network, _) =>
        {
            string said = network.Slirp.StdoutSoFar;
            Assert.Contains($"* Outbound IPv4:    {Uplink.Second4}\n", said, StringComparison.Ordinal);
            Assert.Matches(@"\* Outbound IPv6:    2001:db8:5::[12]\n", said);
            return Task.CompletedTask;
        });

    public static TheoryData<string, string> Faults => new()
    {
        { "--outbound-addr=203.0.113.77", "--outbound-addr=203.0.113.77: not an address of this host" },
        { "--outbound-addr6=2001:db8::77", "--outbound-addr6=2001:db8::77: not an address of this host" },
        { "--outbound-addr=224.0.0.9", "--outbound-addr=224.0.0.9: no host sends from such an address" },
        { "--outbound-addr6=fe80::9", "--outbound-addr6=fe80::9: a link-local address" },
        { "--outbound-addr=nosuch0", "outbound-addr has to be valid ipv4 address or interface name.\nnosuch0: this host has no such interface\n" },
        { "--outbound-addr6=nosuch0", "outbound-addr6 has to be valid ipv6 address or interface name.\nnosuch0: this host has no such interface\n" },
        { "--outbound-addr=up0", "outbound-addr has to be valid ipv4 address or interface name.\nup0: it has no IPv4 address\n" },
        { "--outbound-addr6=up0", "outbound-addr6 has to be valid ipv6 address or interface name.\nup0: it has no IPv6 address" },
    };

    /// <summary>The interface up0 exists, with a link-local address only. Nothing is touched: the target has no interface.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Faults))]
    public async Task What_the_host_does_not_have_ends_the_start(string option, string complaint)
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false);
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("sh", "-c", "ip link set lo up && ip link add up0 type veth peer name up1 && ip link set up0 up && ip link set up1 up"))
            .Succeeded();
        Outcome outcome = await host.RunAsync(Machine.Binary, "-c", "-6", option, $"{guest.Pid}", "tap0");
        Assert.Equal(1, outcome.Status);
        Assert.StartsWith(complaint, outcome.Stderr, StringComparison.Ordinal);
        Assert.Empty(outcome.Stdout);
        Assert.DoesNotContain("tap0", (await guest.RunAsync("ip", "link")).Succeeded(), StringComparison.Ordinal);
    }

    internal static async Task WithUplinkAsync(
        string[] options, Func<GuestNetwork, Uplink, Task> test, bool asUser = false, string? resolvConf = null,
        Func<Uplink, Task>? before = null, int mtu = 1500)
    {
        Uplink? uplink = null;
        var plan = new SlirpPlan
        {
            OwnHost = true,
            Mtu = mtu,
            AsUser = asUser,
            ResolvConf = resolvConf,
            MoreOptions = options,
            Before = async network =>
            {
                uplink = await Uplink.CreateAsync(network.HostNamespace);
                if (before is not null) await before(uplink);
            },
        };
        try
        {
            await GuestNetwork.WithAsync(plan, network => test(network, uplink!));
        }
        finally
        {
            if (uplink is not null) await uplink.DisposeAsync();
        }
    }

    /// <summary>dnsmasq beyond the uplink, which tells who asked.</summary>
    internal static async Task<ChildProcess> FarResolverAsync(Uplink uplink)
    {
        ChildProcess dnsmasq = uplink.Machine.Start("dnsmasq", "--no-daemon", "--log-facility=-", "--log-queries",
            "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces",
            $"--listen-address={Uplink.Far(V4)},{Uplink.Far(V6)}", "--local=/example.test/",
            "--host-record=www.example.test,192.0.2.7,2001:db8::7");
        await dnsmasq.StderrLineAsync("started");
        return dnsmasq;
    }

    internal static Socket Unconnected(GuestNetwork network, AddressFamily family)
    {
        Socket socket = network.Guest.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(family == V4 ? IPAddress.Any : IPAddress.IPv6Any, 0));
        return socket;
    }

    internal static async Task<Socket> ConnectAsync(GuestNetwork network, IPEndPoint server)
    {
        Socket socket = network.Guest.CreateSocket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(server).WithinAsync($"the guest's connect to {server}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>TCP and UDP.</summary>
    private static async Task LeavesFromAsync(GuestNetwork network, Uplink uplink, AddressFamily family, string address)
    {
        await using var witness = new Witness(uplink, Uplink.Far(family));
        var server = new IPEndPoint(Uplink.Far(family), witness.Port);
        using Socket connection = await ConnectAsync(network, server);
        Assert.Equal(address, (await Witness.HeardFromAsync(connection)).Address.ToString());
        using Socket datagrams = Unconnected(network, family);
        Assert.Equal(address, (await Witness.HeardFromAsync(datagrams, server)).Address.ToString());
    }

    /// <summary>And ping: the machine beyond knows no way to any other address, so only this one's echo comes back.</summary>
    private static async Task AllLeaveFromAsync(GuestNetwork network, Uplink uplink, AddressFamily family, string address)
    {
        await LeavesFromAsync(network, uplink, family, address);
        if (!Machine.Has("ping")) return;
        foreach (string other in (string[])[Uplink.First(family), Uplink.Second(family)])
            if (other != address) await uplink.FarAsync($"route add blackhole {other}");
        (await network.Guest.RunAsync("ping", "-n", "-c", "2", "-i", "0.2", "-W", "50", $"{Uplink.Far(family)}")).Succeeded();
    }
}
