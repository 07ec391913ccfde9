using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.Simulation.Tests;

public enum Ending
{
    /// <summary>Both sides send all they have and close.</summary>
    InOrder,

    /// <summary>The guest resets somewhere on the way.</summary>
    GuestResets,

    /// <summary>The host resets somewhere on the way.</summary>
    HostResets,
}

/// <summary>Everything that a seed decides: link, guest, host and what they have to say.</summary>
public sealed record SimulationPlan
{
    private static readonly int[] Mtus = [68, 100, 296, 576, 1280, 1500, 1500, 1500, 4000, 9000, 16384, 32768, 65520, 65535];
    private static readonly int[] EngineWindows = [1000, 4000, 16 << 10, 64 << 10];

    public required int Seed { get; init; }
    public required int Mtu { get; init; }
    public required LinkOffloads Offloads { get; init; }
    public required TcpGuestOptions Guest { get; init; }
    public required LinkProfile Link { get; init; }

    /// <summary>The way back, if it is another.</summary>
    public LinkProfile? LinkFromGuest { get; init; }

    /// <summary>Which of the first data segments to the guest are lost: one bit each, the lowest for the first.</summary>
    public ulong LostToGuest { get; init; }

    /// <summary>A super-segment crosses the link in pieces; else whole, as between a TAP and its kernel.</summary>
    public required bool SplitsOnLink { get; init; }
    public required int Upload { get; init; }
    public required int Download { get; init; }

    /// <summary>Octets that guest and host programs read or write at a time, and how long they wait in between.</summary>
    public required Pace GuestWrites { get; init; }
    public required Pace GuestReads { get; init; }
    public required Pace HostWrites { get; init; }
    public required Pace HostReads { get; init; }
    public bool HostClosesLast { get; init; }

    /// <summary>End of file comes later than the last octet, not with it.</summary>
    public bool HostEndsLater { get; init; }

    /// <summary>How often the host kernel has no memory for the socket for a moment.</summary>
    public int HostShortages { get; init; }
    public Ending Ending { get; init; }
    public long MemoryBudget { get; init; } = 64 << 20;

    /// <summary>The most that the engine holds for the host: what its window toward the guest is cut from.</summary>
    public int EngineWindow { get; init; } = 4 << 20;

    /// <summary>How likely a packet of the guest arrives changed.</summary>
    public double Corruption { get; init; }

    /// <summary>For how long the guest is stopped, once.</summary>
    public TimeSpan Frozen { get; init; }

    /// <summary>For how long nothing passes the link, once.</summary>
    public TimeSpan Blackout { get; init; }

    /// <summary>The guest is a router, and this the MTU of the link behind it; 0 if it is no narrower.</summary>
    public int NarrowMtu { get; init; }

    /// <summary>For how long nothing may move while something is owed: programs that stall and timers that back off.</summary>
    public TimeSpan LongestPause
    {
        get
        {
            double stall = GuestWrites.LongestStall + GuestReads.LongestStall + HostWrites.LongestStall + HostReads.LongestStall;
            TimeSpan timers = TimeSpan.FromSeconds(IsCalm ? 2 : 150);
            return timers + TimeSpan.FromSeconds(stall) + 2 * Frozen + 3 * Blackout;
        }
    }

    /// <summary>Nothing is lost, late or harmed.</summary>
    public bool IsCalm =>
        Link.IsCalm && LinkFromGuest is null or { IsCalm: true } && Corruption == 0 && Guest.Reneges == 0 && HostShortages == 0
        && Frozen == TimeSpan.Zero && Blackout == TimeSpan.Zero && NarrowMtu == 0;

    public static SimulationPlan FromSeed(int seed)
    {
        var random = new Random(seed);
        bool v4 = random.Next(3) > 0;
        // Half of them one of those that are special, half any, each size as likely as its double.
        int mtu = random.Next(2) == 0 ? Mtus[random.Next(Mtus.Length)] : (int)(68 * Math.Pow(65_535 / 68.0, random.NextDouble()));
        if (!v4) mtu = Math.Max(mtu, 1280);
        LinkOffloads offloads = random.Next(3) switch
        {
            0 => LinkOffloads.None,
            1 => LinkOffloads.VirtioHeader | LinkOffloads.Checksum,
            _ => LinkOffloads.All,
        };
        bool segments = offloads == LinkOffloads.All;
        int mss = mtu - (v4 ? 40 : 60);
        // Enough for a hundred segments, so that a seed costs about the same whatever the MTU; for a few seeds many more.
        int most = Math.Clamp(mss * 100, 6_000, 300_000) * (random.Next(50) == 0 ? 10 : 1);
        int window = random.Next(6) == 0 ? EngineWindows[random.Next(EngineWindows.Length)] : 4 << 20;
        bool guestLast = random.Next(3) == 0;
        TcpGuestOptions guest = GuestFrom(random, v4, mss, segments) with { ClosesLast = guestLast, Listens = random.Next(5) == 0 };
        // A window that is a few octets wide takes a round trip for each of them.
        int mostDown = Math.Min(most, guest.ReceiveBuffer * 200), mostUp = Math.Min(most, window * 100);
        LinkProfile link = LinkFrom(random);
        return new SimulationPlan
        {
            Seed = seed,
            Mtu = mtu,
            Offloads = offloads,
            SplitsOnLink = random.Next(2) == 0,
            Upload = random.Next(6) == 0 ? 0 : random.Next(mostUp),
            Download = random.Next(6) == 0 ? 0 : random.Next(mostDown),
            Link = mostDown < most ? link with { Loss = Math.Min(link.Loss, 0.01), BurstLength = 1 } : link,
            LinkFromGuest = mostDown == most && random.Next(4) == 0 ? LinkFrom(random) : null,
            Guest = guest,
            GuestWrites = PaceFrom(random, mss),
            GuestReads = PaceFrom(random, mss),
            HostWrites = PaceFrom(random, mss),
            HostReads = PaceFrom(random, mss),
            HostClosesLast = !guestLast && random.Next(3) == 0,
            HostEndsLater = random.Next(2) == 0,
            HostShortages = random.Next(8) == 0 ? random.Next(1, 10) : 0,
            EngineWindow = window,
            Ending = random.Next(12) switch { 0 => Ending.GuestResets, 1 => Ending.HostResets, _ => Ending.InOrder },
            MemoryBudget = random.Next(4) == 0 ? 1 << 20 : 64 << 20,
            Corruption = random.Next(4) == 0 ? 0.02 : 0,
            Frozen = random.Next(8) == 0 ? TimeSpan.FromSeconds(3 * random.NextDouble()) : TimeSpan.Zero,
            Blackout = random.Next(12) == 0 ? TimeSpan.FromSeconds(10 * random.NextDouble()) : TimeSpan.Zero,
            NarrowMtu = random.Next(6) == 0 ? NarrowMtuFrom(random, v4, mtu) : 0,
        };
    }

