using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Connections of which one end sends all that it can, and the other reads for a while, so that windows have grown,
/// and then nothing until it may.</summary>
internal sealed class Stall : IAsyncDisposable
{
    private const int ReadAtFirst = 4 << 20;

    private static readonly byte[] Pattern = Payload.Octets(793, 1 << 16);

    private readonly TcpServer _server;
    private readonly ConcurrentBag<Task<long>> _ends = [];

    /// <param name="place">Where the server is, on its loopback.</param>
    /// <param name="mayRead">When the end that does not send begins to read.</param>
    /// <param name="sends">Whether that end is the client's.</param>
    public Stall(ISocketPlace place, Task mayRead, bool sends)
    {
        _server = new TcpServer(place, IPAddress.Loopback, socket =>
        {
            Task<long> end = RunAsync(socket, mayRead, sends, Filled);
            _ends.Add(end);
            return end;
        });
    }

    public int Port => _server.Port;

    /// <summary>The senders that can send no more for now.</summary>
    public Count Filled { get; } = new();

    /// <summary>One end: sends until nothing more is taken, then ends; or reads all of it, once it may.</summary>
    /// <returns>How much it has read; each octet was the right one.</returns>
    public static async Task<long> RunAsync(Socket socket, Task mayRead, bool sends, Count filled)
    {
        using (socket)
        {
            if (!sends)
            {
                long first = await ReadAsync(socket, 0, ReadAtFirst);
                await mayRead;
                return await ReadAsync(socket, first, long.MaxValue);
            }

            filled.Add(await Payload.FillAsync(socket, Pattern));
            await mayRead;
            socket.Shutdown(SocketShutdown.Send);
            // It is closed when the peer has read it all.
            if (await socket.ReceiveAsync(new byte[1]).WithinAsync("the end of who reads") != 0) throw new EndToEndException("it was to read");
            return 0;
        }
    }

    /// <summary>What the server's ends have read.</summary>
    public async Task<long> FinishedAsync()
    {
        await _server.FinishedAsync();
        long sum = 0;
        foreach (Task<long> end in _ends) sum += await end;
        return sum;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static async Task<long> ReadAsync(Socket socket, long total, long enough)
    {
        var buffer = new byte[Pattern.Length];
        while (total < enough)
        {
            int offset = (int)(total % Pattern.Length);
            int count = await socket.ReceiveAsync(buffer.AsMemory(offset)).WithinAsync($"octets after {total}");
            if (count == 0) return total;
            if (!buffer.AsSpan(offset, count).SequenceEqual(Pattern.AsSpan(offset, count))) throw new EndToEndException($"other octets after {total}");
            total += count;
        }

        return total;
    }

    /// <summary>How many senders are full, and of how much.</summary>
    internal sealed class Count
    {
        private long _octets;
        private int _senders;

        public long Octets => Interlocked.Read(ref _octets);

        public void Add(long octets)
        {
            Interlocked.Add(ref _octets, octets);
            Interlocked.Increment(ref _senders);
        }

        public Task WaitAsync(int senders)
        {
            async Task PollAsync()
            {
                while (Volatile.Read(ref _senders) < senders) await Task.Delay(20);
            }

            return PollAsync().WithinAsync($"{senders} senders that can send no more");
        }
    }
}
