using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// tshark reads everything that crossed the TAP. With the offloads off every checksum is finished on the wire, so it
/// checks them all; with them on a capture shows unfinished ones, which say nothing.
/// </summary>
public class JudgeTests
{
    private const string Faults =
        "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || tcp.checksum.status == 0 || "
        + "udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";

    /// <summary>Scenario Z2: no frame ends in octets that are nobody's.</summary>
    private const string Padding = " || eth.padding || eth.trailer";

    [EndToEndTheory(Tools = "tcpdump,tshark")]
    [InlineData(1500)]
    [InlineData(65520)]
    public Task Every_frame_is_well_formed(int mtu)
    {
        var plan = new SlirpPlan
        {
            Mtu = mtu,
            OwnHost = true,
            Capture = false,
            MoreOptions = Machine.IsSlirp4netns ? [] : ["--no-offload=csum,tso,uso"],
        };
        return GuestNetwork.WithAsync(plan, async network =>
        {
            await using Capture capture = await Capture.StartAsync(network.Guest, GuestNetwork.TapName, octets: 0);
            await SpeakAsync(network);
            await capture.FinishAsync(network.Guest);
            string faults = await JudgeAsync(capture, "-Y", Machine.IsSlirp4netns ? Faults : Faults + Padding);
            Assert.True(faults.Length == 0, $"tshark finds fault with:\n{faults}");
            string protocols = await JudgeAsync(capture, "-q", "-z", "io,phs");
            foreach (string protocol in (string[])["arp", "tcp", "udp", "icmp", "icmpv6"])
                Assert.Matches($@"\b{protocol} +frames:", protocols);
        });
    }

    private static async Task SpeakAsync(GuestNetwork network)
    {
        foreach (AddressFamily family in new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 })
        {
            await Transfer.OneAfterTheOtherAsync(network, family, 300_001);
            await Transfer.BothAtOnceAsync(network, family, 100_003);
            await Datagrams.EchoAsync(network, family, Machine.IsSlirp4netns ? [1, 1400] : [0, 1, 1472, 1473, 9000, 65507]);
        }

        (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", "10.0.2.2")).Succeeded();
        if (Machine.IsSlirp4netns) return;
        (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", "-s", "3001", "10.0.2.2")).Succeeded();
        (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", "-s", "3001", "fd00::2")).Succeeded();
        await Assert.ThrowsAsync<SocketException>(() => network.ConnectAsync(AddressFamily.InterNetwork, 1));
        await Assert.ThrowsAsync<SocketException>(() => network.ConnectAsync(AddressFamily.InterNetworkV6, 1));
    }

    // Random octets on a port that the kernel chose are no protocol, whatever tshark knows by that number.
    private static async Task<string> JudgeAsync(Capture capture, params string[] question) =>
        (await ChildProcess.RunAsync(["tshark", "-n", "-r", capture.File, "-o", "ip.check_checksum:TRUE", "-o",
            "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-d", "udp.port==1024-65535,data", "-d",
            "tcp.port==1024-65535,data", .. question])).Succeeded();
}
