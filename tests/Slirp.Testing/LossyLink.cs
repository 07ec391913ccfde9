using Slirp.Core;

namespace Slirp.Testing;

/// <summary>How bad a link is; probabilities from 0 to 1.</summary>
public sealed record LinkProfile
{
    public double Loss { get; init; }
    public double Duplication { get; init; }

    /// <summary>How likely a packet is held back by up to <see cref="Jitter"/>, so that later ones overtake it.</summary>
    public double Reordering { get; init; }

    /// <summary>How long a packet takes at least.</summary>
    public TimeSpan Delay { get; init; }
    public TimeSpan Jitter { get; init; }

    /// <summary>Octets a second; zero is no limit.</summary>
    public double Rate { get; init; }

    /// <summary>Losses come in runs of about this many packets, if so many come before the run is over.</summary>
    public int BurstLength { get; init; } = 1;

    /// <summary>Everything arrives once and in order.</summary>
    public bool IsCalm => Loss == 0 && Duplication == 0 && Reordering == 0;
}

/// <summary>One direction of a link that loses, repeats, delays and reorders packets by a seeded generator. It decides when
/// each copy arrives; carrying it there is the caller's.</summary>
public sealed class LossyLink(LinkProfile profile, Random random)
{
    private static readonly TimeSpan LongestRun = TimeSpan.FromMilliseconds(20);

    private Instant _free, _runEnds;
    private int _stillLost;

    public long Carried { get; private set; }

    public long Lost { get; private set; }

    /// <summary>Copies beyond the first.</summary>
    public long Repeated { get; private set; }

    /// <summary>Packets held back.</summary>
    public long Late { get; private set; }

    /// <summary>Adds to <paramref name="arrivals"/> when the copies of a packet arrive: none if it is lost.</summary>
    public void Send(int length, Instant now, List<Instant> arrivals)
    {
        Instant departure = Departure(length, now);
        if (IsLost(now))
        {
            Lost++;
            return;
        }
        Carried++;
        arrivals.Add(Arrival(departure));
        if (random.NextDouble() >= profile.Duplication) return;
        Repeated++;
        arrivals.Add(Arrival(departure));
    }

    private Instant Departure(int length, Instant now)
    {
        if (profile.Rate <= 0) return now;
        if (_free < now) _free = now;
        return _free += TimeSpan.FromSeconds(length / profile.Rate);
    }

    private bool IsLost(Instant now)
    {
        if (_stillLost > 0 && now < _runEnds)
        {
            _stillLost--;
            return true;
        }
        if (random.NextDouble() >= profile.Loss / profile.BurstLength) return false;
        _stillLost = profile.BurstLength > 1 ? random.Next(2 * profile.BurstLength - 1) : 0;
        _runEnds = now + LongestRun;
        return true;
    }

    private Instant Arrival(Instant departure)
    {
        Instant arrival = departure + profile.Delay;
        if (random.NextDouble() >= profile.Reordering) return arrival;
        Late++;
        return arrival + profile.Jitter * random.NextDouble();
    }
}
