using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Simulation.Tests;

/// <summary>Every pattern of losses in a flight of a few segments, and every one of what mends it: none may cost more than a
/// probe's wait.</summary>
public sealed class EveryLoss
{
    private const int Flight = 8;

    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(1);

    public static TheoryData<bool, bool> Options() => new() { { true, true }, { true, false }, { false, true }, { false, false } };

    [Theory]
    [MemberData(nameof(Options))]
    public void Is_mended_without_the_timer(bool sack, bool timestamps)
    {
        TimeSpan whole = Transfer(0, sack, timestamps).Elapsed;
        for (ulong lost = 1; lost < 1ul << Flight; lost++)
        {
            // A probe, then a round trip for each hole.
            Check(lost, whole + TimeSpan.FromMilliseconds(12) + (Flight + 1) * RoundTrip);
            for (int again = Flight + 1; again < Flight + 5; again++)
            {
                // A tail whose probe is lost too: nothing is left to learn from, and RFC 8985 has one probe.
                if (sack && IsTail(lost) && again == Flight + 1) continue;
                Check(lost | 1ul << again, whole + TimeSpan.FromMilliseconds(45));
            }
        }

        static bool IsTail(ulong lost) => ulong.IsPow2((1ul << Flight) - lost);

        void Check(ulong pattern, TimeSpan limit)
        {
            TcpSimulation simulation = Transfer(pattern, sack, timestamps);
            string what = $"{pattern:b}: {simulation.Elapsed}, undisturbed {whole}";
            Assert.True(simulation.Counters.TcpRetransmitTimeouts == 0, what);
            Assert.True(simulation.Elapsed <= limit, what);
        }
    }

    private static TcpSimulation Transfer(ulong lost, bool sack, bool timestamps)
    {
        var freely = new Pace(1 << 20, TimeSpan.FromMicroseconds(100), 0);
        var simulation = new TcpSimulation(new SimulationPlan
        {
            Seed = 1,
            Mtu = 1500,
            Offloads = LinkOffloads.All,
            SplitsOnLink = true,
            LostToGuest = lost,
            Upload = 0,
            Download = Flight * 1448 - 1,
            Link = new LinkProfile { Delay = RoundTrip / 2 },
            Guest = new TcpGuestOptions
            {
                Addresses = new IpPair(FrameFactory.Endpoint("10.0.2.100", 40000), FrameFactory.Endpoint("192.0.2.7", 80)),
                MaxSegment = 1460,
                Sack = sack,
                Timestamps = timestamps,
                DelayedAck = TimeSpan.FromMilliseconds(40),
            },
            GuestWrites = freely,
            GuestReads = freely,
            HostWrites = freely with { Octets = 32 << 20 },
            HostReads = freely,
        });
        simulation.Run();
        return simulation;
    }
}
