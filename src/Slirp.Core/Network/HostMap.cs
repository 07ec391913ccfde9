using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>What the gate and the map say about a destination.</summary>
public enum RouteVerdict
{
    Forward,

    /// <summary>Nobody can be there (martian, unassigned address of the guest's own subnet): no answer.</summary>
    Discard,

    /// <summary>Somebody could be there, but the owner forbids it: answered as administratively prohibited.</summary>
    Prohibit,
}

/// <summary>Translates addresses between what the guest says and what the host's sockets use.</summary>
/// <remarks>The gateway stands for host loopback, in both directions: a datagram from 127.0.0.1 or ::1 appears to come
/// from the gateway, never from a loopback address that would mean the guest itself.</remarks>
public sealed class HostMap(NetworkPlan plan)
{
    /// <summary>Where a guest's packet for <paramref name="destination"/> goes on the host.</summary>
    public RouteVerdict TryMapToHost(IpAddress destination, out IpAddress host)
    {
        host = destination;
        if (plan.IsGateway(destination))
        {
            host = destination.IsIpv4 ? Ipv4Address.Loopback : IpAddress.Ipv6Loopback;
            return plan.EnableHostLoopback ? RouteVerdict.Forward : RouteVerdict.Prohibit;
        }
        if (destination.IsLoopback || destination.IsAny || destination.IsMulticast) return RouteVerdict.Discard;
        if (destination.IsIpv4 && destination.Ipv4.IsBroadcast) return RouteVerdict.Discard;
        // Only our own link has those: nobody answers there, as on an Ethernet without that host.
        return plan.IsOnLink(destination) ? RouteVerdict.Discard : RouteVerdict.Forward;
    }

    /// <summary>How a host-side sender appears to the guest.</summary>
    public IpAddress MapToGuest(IpAddress host)
    {
        if (!host.IsLoopback) return host;
        return host.IsIpv4 ? plan.Gateway : plan.Gateway6;
    }
}
