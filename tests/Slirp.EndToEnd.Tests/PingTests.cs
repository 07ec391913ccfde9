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

    private static async Task PingsAsync(GuestNetwork network, string address, int size)
    {
        string said = (await network.Guest.RunAsync(
            "ping", "-n", "-c", "2", "-i", "0.2", "-W", "50", "-s", $"{size}", address)).Succeeded();
        Assert.Contains(" 2 received", said, StringComparison.Ordinal);
        Assert.DoesNotContain("DUP", said, StringComparison.Ordinal);
    }
}
