using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

public class PingTests
{
    private const string Local4 = "198.51.100.1", Local6 = "2001:db8:1::1";

    private static readonly SlirpPlan Plan = new()
    {
        OwnHost = true,
        Before = async network =>
        {
            foreach (string command in (string[])
            [
                $"ip address add {Local4}/32 dev lo",
                $"ip address add {Local6}/128 dev lo nodad",
                "ip route add unreachable 203.0.113.0/24",
                "ip route add unreachable 2001:db8:2::/64",
            ])
                (await network.HostNamespace.RunAsync(command.Split(' '))).Succeeded();
        },
    };

    [EndToEndFact(Tools = "ping")]
    public Task The_gateway_answers() => GuestNetwork.WithAsync(Plan, network => PingsAsync(network, "10.0.2.2", 56));

    [EndToEndTheory(SlirpnetOnly = true, Tools = "ping")]
    [InlineData("10.0.2.2", false)]
    [InlineData("fd00::2", false)]
    [InlineData(Local4, false)]
    [InlineData(Local6, false)]
    [InlineData(Local4, true)]
    [InlineData(Local6, true)]
    public Task Echo_of_every_size_comes_back(string address, bool asUser) =>
        GuestNetwork.WithAsync(Plan with { AsUser = asUser }, async network =>
        {
            foreach (int size in new[] { 0, 8, 56, 1472, 1473, 9000, 65000 }) await PingsAsync(network, address, size);
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "ping")]
    [InlineData("203.0.113.5", "Unreachable")]
    [InlineData("2001:db8:2::5", "unreachable")]
    public Task An_unreachable_address_is_reported_and_no_reply_invented(string address, string report) =>
        GuestNetwork.WithAsync(Plan, async network =>
        {
            // ping ends as soon as it has an error for its one request, which is long before.
            Outcome ping = await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", address);
            Assert.Equal(1, ping.Status);
            Assert.Contains(report, ping.Stdout, StringComparison.OrdinalIgnoreCase);
            Assert.Contains(" 0 received", ping.Stdout, StringComparison.Ordinal);
        });

    /// <summary>The kernel's own default is that nobody may ping: the guest is told so, and the owner by one line.</summary>
    [EndToEndTheory(OtherUsers = true, SlirpnetOnly = true, Tools = "ping")]
    [InlineData(Local4, "From 10.0.2.2 icmp_seq=1 Packet filtered")]
    [InlineData(Local6, "From fd00::2 icmp_seq=1 Destination unreachable: Administratively prohibited")]
    public Task A_host_that_forbids_pings_is_named_once(string address, string said) =>
        GuestNetwork.WithAsync(Plan, async network =>
        {
            await PingsAsync(network, address, 56);
            await AllowGroupsAsync(network, "1 0");
            for (int i = 0; i < 3; i++)
            {
                Outcome ping = await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", address);
                Assert.Contains(said, ping.Stdout, StringComparison.Ordinal);
                Assert.Equal(1, ping.Status);
            }

            await network.Slirp.StderrLineAsync("net.ipv4.ping_group_range");
            Assert.Equal(2, network.Slirp.StderrSoFar.Split("net.ipv4.ping_group_range").Length);
            await PingsAsync(network, "10.0.2.2", 56); // itself, which needs nobody's leave
            await AllowGroupsAsync(network, Machine.AsUser.Length == 0 ? "0 0" : "0 2147483647");
            await PingsAsync(network, address, 56);
        });

    [EndToEndFact(SlirpnetOnly = true, Tools = "ping")]
    public Task A_host_that_is_silent_is_silent() =>
        GuestNetwork.WithAsync(Plan with { Before = AddSilentAsync }, async network =>
        {
            foreach (string address in (string[])["203.0.113.5", "2001:db8:2::5"])
            {
                Outcome ping = await network.Guest.RunAsync("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", address);
                Assert.Contains("2 packets transmitted, 0 received, 100% packet loss", ping.Stdout, StringComparison.Ordinal);
            }
        });

    private static async Task AllowGroupsAsync(GuestNetwork network, string groups) =>
        (await network.HostNamespace.RunAsync("sh", "-c", $"echo '{groups}' >/proc/sys/net/ipv4/ping_group_range")).Succeeded();

    /// <summary>A tunnel that nobody reads.</summary>
    private static async Task AddSilentAsync(GuestNetwork network)
    {
        foreach (string command in (string[])
            [
                "ip tuntap add name silent0 mode tun", "ip link set silent0 up", "ip address add 198.51.100.9/32 dev silent0",
                "ip address add 2001:db8:1::9/128 dev silent0 nodad", "ip route add 203.0.113.0/24 dev silent0",
                "ip route add 2001:db8:2::/64 dev silent0",
            ])
            await network.HostRunsAsync(command);
    }

    private static async Task PingsAsync(GuestNetwork network, string address, int size)
    {
        string said = (await network.Guest.RunAsync(
            "ping", "-n", "-c", "2", "-i", "0.2", "-W", "50", "-s", $"{size}", address)).Succeeded();
        Assert.Contains(" 2 received", said, StringComparison.Ordinal);
        Assert.DoesNotContain("DUP", said, StringComparison.Ordinal);
    }
}
