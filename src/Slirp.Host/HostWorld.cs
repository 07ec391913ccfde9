using Slirp.Core.World;
using Slirp.Linux;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host;

/// <summary>The product's <see cref="IWorld"/>: a struct in front of <see cref="HostSockets"/>, so that the engines are
/// compiled for it and every call is direct.</summary>
internal readonly struct HostWorld(HostSockets sockets) : IWorld
{
    public LinkResult Transmit(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload) => sockets.Transmit(headers, payload);

    public IoResult OpenTcp(IpEndpoint destination, EventTarget owner, out HostSocket socket) =>
        sockets.OpenTcp(destination, owner, out socket);

    public IoResult Adopt(HostSocket accepted, EventTarget owner) => sockets.Adopt(accepted, owner);

    public HostError TakeError(HostSocket socket) => SocketOptions.TakeError(new SocketFd(socket.Value)).ToHostError();

    public HostError ConnectOutcome(HostSocket socket) => HostSockets.ConnectOutcome(new SocketFd(socket.Value));

    public bool TryGetLocalAddress(HostSocket socket, out IpAddress address) => HostSockets.TryGetLocalAddress(socket, out address);

    public IoResult Receive(HostSocket socket, Span<byte> into) => Socket.Receive(new SocketFd(socket.Value), into).ToIoResult();

    public IoResult Send(HostSocket socket, ReadOnlySpan<byte> octets) =>
        Socket.Send(new SocketFd(socket.Value), octets, MessageFlags.MSG_NOSIGNAL).ToIoResult();

    public void KeepAlive(HostSocket socket, TimeSpan idle) => HostSockets.KeepAlive(new SocketFd(socket.Value), idle);

    public void ShutdownSend(HostSocket socket) => Socket.Shutdown(new SocketFd(socket.Value), ShutdownHow.SHUT_WR);

    public bool IsDelivered(HostSocket socket) => SocketOptions.GetTcpState(new SocketFd(socket.Value)) == TcpSocketState.TCP_FIN_WAIT2;

    public void Close(HostSocket socket, bool reset) => HostSockets.Close(socket, reset);

    public IoResult OpenUdp(
        AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket, bool fromReserve = false) =>
        sockets.OpenUdp(family, peer, owner, out socket, fromReserve);

    public IoResult OpenPing(AddressFamily family, EventTarget owner, out HostSocket socket) =>
        sockets.OpenPing(family, owner, out socket);

    public IoResult SendTo(HostSocket socket, IpEndpoint destination, ReadOnlySpan<byte> payload, in DatagramOptions options) =>
        sockets.SendTo(socket, destination, payload, options);

    public IoResult ReceiveFrom(HostSocket socket, Span<byte> into, out DatagramInfo info) =>
        HostSockets.ReceiveFrom(socket, into, out info);

    public bool TryReceiveError(HostSocket socket, Span<byte> quoted, out int quotedLength, out HostIcmpError error) =>
        HostSockets.TryReceiveError(socket, quoted, out quotedLength, out error);
}
