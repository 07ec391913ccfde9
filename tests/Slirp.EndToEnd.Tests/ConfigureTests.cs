using System.Text.Json;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>What the guest finds configured when the ready octet has come: what slirp4netns leaves, to the letter.</summary>
public class ConfigureTests
{
    [EndToEndFact]
    public Task Option_c_sets_up_loopback_address_and_route() =>
        GuestNetwork.WithAsync(new SlirpPlan { Ipv6 = false }, async network =>
        {
            JsonElement loopback = await LinkAsync(network, "lo");
            Assert.Contains("UP", Flags(loopback));
            JsonElement tap = await LinkAsync(network, GuestNetwork.TapName);
            Assert.Contains("UP", Flags(tap));
            Assert.DoesNotContain("MULTICAST", Flags(tap));
            Assert.Equal(1500, tap.GetProperty("mtu").GetInt32());
            Assert.Equal(["10.0.2.100/24"], await AddressesAsync(network, "inet"));
            Assert.Equal("10.0.2.2", await DefaultGatewayAsync(network, "-4"));
        });

    /// <summary>On an interface that was there before the address of another time gives way; other ways out stay, behind ours.</summary>
    [EndToEndFact]
    public Task What_was_there_before_gives_way_or_stays() =>
        GuestNetwork.WithAsync(
            new SlirpPlan
            {
                Ipv6 = false,
                Before = async network =>
                {
                    foreach (string command in (string[])
                        [
                            $"ip tuntap add {GuestNetwork.TapName} mode tap", $"ip address add 10.0.2.99/24 dev {GuestNetwork.TapName}",
                            "ip link add d0 type veth peer name d1", "ip address add 10.5.0.1/24 dev d0", "ip link set d0 up", "ip link set d1 up",
                            "ip route add default via 10.5.0.9",
                        ])
                        await network.GuestRunsAsync(command);
                },
            },
            async network =>
            {
                Assert.Equal(["10.0.2.100/24"], await AddressesAsync(network, "inet"));
                string routes = (await network.Guest.RunAsync("ip", "route", "show", "default")).Succeeded();
                Assert.Matches(@"^default via 10\.0\.2\.2 dev tap0.*\ndefault via 10\.5\.0\.9 dev d0", routes);
            });

    [EndToEndFact]
    public Task Options_m_cidr_and_macaddress_are_obeyed() =>
        GuestNetwork.WithAsync(
            new SlirpPlan
            {
                Ipv6 = false,
                Mtu = 4000,
                MoreOptions = ["--cidr=10.11.0.0/16", "--macaddress=0e:d4:18:d9:38:fb"],
            },
            async network =>
            {
                JsonElement tap = await LinkAsync(network, GuestNetwork.TapName);
                Assert.Equal(4000, tap.GetProperty("mtu").GetInt32());
                Assert.Equal("0e:d4:18:d9:38:fb", tap.GetProperty("address").GetString());
                Assert.Equal(["10.11.0.100/16"], await AddressesAsync(network, "inet"));
                Assert.Equal("10.11.0.2", await DefaultGatewayAsync(network, "-4"));
            });

