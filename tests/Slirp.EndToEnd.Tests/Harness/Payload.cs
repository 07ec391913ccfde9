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
    public static async Task<string> SendAsync(System.Net.Sockets.Socket socket, int seed, long length)
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
            while (part.Length > 0)
                part = part[await socket.SendAsync(part).WithinAsync($"a send with {left} octets to go")..];
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Receives to the end of the stream; gives the count of octets and their SHA-256.</summary>
    public static async Task<(long Length, string Hash)> ReceiveAsync(System.Net.Sockets.Socket socket)
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
