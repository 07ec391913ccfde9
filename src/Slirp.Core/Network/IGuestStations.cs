using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>Where on the link a guest address is, for packets that are no answer.</summary>
public interface IGuestStations
{
    /// <summary>Who sends to a guest and has heard nothing from it for so long doubts that it is there (RFC 4861 section 10,
    /// REACHABLE_TIME).</summary>
    static TimeSpan Reachable { get; } = TimeSpan.FromSeconds(30);

    /// <param name="station">Where the guest has said it is; else a guess, zero if there is none.</param>
    /// <returns>False if nobody has said so yet: the guest is asked, and the answer is there at a later call.</returns>
    bool TryFind(IpAddress guest, Instant now, out MacAddress station);

    /// <summary>The guest does not answer at this station: if that is where it said it was, it is asked again. If it is
    /// elsewhere by now, those who send there hear of it (<see cref="IStationUser"/>).</summary>
    void Doubt(IpAddress guest, MacAddress station, Instant now);
}

/// <summary>Guest addresses that are elsewhere than they were.</summary>
public interface IStationMoves
{
    /// <returns>True if the guest was at the one station and has said since that it is at the other. So what reaches an
    /// address by way of a router, which has never said that the address is its own, stays with the router.</returns>
    bool TryFindMove(IpAddress guest, MacAddress from, out MacAddress to);
}

/// <summary>Who keeps stations for longer than one packet.</summary>
public interface IStationUser
{
    /// <summary>Sends from now on to where the guest is. Looks at all it has, so it is not called for every frame.</summary>
    void FollowStations(IStationMoves moves, Instant now);
}