    /// <summary>Callers read it, so both programs say the same; slirpnet has one line more.</summary>
    [EndToEndFact]
    public Task The_start_report_tells_all_that_was_settled() =>
        GuestNetwork.WithAsync(
            new SlirpPlan
            {
                Ipv6 = false,
                Mtu = 4000,
                Capture = false,
                MoreOptions = ["--cidr=10.11.0.0/16", "--macaddress=0E:d4:18:d9:38:fb", "--outbound-addr=127.0.0.1"],
            },
            async network =>
            {
                network.SlirpMayEnd();
                network.Slirp.CloseExitDescriptor();
                string[] said = (await network.Slirp.WaitAsync()).Succeeded().Split('\n');
                Assert.Contains("Starting slirp", said);
                Assert.Equal(
                    [
                        "* MTU:             4000",
                        "* Network:         10.11.0.0",
                        "* Netmask:         255.255.0.0",
                        "* Gateway:         10.11.0.2",
                        "* DNS:             10.11.0.3",
                        "* DHCP begin:      10.11.0.15",
                        "* DHCP end:        10.11.0.30",
                        "* Recommended IP:  10.11.0.100",
                        "* Outbound IPv4:    127.0.0.1",
                        "* MAC address:     0e:d4:18:d9:38:fb",
                    ],
                    said.Where(line => line.StartsWith("* ", StringComparison.Ordinal) && !line.StartsWith("* Offloads:", StringComparison.Ordinal)));
                Assert.Contains("WARNING: 127.0.0.1:* on the host is accessible as 10.11.0.2 (set --disable-host-loopback to prohibit connecting to 127.0.0.1:*)", said);
            });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Option_6_gives_address_and_route_at_once(bool asUser) =>
        GuestNetwork.WithAsync(new SlirpPlan { AsUser = asUser }, async network =>
        {
            string[] addresses = await AddressesAsync(network, "inet6");
            Assert.Single(addresses, address => address.StartsWith("fd00::", StringComparison.Ordinal)
                                                && address.EndsWith("/64", StringComparison.Ordinal));
            Assert.NotNull(await DefaultGatewayAsync(network, "-6"));
            JsonElement tap = await LinkAsync(network, GuestNetwork.TapName);
            foreach (JsonElement address in tap.GetProperty("addr_info").EnumerateArray())
                Assert.False(address.TryGetProperty("tentative", out _), $"still tentative: {address}");
        });

    [EndToEndFact]
    public Task Without_c_the_guest_is_left_alone() =>
        GuestNetwork.WithAsync(new SlirpPlan { Configure = false, Capture = false }, async network =>
        {
            Assert.DoesNotContain("UP", Flags(await LinkAsync(network, "lo")));
            Assert.DoesNotContain("UP", Flags(await LinkAsync(network, GuestNetwork.TapName)));
            Assert.Empty(await AddressesAsync(network, "inet"));
            Assert.Null(await DefaultGatewayAsync(network, "-4"));
        });

    /// <summary>Without -c and with -6 the kernel configures itself from our router advertisement.</summary>
    [EndToEndFact]
    public Task A_router_advertisement_configures_the_guest() =>
        GuestNetwork.WithAsync(new SlirpPlan { Configure = false, Capture = false }, async network =>
        {
            (await network.Guest.RunAsync("ip", "link", "set", GuestNetwork.TapName, "up")).Succeeded();
            await UntilAsync(async () =>
                Array.Exists(await AddressesAsync(network, "inet6"), a => a.StartsWith("fd00::", StringComparison.Ordinal))
                && await DefaultGatewayAsync(network, "-6") is not null, "an address from a router advertisement");
        });

    // The kernel tells nobody but netlink listeners when it is done, so this asks until it is.
    private static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        async Task AskAsync()
        {
            while (!await holds()) await Task.Delay(20);
        }

        await AskAsync().WithinAsync(what);
    }

    private static async Task<JsonElement> LinkAsync(GuestNetwork network, string name)
    {
        string json = (await network.Guest.RunAsync("ip", "-json", "-details", "address", "show", "dev", name)).Succeeded();
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement[0].Clone();
    }

    private static string[] Flags(JsonElement link) =>
        link.GetProperty("flags").EnumerateArray().Select(flag => flag.GetString()!).ToArray();

    private static async Task<string[]> AddressesAsync(GuestNetwork network, string family)
    {
        JsonElement tap = await LinkAsync(network, GuestNetwork.TapName);
        return tap.GetProperty("addr_info").EnumerateArray()
            .Where(address => address.GetProperty("family").GetString() == family)
            .Select(address => $"{address.GetProperty("local")}/{address.GetProperty("prefixlen")}").ToArray();
    }

    private static async Task<string?> DefaultGatewayAsync(GuestNetwork network, string family)
    {
        string json = (await network.Guest.RunAsync("ip", "-json", family, "route", "show", "default")).Succeeded();
        if (string.IsNullOrWhiteSpace(json)) return null;
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.GetArrayLength() == 0
            ? null
            : document.RootElement[0].GetProperty("gateway").GetString();
    }
}
