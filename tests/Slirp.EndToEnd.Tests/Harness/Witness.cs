using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Tells whoever speaks to it, by TCP or UDP, from which endpoint it heard them.</summary>
internal sealed class Witness : IAsyncDisposable
{
    private readonly TcpServer _server;
    private readonly Socket _datagrams;
    private readonly Task _answering;

    public Witness(ISocketPlace place, IPAddress address, int port = 0)
    {
        _server = new TcpServer(place, address, TellAsync, port);
        _datagrams = place.CreateSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        _datagrams.Bind(new IPEndPoint(address, _server.Port));
        _answering = AnswerAsync(new IPEndPoint(address, 0));
    }

    /// <summary>Of both protocols.</summary>
    public int Port => _server.Port;

    /// <summary>Asks by TCP; the connection is the caller's.</summary>
    public static async Task<IPEndPoint> HeardFromAsync(Socket socket)
    {
        await socket.SendAsync("?"u8.ToArray()).WithinAsync("a question to the witness");
        var answer = new byte[100];
        int length = await socket.ReceiveAsync(answer).WithinAsync("the witness's answer");
        if (length == 0) throw new EndToEndException("the witness closed the connection");
        return IPEndPoint.Parse(Encoding.ASCII.GetString(answer, 0, length));
    }

    /// <summary>Asks by a datagram from a socket that may ask others too.</summary>
    public static async Task<IPEndPoint> HeardFromAsync(Socket socket, IPEndPoint witness)
    {
        await socket.SendToAsync("?"u8.ToArray(), witness).WithinAsync("a question to the witness");
        var answer = new byte[100];
        SocketReceiveFromResult got = await socket.ReceiveFromAsync(answer, witness).WithinAsync("the witness's answer");
        if (!witness.Equals(got.RemoteEndPoint)) throw new EndToEndException($"{got.RemoteEndPoint} answered for {witness}");
        return IPEndPoint.Parse(Encoding.ASCII.GetString(answer, 0, got.ReceivedBytes));
    }

    public async ValueTask DisposeAsync()
    {
        _datagrams.Dispose();
        await _answering;
        await _server.DisposeAsync();
    }

    private static async Task TellAsync(Socket socket)
    {
        byte[] peer = Encoding.ASCII.GetBytes(socket.RemoteEndPoint!.ToString()!);
        var question = new byte[1];
        try
        {
            while (await socket.ReceiveAsync(question) > 0) await socket.SendAsync(peer);
        }
        catch (SocketException)
        {
            // reset: the test is about that
        }
    }

    private async Task AnswerAsync(IPEndPoint anywhere)
    {
        var question = new byte[100];
        while (true)
        {
            try
            {
                SocketReceiveFromResult got = await _datagrams.ReceiveFromAsync(question, anywhere);
                await _datagrams.SendToAsync(Encoding.ASCII.GetBytes(got.RemoteEndPoint.ToString()!), got.RemoteEndPoint);
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.OperationAborted)
            {
                return; // disposed
            }
            catch (SocketException)
            {
                // an answer that could not leave
            }
        }
    }
}
