using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>Thousands of transfers of any length, both ways at once, through buffers of any size, in pieces of any size, with
/// pauses anywhere, ended in any order or by a reset; begun by the guest, or from outside through forwards.
/// SLIRP_TRANSFER_SEED and SLIRP_TRANSFERS run others, or more.</summary>
public class RandomTransferTests(ITestOutputHelper output)
{
    private const int AtOnce = 32, SeedStep = 7919;
    private const int PublishedPort4 = 8000, PublishedPort6 = 8100; // and as many more as run at once
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(576, "")]
    [InlineData(1500, "")]
    [InlineData(1500, "tso,uso,csum")]
    [InlineData(9000, "tso")]
    [InlineData(65520, "")]
    [InlineData(65520, "tso,uso,csum")]
    public Task Every_octet_arrives_whatever_the_pace(int mtu, string withoutOffloads) =>
        GuestNetwork.WithAsync(Plan(mtu, withoutOffloads), async network =>
        {
            int seed = Setting.Number("SLIRP_TRANSFER_SEED", 20261122 + mtu + withoutOffloads.Length), count = Setting.Number("SLIRP_TRANSFERS", 600);
            bool hasIpv6 = mtu >= 1280;
            if (hasIpv6) await PublishIpv6Async(network);
            var tally = new ConcurrentDictionary<string, int>();
            int next = -1, descriptors = network.Figures.Descriptors();
            // Each of so many runners has forwards of its own.
            await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async runner =>
            {
                for (int i = Interlocked.Increment(ref next); i < count; i = Interlocked.Increment(ref next))
                {
                    var transfer = new RandomTransfer(seed + i * SeedStep, hasIpv6, PublishedPort4 + runner, PublishedPort6 + runner);
                    await transfer.RunAsync(network);
                    tally.AddOrUpdate(transfer.Kind, 1, (_, n) => n + 1);
                }
            }));
            await network.Figures.DescriptorsFallToAsync(descriptors);
            output.WriteLine($"{count} transfers from seed {seed}: {string.Join(", ", from kind in tally orderby kind.Key select $"{kind.Key} {kind.Value}")}");
        });

    private static SlirpPlan Plan(int mtu, string withoutOffloads)
    {
        string ports = $"{PublishedPort4}-{PublishedPort4 + AtOnce - 1}";
        string[] offloads = withoutOffloads.Length == 0 ? [] : [$"--no-offload={withoutOffloads}"];
        return ForwardPlan.With(["-p", $"{ports}:{ports}", .. offloads]) with { Mtu = mtu, Ipv6 = mtu >= 1280, Capture = false, Api = true };
    }

    private static async Task PublishIpv6Async(GuestNetwork network)
    {
        string guest = await ForwardPlan.GuestAddress6Async(network);
        for (int port = PublishedPort6; port < PublishedPort6 + AtOnce; port++)
        {
            string reply = await network.Api.AskAsync(
                $$$"""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"::","host_port":{{{port}}},"guest_addr":"{{{guest}}}","guest_port":{{{port}}}}}""");
            Assert.StartsWith("{\"return\"", reply, StringComparison.Ordinal);
        }
    }

    /// <summary>One of them, all of it drawn from its seed.</summary>
    private sealed class RandomTransfer(int seed, bool hasIpv6, int publishedPort4, int publishedPort6)
    {
        private static readonly (Ending Client, Ending Server)[] Endings =
        [
            (Ending.WhenSent, Ending.WhenSent), (Ending.WhenSent, Ending.WhenSent), (Ending.WhenSent, Ending.WhenSent),
            (Ending.WhenSent, Ending.Answers), (Ending.Answers, Ending.WhenSent),
            (Ending.WhenSent, Ending.AfterThePeer), (Ending.AfterThePeer, Ending.WhenSent),
            (Ending.WhenSent, Ending.Resets), (Ending.Resets, Ending.WhenSent),
        ];

        /// <summary>For the tally.</summary>
        public string Kind { get; private set; } = "";

        public async Task RunAsync(GuestNetwork network)
        {
            try
            {
                await TransferAsync(network, new Random(seed));
            }
            catch (Exception exception)
            {
                throw new EndToEndException(
                    $"transfer with seed {seed} ({Kind}); alone: SLIRP_TRANSFER_SEED={seed} SLIRP_TRANSFERS=1: {exception.Message}", exception);
            }
        }

        private async Task TransferAsync(GuestNetwork network, Random random)
        {
            Pace client = new(random), server = new(random);
            (Ending ofClient, Ending ofServer) = Endings[random.Next(Endings.Length)];
            // Nobody can tell how far he has come who has nothing to read.
            if (ofClient == Ending.Resets && server.Length == 0 || ofServer == Ending.Resets && client.Length == 0)
                (ofClient, ofServer) = (Ending.WhenSent, Ending.WhenSent);
            bool byForward = random.Next(3) == 0, v6 = hasIpv6 && random.Next(2) == 0;
            Kind = $"{(byForward ? "forward" : "outbound")}{(v6 ? 6 : 4)}{(ofClient == Ending.Resets || ofServer == Ending.Resets ? " reset" : "")}";

            var served = new TaskCompletionSource<PaceResult>();
            async Task ServeAsync(Socket socket)
            {
                try
                {
                    served.SetResult(await server.ExchangeAsync(socket, ofServer, client.Length));
                }
                catch (Exception exception)
                {
                    served.SetException(exception);
                }
            }

            await using TcpServer listener = byForward
                ? new TcpServer(network.Guest, v6 ? IPAddress.IPv6Any : IPAddress.Any, ServeAsync, v6 ? publishedPort6 : publishedPort4)
                : new TcpServer(network.Host, GuestNetwork.Loopback(v6 ? V6 : V4), ServeAsync);
            using Socket socket = byForward
                ? await ConnectFromOutsideAsync(network, random, v6) : await network.ConnectAsync(v6 ? V6 : V4, listener.Port);
            PaceResult ours = await client.ExchangeAsync(socket, ofClient, server.Length);
            PaceResult theirs = await served.Task.WithinAsync("the server's end");
            Compare(ours, ofClient, theirs, ofServer);
            Compare(theirs, ofServer, ours, ofClient);
        }

        /// <summary>What one end got is what the other had to send, or its beginning where somebody reset the connection; and
        /// who was reset knows it.</summary>
        private static void Compare(PaceResult to, Ending ofReceiver, PaceResult from, Ending ofSender)
        {
            bool isReset = ofReceiver == Ending.Resets || ofSender == Ending.Resets;
            if (!isReset) Assert.Equal(from.Sent.Length, to.Length);
            Assert.Equal(from.HashOfFirst(to.Length), to.Got);
            Assert.Equal(ofSender == Ending.Resets, to.SawReset);
        }

        private Task<Socket> ConnectFromOutsideAsync(GuestNetwork network, Random random, bool v6)
        {
            if (v6) return ForwardPlan.ConnectAsync(network, ForwardPlan.Outside6, ForwardPlan.Hit6, publishedPort6);
            return random.Next(4) switch
            {
                0 => ForwardPlan.ConnectAsync(network, "127.0.0.1", "127.0.0.1", publishedPort4),
                1 => ForwardPlan.ConnectAsync(network, "::1", "::1", publishedPort4),
                _ => ForwardPlan.ConnectAsync(network, ForwardPlan.Outside, ForwardPlan.Hit, publishedPort4),
            };
        }
    }
}
