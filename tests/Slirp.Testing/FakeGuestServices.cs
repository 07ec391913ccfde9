using Slirp.Core;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>Servers that serve nothing, but for the redirection of TCP connections, which a test may set.</summary>
public sealed class FakeGuestServices : IGuestServices
{
    /// <summary>Where a connection to the DNS address is carried; null refuses it.</summary>
    public IpEndpoint? Redirect { get; set; }

    public List<IpEndpoint> FailedRedirects { get; } = [];

    public bool TryRedirectTcp(IpEndpoint destination, Instant now, out IpEndpoint host)
    {
        host = Redirect ?? default;
        return Redirect is not null;
    }

    /// <summary>Where to go when what was given before has failed, in this order.</summary>
    public Queue<IpEndpoint> OtherRedirects { get; } = [];

    public bool TryRedirectTcpElsewhere(IpEndpoint failed, bool isSilent, Instant now, out IpEndpoint host)
    {
        FailedRedirects.Add(failed);
        return OtherRedirects.TryDequeue(out host);
    }

    public void OnArp(MacAddress source, ReadOnlySpan<byte> packet, Instant now) => throw NotUsed();

    public void OnNeighbourDiscovery(
        MacAddress source, IpAddress from, IpAddress to, byte hopLimit, ReadOnlySpan<byte> message, Instant now) =>
        throw NotUsed();

    public bool OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload, Instant now) => throw NotUsed();

    public void OnEvent(EventTarget target, HostEvents events, Instant now) => throw NotUsed();

    public void OnTimer(EventTarget target, Instant now) => throw NotUsed();

    private static InvalidOperationException NotUsed() => new("TCP does not call this");
}
