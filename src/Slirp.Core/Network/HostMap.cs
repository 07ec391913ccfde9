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

    /// <summary>Host loopback, which the owner has closed. A connect is told "network unreachable", as slirp4netns's guests
    /// are; a datagram "administratively prohibited", which a UDP socket hears at once and the other only if it asks.</summary>
    Closed,
}

/// <summary>Translates addresses between what the guest says and what the host's sockets use.</summary>
/// <remarks>
/// <para>The gateway stands for host loopback, in both directions: a datagram from 127.0.0.1 or ::1 appears to come
/// from the gateway, never from a loopback address that would mean the guest itself.</para>
/// <para><b>Closed host loopback.</b> What listens on all addresses of the host (0.0.0.0) is reached by any of them, and a
/// packet from the host to itself travels over loopback, past its packet filters. So with host loopback disabled the
/// host's every address is closed together with the gateway: those of its interfaces as they are now, those declared
/// local, and the same as an IPv4 address inside an IPv6 one. Flows that exist when an address comes stay: they
/// were to somebody else. The DNS forwarder and answers to what came through a forward are asked about elsewhere.</para>
/// </remarks>
public sealed class HostMap(NetworkPlan plan)
{
    /// <summary>The host's own addresses, as they are now.</summary>
    public HostAddresses HostAddresses { get; set; } = HostAddresses.None;

    /// <summary>Where a guest's packet for <paramref name="destination"/> goes on the host.</summary>
    public RouteVerdict TryMapToHost(IpAddress destination, out IpAddress host)
    {
        host = destination;
        if (plan.IsGateway(destination))
        {
            host = destination.IsIpv4 ? Ipv4Address.Loopback : IpAddress.Ipv6Loopback;
            return plan.EnableHostLoopback ? RouteVerdict.Forward : RouteVerdict.Closed;
        }
        if (destination.IsLoopback || destination.IsAny || destination.IsMulticast) return RouteVerdict.Discard;
        if (destination.IsIpv4 && destination.Ipv4.IsBroadcast) return RouteVerdict.Discard;
        bool hasEmbedded = EmbeddedIpv4.TryFind(destination, out Ipv4Address embedded);
        if (hasEmbedded && (embedded.IsLoopback || embedded.IsAny)) return RouteVerdict.Discard;
        // Only our own link has those: nobody answers there, as on an Ethernet without that host.
        if (plan.IsOnLink(destination)) return RouteVerdict.Discard;
        if (plan.EnableHostLoopback) return RouteVerdict.Forward;
        bool isHost = HostAddresses.Contains(destination) || hasEmbedded && HostAddresses.Contains(embedded);
        return isHost ? RouteVerdict.Closed : RouteVerdict.Forward;
    }
}