    private static int NarrowMtuFrom(Random random, bool v4, int mtu)
    {
        int smallest = v4 ? 552 : 1280;
        return mtu > smallest ? random.Next(smallest, mtu) : 0;
    }

    private static LinkProfile LinkFrom(Random random)
    {
        double[] losses = [0, 0, 0.001, 0.01, 0.03, 0.1];
        return new LinkProfile
        {
            Loss = losses[random.Next(losses.Length)],
            BurstLength = random.Next(3) == 0 ? 4 : 1,
            Duplication = random.Next(3) == 0 ? 0.05 : 0,
            Reordering = random.Next(3) == 0 ? 0.1 : 0,
            Jitter = TimeSpan.FromMilliseconds(random.Next(1, 30)),
            Delay = TimeSpan.FromMicroseconds(random.Next(3) == 0 ? random.Next(80_000) : random.Next(500)),
            Rate = random.Next(3) == 0 ? 1e6 * random.Next(1, 200) : 0,
        };
    }

    private static TcpGuestOptions GuestFrom(Random random, bool v4, int mss, bool segments)
    {
        int[] buffers = [1, 700, 3000, 20_000, 65_535, 256 << 10, 1 << 20];
        bool tiny = random.Next(4) == 0;
        int buffer = Math.Max(tiny ? buffers[random.Next(3)] : buffers[random.Next(3, buffers.Length)], tiny ? 1 : mss / 4);
        // A guest does not choose a unit that its buffer has hardly any of.
        int mostScale = Math.Min(14, int.Log2(Math.Max(1, buffer / 8)));
        return new TcpGuestOptions
        {
            Addresses = v4
                ? new IpPair(FrameFactory.Endpoint("10.0.2.100", 40000), FrameFactory.Endpoint("192.0.2.7", 80))
                : new IpPair(FrameFactory.Endpoint("fd00::100", 40000), FrameFactory.Endpoint("2001:db8::7", 80)),
            Mss = random.Next(8) switch { 0 => null, 1 => Math.Min(mss, random.Next(64, 1460)), _ => mss },
            MaxSegment = mss,
            WindowScale = random.Next(4) == 0 ? null : (byte)random.Next(mostScale + 1),
            Sack = random.Next(4) > 0,
            Timestamps = random.Next(3) > 0,
            ReceiveBuffer = buffer,
            DelayedAck = TimeSpan.FromMilliseconds(random.Next(3) == 0 ? 0 : random.Next(1, 200)),
            SegmentsPerFrame = segments && random.Next(3) > 0 ? Math.Max(1, 60_000 / mss) : 1,
            FinWithData = random.Next(2) == 0,
            ProbesWithData = random.Next(2) == 0,
            Reneges = random.Next(4) == 0 ? 2 : 0,
        };
    }

    private static Pace PaceFrom(Random random, int mss) => random.Next(4) switch
    {
        0 => new Pace(1 << 20, TimeSpan.FromMilliseconds(1), 0),
        1 => new Pace(Math.Max(50, mss / 2), TimeSpan.FromMilliseconds(2), 0),
        2 => new Pace(mss * 8, TimeSpan.FromMilliseconds(20), 0.02, random.Next(4) == 0 ? 60 : 3),
        _ => new Pace(mss * 40, TimeSpan.FromMilliseconds(5), 0.01),
    };
}

/// <summary>How a program reads or writes.</summary>
/// <param name="Octets">At most, at a time.</param>
/// <param name="Wait">At most, in between.</param>
/// <param name="Stall">How likely it is to stop for seconds.</param>
/// <param name="StallSeconds">How many at most.</param>
public sealed record Pace(int Octets, TimeSpan Wait, double Stall, double StallSeconds = 3)
{
    public double LongestStall => Stall > 0 ? StallSeconds : 0;

    public int NextOctets(Random random) => random.Next(1, Octets + 1);

    public TimeSpan NextWait(Random random) =>
        random.NextDouble() < Stall ? TimeSpan.FromSeconds(StallSeconds * random.NextDouble()) : Wait * random.NextDouble();
}
