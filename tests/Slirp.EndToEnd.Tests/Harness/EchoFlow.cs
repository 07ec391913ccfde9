using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A connection from the guest to an echo on the host: the innocent neighbour of whatever a test does.</summary>
internal sealed class EchoFlow : IAsyncDisposable
{
    private readonly TcpServer _server;
    private readonly Socket _guest;
    private int _beats;

    private EchoFlow(TcpServer server, Socket guest) => (_server, _guest) = (server, guest);

    public IPEndPoint Guest => (IPEndPoint)_guest.LocalEndPoint!;

    public IPEndPoint Remote => (IPEndPoint)_guest.RemoteEndPoint!;

    public static async Task<EchoFlow> OpenAsync(GuestNetwork network, AddressFamily family = AddressFamily.InterNetwork)
    {
        var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), TcpServer.EchoAsync);
        return new EchoFlow(server, await network.ConnectAsync(family, server.Port));
    }

    /// <summary>Sends octets and has them back. What the guest put on the wire before is behind slirpnet then: one
    /// thread takes frames in their order.</summary>
    public Task BeatAsync(int length = 1000) => BeatAsync(_guest, ++_beats, length);

    public static async Task BeatAsync(Socket socket, int seed, int length = 1000)
    {
        byte[] sent = Payload.Octets(seed, length), got = new byte[length];
        for (int count = 0; count < length;) count += await socket.SendAsync(sent.AsMemory(count)).WithinAsync("an echo's send");
        for (int count = 0; count < length;)
        {
            int more = await socket.ReceiveAsync(got.AsMemory(count)).WithinAsync("an echo");
            Assert.NotEqual(0, more);
            count += more;
        }

        Assert.Equal(Convert.ToHexString(sent), Convert.ToHexString(got));
    }

    public async ValueTask DisposeAsync()
    {
        _guest.Dispose();
        await _server.DisposeAsync();
    }
}
