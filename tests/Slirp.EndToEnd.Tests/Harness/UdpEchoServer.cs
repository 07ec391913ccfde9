using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Sends every datagram back to where it came from.</summary>
internal sealed class UdpEchoServer : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly Task _echoing;

    public UdpEchoServer(ISocketPlace place, IPAddress address)
    {
        _socket = place.CreateSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        _socket.ReceiveBufferSize = 4 << 20;
        _socket.SendBufferSize = 4 << 20;
        _socket.Bind(new IPEndPoint(address, 0));
        Port = ((IPEndPoint)_socket.LocalEndPoint!).Port;
        _echoing = EchoAsync(address.AddressFamily);
    }

    public int Port { get; }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _echoing;
    }

    private async Task EchoAsync(AddressFamily family)
    {
        var buffer = new byte[65536];
        var anywhere = new IPEndPoint(family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        try
        {
            while (true)
            {
                SocketReceiveFromResult got = await _socket.ReceiveFromAsync(buffer, anywhere);
                await _socket.SendToAsync(buffer.AsMemory(0, got.ReceivedBytes), got.RemoteEndPoint);
            }
        }
        catch (SocketException)
        {
            // disposed
        }
        catch (ObjectDisposedException)
        {
            // disposed
        }
    }
}
