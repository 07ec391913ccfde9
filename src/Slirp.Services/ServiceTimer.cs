using Slirp.Core.World;

namespace Slirp.Services;

/// <summary>Which server a timer of kind <see cref="EventKind.Service"/> is for.</summary>
internal enum ServiceTimer
{
    RouterAdvertisement,
    Dns,
}

internal static class ServiceTimers
{
    public static EventTarget Target(this ServiceTimer timer) => new(EventKind.Service, (int)timer, 0);
}
