using Slirp.Wire;

namespace Slirp.Host;

/// <summary>The addresses of the host that the guest's traffic, and our own DNS queries, leave from.</summary>
/// <remarks>An address that is asked for and gone stops what would leave from it: nothing ever leaves from another instead.
/// What goes to host loopback leaves from it too, as slirp4netns does it; but for questions to a resolver on loopback, which
/// may answer loopback alone (systemd-resolved).</remarks>
/// <param name="Ipv4">The any-address of either family leaves the choice to the host's routes.</param>
/// <param name="Ipv6">Likewise.</param>
public readonly record struct OutboundAddresses(IpAddress Ipv4, IpAddress Ipv6)
{
    public static OutboundAddresses Unset => default;

    /// <summary>The address to use for a destination, or, to bind before destinations are known, for its family.</summary>
    /// <returns>False if the host is to choose.</returns>
    public bool TryFind(IpEndpoint destination, out IpAddress source)
    {
        const ushort dns = 53;
        source = destination.Address.IsIpv4 ? Ipv4 : Ipv6;
        return !source.IsAny && !(destination.Address.IsLoopback && destination.Port == dns);
    }
}
