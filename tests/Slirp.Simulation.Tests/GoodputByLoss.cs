using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Simulation.Tests;

/// <summary>How fast a stream is over a link of 1 Gbit/s and 2 ms round trip that loses packets: a table that is reviewed
/// when it changes. SLIRP_UPDATE_SNAPSHOTS=1 writes the new one.</summary>
public sealed class GoodputByLoss
{
    private const int StreamLength = 3 << 20;

    [Fact]
    public void Is_what_was_reviewed()
    {
        var table = new StringBuilder("simulated goodput, Mbit/s, of 1000; round trip 2 ms, MTU 1500\n");
        table.Append("loss     to guest, SACK  to guest, none  from guest, SACK  from guest, none\n");
        foreach (double loss in new[] { 0, 0.001, 0.01, 0.05 })
        {
            table.Append(CultureInfo.InvariantCulture, $"{loss * 100,4} %   {Goodput(loss, true, true),14}  {Goodput(loss, true, false),14}");
            table.Append(CultureInfo.InvariantCulture, $"  {Goodput(loss, false, true),16}  {Goodput(loss, false, false),16}\n");
        }
        string path = SnapshotPath();
        if (Environment.GetEnvironmentVariable("SLIRP_UPDATE_SNAPSHOTS") == "1") File.WriteAllText(path, table.ToString());
        Assert.Equal(File.ReadAllText(path), table.ToString());
    }

    /// <summary>The mean of several seeds, in whole Mbit/s.</summary>
    private static int Goodput(double loss, bool toGuest, bool sack)
    {
        double seconds = 0;
        const int Seeds = 8;
        for (int seed = 1; seed <= Seeds; seed++)
        {
            var simulation = new TcpSimulation(Plan(seed, loss, toGuest, sack));
            simulation.Run();
            seconds += simulation.Elapsed.TotalSeconds;
        }
        return (int)(Seeds * StreamLength * 8.0 / seconds / 1e6);
    }

    private static SimulationPlan Plan(int seed, double loss, bool toGuest, bool sack)
    {
        var freely = new Pace(1 << 20, TimeSpan.FromMicroseconds(100), 0);
        return new SimulationPlan
        {
            Seed = seed,
            Mtu = 1500,
            Offloads = LinkOffloads.All,
            SplitsOnLink = true,
            Upload = toGuest ? 0 : StreamLength,
            Download = toGuest ? StreamLength : 0,
            Link = new LinkProfile { Loss = loss, Delay = TimeSpan.FromMilliseconds(1), Rate = 125e6 },
            Guest = new TcpGuestOptions
            {
                Addresses = new IpPair(FrameFactory.Endpoint("10.0.2.100", 40000), FrameFactory.Endpoint("192.0.2.7", 80)),
                MaxSegment = 1460,
                Sack = sack,
                ReceiveBuffer = 4 << 20,
                WindowScale = 8,
                SegmentsPerFrame = 40,
            },
            GuestWrites = freely with { Octets = 32 << 20 },
            GuestReads = freely,
            HostWrites = freely with { Octets = 32 << 20 },
            HostReads = freely with { Octets = 8 << 20 },
        };
    }

    private static string SnapshotPath([CallerFilePath] string source = "") =>
        Path.Combine(Path.GetDirectoryName(source)!, "GoodputByLoss.txt");
}
