using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Transfers of any length both ways at once, through buffers of any size, in pieces of any size, with pauses
/// anywhere. SLIRP_TRANSFER_SEED and SLIRP_TRANSFERS run others, or more.</summary>
public class RandomTransferTests
{
    private const int AtOnce = 8, LongestTransfer = 2_000_000;

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(576)]
    [InlineData(1500)]
    [InlineData(9000)]
    [InlineData(65520)]
    public Task Every_octet_arrives_whatever_the_pace(int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { Mtu = mtu, OwnHost = true, Capture = false, Ipv6 = mtu >= 1280 }, async network =>
        {
            int seed = Setting.Number("SLIRP_TRANSFER_SEED", 20261122), count = Setting.Number("SLIRP_TRANSFERS", 40);
            for (int first = 0; first < count; first += AtOnce)
            {
                var running = new List<Task>();
                for (int i = first; i < Math.Min(count, first + AtOnce); i++) running.Add(NamedAsync(network, seed + i * 7919, mtu));
                await Task.WhenAll(running);
            }
        });

    private static async Task NamedAsync(GuestNetwork network, int seed, int mtu)
    {
        try
        {
            await TransferAsync(network, new Random(seed), mtu >= 1280);
        }
        catch (Exception exception)
        {
            throw new EndToEndException($"transfer with seed {seed} at MTU {mtu}: {exception.Message}", exception);
        }
    }

    private static async Task TransferAsync(GuestNetwork network, Random random, bool hasIpv6)
    {
        AddressFamily family = hasIpv6 && random.Next(2) == 0 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        Pace host = new(random), guest = new(random);
        (string Sent, string Got) ofHost = default;
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket => ofHost = await host.ExchangeAsync(socket));
        using Socket client = await network.ConnectAsync(family, server.Port);
        (string Sent, string Got) ofGuest = await guest.ExchangeAsync(client);
        await server.FinishedAsync();
        Assert.Equal((ofHost.Sent, ofGuest.Sent), (ofGuest.Got, ofHost.Got));
    }

    /// <summary>How one end behaves, drawn once.</summary>
    private sealed class Pace(Random random)
    {
        private readonly int _length = random.Next(4) == 0 ? random.Next(100) : random.Next(LongestTransfer);
        private readonly int _largestSend = Some(random), _largestReceive = Some(random);
        private readonly int _sendBuffer = 1 << random.Next(14, 21), _receiveBuffer = 1 << random.Next(15, 21);
        private readonly int _pauses = random.Next(3) == 0 ? 0 : random.Next(8);
        private readonly bool _sendsFirst = random.Next(4) == 0, _hasNoDelay = random.Next(2) == 0;
        private readonly int _seed = random.Next();

        public async Task<(string Sent, string Got)> ExchangeAsync(Socket socket)
        {
            (socket.SendBufferSize, socket.ReceiveBufferSize, socket.NoDelay) = (_sendBuffer, _receiveBuffer, _hasNoDelay);
            Task<string> sending = SendAsync(socket, new Random(_seed));
            // One that reads only after it has sent all of little: what it sends fits the buffers on the way.
            if (_sendsFirst && _length < 4096) await sending;
            Task<string> receiving = ReceiveAsync(socket, new Random(_seed + 1));
            return (await sending, await receiving);
        }

        private async Task<string> SendAsync(Socket socket, Random pieces)
        {
            byte[] octets = Payload.Octets(_seed, _length);
            HashSet<int> pauses = Pauses(pieces);
            for (int sent = 0; sent < _length;)
            {
                if (pauses.RemoveWhere(at => at <= sent) > 0) await Task.Delay(pieces.Next(20));
                int count = Math.Min(_length - sent, pieces.Next(1, _largestSend + 1));
                sent += await socket.SendAsync(octets.AsMemory(sent, count)).WithinAsync($"a send after {sent} of {_length} octets");
            }

            socket.Shutdown(SocketShutdown.Send);
            return Convert.ToHexString(SHA256.HashData(octets));
        }

        private async Task<string> ReceiveAsync(Socket socket, Random pieces)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[_largestReceive];
            HashSet<int> pauses = Pauses(pieces);
            for (int total = 0; ;)
            {
                if (pauses.RemoveWhere(at => at <= total) > 0) await Task.Delay(pieces.Next(20));
                int count = await socket.ReceiveAsync(buffer.AsMemory(0, pieces.Next(1, _largestReceive + 1))).WithinAsync($"a receive after {total} octets");
                if (count == 0) return Convert.ToHexString(hash.GetHashAndReset());
                hash.AppendData(buffer, 0, count);
                total += count;
            }
        }

        private HashSet<int> Pauses(Random pieces)
        {
            var at = new HashSet<int>();
            for (int i = 0; i < _pauses; i++) at.Add(pieces.Next(LongestTransfer));
            return at;
        }

        private static int Some(Random random) => random.Next(3) switch { 0 => random.Next(200, 2000), 1 => random.Next(2000, 20_000), _ => random.Next(20_000, 200_000) };
    }
}
