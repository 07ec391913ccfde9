using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Listens on a port of its own and gives each connection to a function; a failure there fails the test.</summary>
internal sealed class TcpServer : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly Func<Socket, Task> _serve;
    private readonly Task _accepting;
    private readonly ConcurrentBag<Task> _served = [];

    public TcpServer(ISocketPlace place, IPAddress address, Func<Socket, Task> serve, int port = 0)
    {
        _serve = serve;
        _listener = place.CreateSocket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(address, port));
        _listener.Listen(512);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Answers every octet with itself until the peer has no more.</summary>
    public static async Task EchoAsync(Socket socket)
    {
        var buffer = new byte[64 * 1024];
        while (true)
        {
            int count = await socket.ReceiveAsync(buffer);
            if (count == 0) return;
            for (Memory<byte> part = buffer.AsMemory(0, count); part.Length > 0;)
                part = part[await socket.SendAsync(part)..];
        }
    }

    /// <summary>All connections served to their end, each without an exception.</summary>
    public async Task FinishedAsync() => await Task.WhenAll(_served.ToArray()).WithinAsync("the server's connections");

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync();
            }
            catch (SocketException)
            {
                return; // disposed
            }
            catch (ObjectDisposedException)
            {
                return;
            }

            // On the list before its first octet: whoever has an answer from it can wait for its end.
            var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _served.Add(ServeAsync(socket, start.Task));
            start.SetResult();
        }
    }

    private async Task ServeAsync(Socket socket, Task start)
    {
        await start;
        using (socket) await _serve(socket);
    }
}
