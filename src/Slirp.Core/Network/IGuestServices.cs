using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>Where a datagram for one of our own addresses came from and was going.</summary>
/// <param name="SourceMac">The guest station that sent it.</param>
public readonly record struct LocalDatagram(MacAddress SourceMac, IpEndpoint Source, IpEndpoint Destination);

/// <summary>The servers that the guest sees on its own network: Core parses and dispatches, Slirp.Services answers.</summary>
public interface IGuestServices
{
    void OnArp(MacAddress source, ReadOnlySpan<byte> packet, Instant now);

    /// <summary>A checked ICMPv6 message of neighbour discovery (types 133 to 137).</summary>
    void OnNeighbourDiscovery(MacAddress source, IpAddress from, IpAddress to, byte hopLimit, ReadOnlySpan<byte> message, Instant now);

    /// <summary>A UDP datagram to the gateway, the DNS address, a broadcast or a multicast address.</summary>
    /// <returns>False if no server of ours wants it, and it goes the way of any other datagram.</returns>
    bool OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now);

    /// <summary>True if a TCP connection to this endpoint of ours is to be carried elsewhere (DNS over TCP).</summary>
    bool TryRedirectTcp(IpEndpoint destination, Instant now, out IpEndpoint host);

    /// <summary>The endpoint that was given refuses connections, or has been silent for a while: true if there is another to try,
    /// which may be one that has only been silent.</summary>
    bool TryRedirectTcpElsewhere(IpEndpoint failed, bool isSilent, Instant now, out IpEndpoint host);

    void OnEvent(EventTarget target, HostEvents events, Instant now);

    void OnTimer(EventTarget target, Instant now);
}

/// <summary>The servers as the loop sees them.</summary>
public sealed class ServiceEngine(IGuestServices services) : IEngine
{
    public void OnHostEvents(EventTarget target, HostEvents events, Instant now) => services.OnEvent(target, events, now);

    public void OnTimer(EventTarget target, Instant now) => services.OnTimer(target, now);
}
