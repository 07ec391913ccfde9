using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>The world outside Core as a script: a struct, as the engines want it, in front of a <see cref="FakeHost"/> that
/// holds every socket and every frame.</summary>
public readonly struct FakeWorld(FakeHost host) : IWorld
{
    public FakeHost Host => host;

    public LinkResult Transmit(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload) => host.Transmit(headers, payload);

    public IoResult OpenTcp(IpEndpoint destination, EventTarget owner, out HostSocket socket) =>
        host.OpenTcp(destination, owner, out socket);

    public IoResult Adopt(HostSocket accepted, EventTarget owner) => host.Adopt(accepted, owner);

    public HostError TakeError(HostSocket socket) => host[socket].TakeError();

    public HostError ConnectOutcome(HostSocket socket) => host[socket].ConnectOutcome();

    public bool TryGetLocalAddress(HostSocket socket, out IpAddress address)
    {
        address = host[socket].LocalAddress;
        return true;
    }

    public IoResult Receive(HostSocket socket, Span<byte> into) => host[socket].Receive(into);

    public IoResult Send(HostSocket socket, ReadOnlySpan<byte> octets) => host[socket].Send(octets);

    public void KeepAlive(HostSocket socket, TimeSpan idle) => host[socket].KeepAliveIdle = idle;

    public void ShutdownSend(HostSocket socket) => host[socket].ShutdownSend();

    public bool IsDelivered(HostSocket socket) => host[socket].IsDelivered;

    public void Close(HostSocket socket, bool reset) => host.Close(socket, reset);

    public IoResult OpenUdp(
        AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket, bool fromReserve = false) =>
        host.OpenUdp(family, peer, owner, out socket, fromReserve);

    public IoResult OpenPing(AddressFamily family, EventTarget owner, out HostSocket socket) =>
        host.OpenPing(family, owner, out socket);

    public IoResult SendTo(
        HostSocket socket, IpEndpoint destination, ReadOnlySpan<byte> payload, in DatagramOptions options) =>
        host[socket].SendTo(destination, payload, options);

    public IoResult ReceiveFrom(HostSocket socket, Span<byte> into, out DatagramInfo info) =>
        host[socket].ReceiveFrom(into, out info);

    public bool TryReceiveError(HostSocket socket, Span<byte> quoted, out int quotedLength, out HostIcmpError error) =>
        host[socket].TryReceiveError(quoted, out quotedLength, out error);
}
