using Slirp.Core.World;

namespace Slirp.Core;

/// <summary>What the loop asks of everything that owns sockets or timers. Who has none of a kind leaves that member as it
/// is: nobody calls it.</summary>
public interface IEngine
{
    /// <summary>Something can be done without waiting for an event.</summary>
    bool HasWork => false;

    /// <summary>Does a turn's share of it.</summary>
    void RunReady(Instant now)
    {
    }

    /// <summary>An edge on a socket of its own.</summary>
    void OnHostEvents(EventTarget target, HostEvents events, Instant now)
    {
    }

    /// <summary>A timer of its own that is due.</summary>
    void OnTimer(EventTarget target, Instant now);

    /// <summary>An exception has left a call: if it was in the middle of a flow, that one is ended.</summary>
    void Abandon()
    {
    }
}
