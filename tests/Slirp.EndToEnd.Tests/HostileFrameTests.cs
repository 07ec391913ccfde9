using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.EndToEnd.Tests.Hostile;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// Every class of hostile frame (tests/README.md), put on the guest's interface octet for octet: after each kind slirpnet
/// lives, a neighbour's connection works, and what was refused is counted as often as it was sent. All of it once more costs no
/// more memory. That a frame raises its own counter and no other is for Slirp.Simulation.Tests' HostileFrames: here the guest's
/// kernel speaks too.
/// </summary>
public class HostileFrameTests(ITestOutputHelper output)
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;
    private const long MaxGrowthKib = 16_000; // 1.7 MB is what it was seen to come to, of a process that has served nobody yet: code, pools and tables that are used first
    private const long MaxAgainKib = 8_000; // 1 MB is what it was seen to come to, and the collector chooses its own time
    private const int MaxOthers = 30; // frames of the guest's kernel that count as the same thing
    private const int Portion = 1000; // what is more than the interface's queue holds, it drops, and tells nobody

    /// <summary>Class E.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(1500)]
    [InlineData(65520)]
    public Task Ethernet_and_ARP(int mtu) => EndureAsync(mtu, (packets, _) => LinkAttacks.All(packets));

    /// <summary>Class 4.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Ipv4_headers() => EndureAsync(1500, (packets, _) => Ipv4Attacks.All(packets));

    /// <summary>Class F; F7 is <see cref="LimitTests.Fragments_that_are_never_completed_hold_little"/>.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Fragments() => EndureAsync(1500, (packets, _) => FragmentAttacks.All(packets));

    /// <summary>Class 6.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Ipv6_headers_and_neighbour_discovery() => EndureAsync(1500, (packets, _) => Ipv6Attacks.All(packets));

    /// <summary>Class I.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Icmp() => EndureAsync(1500, (packets, _) => DatagramAttacks.Icmp(packets));

    /// <summary>Class U; U6 is <see cref="LimitTests.Seventy_thousand_UDP_ports_evict_the_idlest"/>.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Udp() => EndureAsync(1500, (packets, _) => DatagramAttacks.Udp(packets));

    /// <summary>Class T without a connection.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Tcp() => EndureAsync(1500, (packets, neighbour) => TcpAttacks.All(packets, neighbour.Remote.Port, (neighbour.Guest, neighbour.Remote)));

    /// <summary>Class D; D5 is <see cref="LimitTests.A_flood_of_DHCP_clients_leaves_the_others_alone"/>.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Dhcp() => EndureAsync(1500, (packets, _) => ServiceAttacks.Dhcp(packets));

    /// <summary>Class N, from the guest's side; N5 to N7 are in <see cref="DnsHostTests"/>.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Dns() => EndureAsync(1500, (packets, _) => ServiceAttacks.Dns(packets));

    /// <summary>All classes once more, with octets changed, cut and repeated at random. SLIRP_FUZZ_SEED and SLIRP_FUZZ_FRAMES
    /// run another or a longer storm.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_storm_of_bent_frames()
    {
        int seed = Setting.Number("SLIRP_FUZZ_SEED", 793), count = Setting.Number("SLIRP_FUZZ_FRAMES", 100_000);
        return EndureAsync(1500, (packets, neighbour) => Storm.Of(Everything(packets, neighbour), seed, count));
    }

    /// <summary>Super-segments whose virtio_net header and content disagree, as far as the guest's kernel lets them out.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(1500)]
    [InlineData(65520)]
    public Task Super_segments(int mtu) => EndureAsync(mtu, (packets, _) => OffloadAttacks.All(packets), vnetHeader: true);

    private static IEnumerable<Attack> Everything(Packets p, EchoFlow neighbour) =>
    [
        .. LinkAttacks.All(p), .. Ipv4Attacks.All(p), .. FragmentAttacks.All(p), .. Ipv6Attacks.All(p), .. DatagramAttacks.Icmp(p),
        .. DatagramAttacks.Udp(p), .. TcpAttacks.All(p, neighbour.Remote.Port, (neighbour.Guest, neighbour.Remote)),
        .. ServiceAttacks.Dhcp(p), .. ServiceAttacks.Dns(p),
    ];

    private Task EndureAsync(int mtu, Func<Packets, EchoFlow, IEnumerable<Attack>> attacks, bool vnetHeader = false)
    {
        var plan = new SlirpPlan { OwnHost = true, Api = true, Capture = false, Mtu = mtu, ResolvConf = "nameserver 127.0.0.1\n" };
        return GuestNetwork.WithAsync(plan, async network =>
        {
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network), neighbour6 = await EchoFlow.OpenAsync(network, AddressFamily.InterNetworkV6);
            using Socket sink = network.Host.CreateSocket(AddressFamily.InterNetworkV6, SocketType.Dgram, ProtocolType.Udp);
            sink.DualMode = true;
            sink.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
            using RawLink link = RawLink.Open(network.Guest, vnetHeader);
            var packets = new Packets(link.GuestMac) { Sink = ((IPEndPoint)sink.LocalEndPoint!).Port };
            await neighbour.BeatAsync();
            long atFirst = network.Figures.ResidentKib();
            SlirpStatus before = await SlirpStatus.AskAsync(network.Api);
            foreach (Attack attack in attacks(packets, neighbour))
            {
                int sent = await SendAsync(attack);
                SlirpStatus after = await SlirpStatus.AskAsync(network.Api);
                Assert.False(network.Slirp.HasExited, $"ended by {attack.Scenario}");
                if (attack.Shows is string shows)
                {
                    long rose = after.Of(shows) - before.Of(shows), times = attack.Times ?? sent;
                    Assert.True(rose >= times && rose <= times + MaxOthers,
                        $"{attack.Scenario}: {sent} frames do not show {times} times as {shows}, but as {after.Since(before)}");
                }

                before = after;
            }

            long afterOnce = network.Figures.ResidentKib();
            Assert.InRange(afterOnce, 0, atFirst + MaxGrowthKib);
            foreach (Attack attack in attacks(packets, neighbour)) await SendAsync(attack);
            output.WriteLine($"{atFirst} KiB at first, {afterOnce} KiB after all of it, {network.Figures.ResidentKib()} KiB after all of it again");
            await network.Figures.ResidentFallsToAsync(afterOnce + MaxAgainKib);
            await Datagrams.EchoAsync(network, V4, 1, 1000);

            async Task<int> SendAsync(Attack attack)
            {
                int sent = 0, refused = link.Refused;
                foreach (byte[] frame in attack.Frames)
                {
                    link.Send(frame);
                    if (++sent % Portion == 0) await neighbour.BeatAsync();
                }

                await neighbour.BeatAsync();
                await neighbour6.BeatAsync();
                return sent - (link.Refused - refused);
            }
        });
    }
}
