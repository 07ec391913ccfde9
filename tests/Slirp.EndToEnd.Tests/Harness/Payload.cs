using System.Net.Sockets;
using System.Security.Cryptography;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Octets that cannot arrive in the wrong order or twice without showing: a seeded stream and its hash.</summary>
internal static class Payload
{
    private const int ChunkLength = 64 * 1024;

    public static byte[] Octets(int seed, int length)
    {
        var octets = new byte[length];
        new Random(seed).NextBytes(octets);
        return octets;
    }

    /// <summary>Sends octets of the seed's stream; gives their SHA-256.</summary>
    public static async Task<string> SendAsync(Socket socket, int seed, long length)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var random = new Random(seed);
        var chunk = new byte[ChunkLength];
        for (long left = length; left > 0;)
        {
            random.NextBytes(chunk);
            Memory<byte> part = chunk.AsMemory(0, (int)Math.Min(left, chunk.Length));
            hash.AppendData(part.Span);
            left -= part.Length;
            await SendAsync(socket, part, $"a send with {left} octets to go");
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Sends exactly these.</summary>
    public static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> octets, string what)
    {
        while (octets.Length > 0)
            octets = octets[await socket.SendAsync(octets[..Math.Min(octets.Length, ChunkLength)]).WithinAsync(what)..];
    }

    /// <summary>Sends a pattern, and from its end on again, until nothing more is taken for a while: the buffers on the way fill one
    /// behind the other. Gives the count of octets; the socket does not block from then on.</summary>
    public static async Task<long> FillAsync(Socket socket, ReadOnlyMemory<byte> pattern)
    {
        const int Enough = 20; // times that nothing is taken, one after the other
        socket.Blocking = false;
        long total = 0;
        for (int idle = 0; idle < Enough;)
        {
            int count = socket.Send(pattern.Span[(int)(total % pattern.Length)..], SocketFlags.None, out SocketError error);
            if (error is not (SocketError.Success or SocketError.WouldBlock)) throw new SocketException((int)error);
            total += error == SocketError.Success ? count : 0;
            idle = error == SocketError.Success ? 0 : idle + 1;
            if (idle > 0) await Task.Delay(10);
        }

        return total;
    }

    /// <summary>Receives to the end of the stream; gives the count of octets and their SHA-256.</summary>
    public static async Task<(long Length, string Hash)> ReceiveAsync(Socket socket)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var chunk = new byte[ChunkLength];
        long length = 0;
        while (true)
        {
            int count = await socket.ReceiveAsync(chunk).WithinAsync($"a receive after {length} octets");
            if (count == 0) return (length, Convert.ToHexString(hash.GetHashAndReset()));
            hash.AppendData(chunk.AsSpan(0, count));
            length += count;
        }
    }
}
