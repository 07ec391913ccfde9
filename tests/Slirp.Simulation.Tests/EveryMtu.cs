using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Simulation.Tests;

/// <summary>Each class of MTU with each set of offloads, both families, segments as large as they come (scenarios 24, 29).</summary>
public sealed class EveryMtu
{
    private static readonly int[] Mtus = [68, 69, 128, 296, 576, 1280, 1500, 9000, 16_384, 32_768, 49_192, 65_480, 65_520, 65_535];

    public static TheoryData<int, LinkOffloads, bool> Links()
    {
        var all = new TheoryData<int, LinkOffloads, bool>();
        LinkOffloads[] sets =
        [
            LinkOffloads.None, LinkOffloads.VirtioHeader, LinkOffloads.VirtioHeader | LinkOffloads.Checksum, LinkOffloads.All,
        ];
        foreach (int mtu in Mtus)
        {
            foreach (LinkOffloads offloads in sets)
            {
                all.Add(mtu, offloads, true);
                if (mtu >= 1280) all.Add(mtu, offloads, false);
            }
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(Links))]
    public void Carries_both_streams(int mtu, LinkOffloads offloads, bool v4)
    {
        int mss = mtu - (v4 ? 40 : 60);
        foreach (bool timestamps in new[] { true, false })
        {
            SimulationPlan plan = SimulationPlan.FromSeed(mtu) with
            {
                Mtu = mtu,
                Offloads = offloads,
                SplitsOnLink = false,
                NarrowMtu = 0,
                Ending = Ending.InOrder,
                Upload = Math.Clamp(mss * 50, 5_000, 500_000),
                Download = Math.Clamp(mss * 50, 5_000, 500_000),
                Link = new LinkProfile { Delay = TimeSpan.FromMicroseconds(50) },
                Corruption = 0,
                MemoryBudget = 64 << 20,
            };
            plan = plan with
            {
                Guest = plan.Guest with
                {
                    Addresses = v4
                        ? new IpPair(FrameFactory.Endpoint("10.0.2.100", 40000), FrameFactory.Endpoint("192.0.2.7", 80))
                        : new IpPair(FrameFactory.Endpoint("fd00::100", 40000), FrameFactory.Endpoint("2001:db8::7", 80)),
                    Mss = mss,
                    MaxSegment = mss,
                    WindowScale = 7,
                    Timestamps = timestamps,
                    ReceiveBuffer = 256 << 10,
                    SegmentsPerFrame = offloads == LinkOffloads.All ? Math.Max(1, 60_000 / mss) : 1,
                },
            };
            var simulation = new TcpSimulation(plan);
            simulation.Run();
            Assert.Equal(0, simulation.Counters.TcpSegmentsRetransmitted);
        }
    }
}
