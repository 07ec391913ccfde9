using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>Where on the link a guest address is, for packets that are no answer.</summary>
public interface IGuestStations
{
    /// <param name="station">Where the guest has said it is; else a guess, zero if there is none.</param>
    /// <returns>False if nobody has said so yet: the guest is asked, and the answer is there at a later call.</returns>
    bool TryFind(IpAddress guest, Instant now, out MacAddress station);

    /// <summary>The guest does not answer where it said it was: it is asked again.</summary>
    void Doubt(IpAddress guest, Instant now);
}
