using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Slirp.Testing;
using Slirp.Wire.Dns;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A name server on port 53 of a test's own host network that answers as it is told, over UDP and TCP.</summary>
internal sealed class StubResolver(params string[] addresses) : IAsyncDisposable
{
    private readonly List<Socket> _sockets = [];
    private readonly List<Task> _serving = [];
    private int _queries;

    /// <summary>From a query to the datagrams that answer it; by default one, with one record.</summary>
    public Func<byte[], IEnumerable<byte[]>> AnswerUdp { get; set; } = query => [DnsMessage.Answer(query)];

    /// <summary>From a query to the octets that are sent back on its connection, length first.</summary>
    public Func<byte[], byte[]> AnswerTcp { get; set; } = query => Framed(DnsMessage.Answer(query));

    /// <summary>Told of each query over UDP and where it came from, before it is answered.</summary>
    public Action<byte[], IPEndPoint> OnQuery { get; set; } = (_, _) => { };

    public int Queries => _queries;

    public static byte[] Framed(byte[] message) => [(byte)(message.Length >> 8), (byte)message.Length, .. message];

    /// <summary>To be the plan's Before: the host network is there, slirpnet not yet.</summary>
    public Task StartAsync(GuestNetwork network)
    {
        foreach (string text in addresses.Length == 0 ? ["127.0.0.1"] : addresses)
        {
            var at = new IPEndPoint(IPAddress.Parse(text), 53);
            Socket udp = network.HostNamespace.CreateSocket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            Socket tcp = network.HostNamespace.CreateSocket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            _sockets.AddRange([udp, tcp]);
            udp.ReceiveBufferSize = 8 << 20;
            udp.Bind(at);
            tcp.Bind(at);
            tcp.Listen(512);
            _serving.AddRange([ServeUdpAsync(udp), ServeTcpAsync(tcp)]);
        }

        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _sockets.ForEach(socket => socket.Dispose());
        await Task.WhenAll(_serving);
    }

    private async Task ServeUdpAsync(Socket socket)
    {
        var buffer = new byte[65536];
        var anywhere = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        await UntilDisposedAsync(async () =>
        {
            SocketReceiveFromResult got = await socket.ReceiveFromAsync(buffer, anywhere);
            Interlocked.Increment(ref _queries);
            byte[] query = buffer[..got.ReceivedBytes];
            if (!IsQuery(query)) return; // a guest that sends junk may reach the host's loopback
            OnQuery(query, (IPEndPoint)got.RemoteEndPoint);
            foreach (byte[] answer in AnswerUdp(query)) await socket.SendToAsync(answer, got.RemoteEndPoint);
        });
    }

    private static bool IsQuery(byte[] message) => DnsView.TryParse(message, out DnsView dns) && dns.TryReadQuestion(out _);

    private Task ServeTcpAsync(Socket listener) => UntilDisposedAsync(async () =>
    {
        Socket client = await listener.AcceptAsync();
        _ = ServeConnectionAsync(client);
    });

    private async Task ServeConnectionAsync(Socket client)
    {
        using (client)
        {
            var length = new byte[2];
            await UntilDisposedAsync(async () =>
            {
                await ReceiveAsync(client, length);
                var query = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await ReceiveAsync(client, query);
                Interlocked.Increment(ref _queries);
                await client.SendAsync(AnswerTcp(query));
            });
        }
    }

    private static async Task ReceiveAsync(Socket socket, Memory<byte> octets)
    {
        while (octets.Length > 0)
        {
            int count = await socket.ReceiveAsync(octets);
            if (count == 0) throw new SocketException((int)SocketError.Shutdown);
            octets = octets[count..];
        }
    }

    private static async Task UntilDisposedAsync(Func<Task> serveOne)
    {
        try
        {
            while (true) await serveOne();
        }
        catch (SocketException)
        {
            // the client has gone, or disposed
        }
        catch (ObjectDisposedException)
        {
            // disposed
        }
    }
}
