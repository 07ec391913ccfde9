using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>Where on the link a guest address is, for packets that are no answer.</summary>
public interface IGuestStations
{
    /// <returns>False if nobody has said so yet: the guest is asked, and the answer is there at a later call.</returns>
    bool TryFind(IpAddress guest, Instant now, out MacAddress station);
}
