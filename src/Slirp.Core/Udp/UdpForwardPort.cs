using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>A UDP port of the host that leads to a port of the guest.</summary>
/// <param name="socket">Bound to <paramref name="bound"/>, of its family only; reports the local address of each datagram
/// if that is the any-address. Belongs to whoever opened it.</param>
/// <param name="bound">Where the outside sends to.</param>
/// <param name="guest">Where it goes.</param>
public sealed class UdpForwardPort(HostSocket socket, IpEndpoint bound, IpEndpoint guest)
{
    public HostSocket Socket { get; } = socket;
    public IpEndpoint Bound { get; } = bound;
    public IpEndpoint Guest { get; } = guest;

    internal bool IsReadable { get; set; }

    internal bool IsQueued { get; set; }

    internal bool IsRemoved { get; set; }
}
