using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.EndToEnd.Tests.Hostile;
using Slirp.Wire;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Class T on a connection that stands: the server gets the stream, whatever the segments looked like.</summary>
public class HostileTcpTests
{
    private const int Port = 5077;

    /// <summary>Scenario T4: urgent data is data, and its pointer nothing.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task Urgent_pointers_change_nothing(bool hostIsFull) => WithBotAsync(hostIsFull, 1000, (bot, _) =>
    {
        const int Length = 30_000, Step = 100;
        byte[] stream = Payload.Octets(4, Length);
        int[] pointers = [1, 50, Step, Step + 1, 1000, 65535, 0, 3];
        for (int round = 0; round < 2; round++)
        {
            for (int offset = 0; offset < Length; offset += Step)
            {
                bot.SendAt(offset, stream.AsSpan(offset, Step), TcpFlags.Urg, pointers[(offset / Step + round) % pointers.Length]);
                bot.SendAt(offset + Step, [], TcpFlags.Urg, pointers[offset / Step % pointers.Length]);
            }
        }

        return stream;
    });

    /// <summary>Scenarios T5 and T10: octet by octet, backwards, over the wrap of the sequence numbers.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task One_octet_at_a_time_out_of_order_over_the_wrap() => WithBotAsync(false, 0xffff_ff00, (bot, _) =>
    {
        byte[] stream = Payload.Octets(5, 2000);
        for (int offset = stream.Length - 1; offset >= 0; offset--)
            if (offset % 7 != 3) bot.SendAt(offset, stream.AsSpan(offset, 1));
        for (int offset = 0; offset < stream.Length; offset += 50) bot.SendAt(offset, stream.AsSpan(offset, 50));
        for (int offset = 0; offset < stream.Length; offset++) bot.SendAt(offset, stream.AsSpan(offset, 1));
        return stream;
    });

    /// <summary>Scenarios T5, T8, T9 and T11: numbers from elsewhere are answered at most, and end nothing.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Segments_with_wrong_numbers_end_nothing() => WithBotAsync(false, 5000, (bot, neighbour) =>
    {
        byte[] stream = Payload.Octets(6, 3000);
        bot.SendAt(0, stream.AsSpan(0, 1000));
        bot.Until(() => bot.Acknowledged == bot.Initial + 1001, "the first octets' acknowledgment");
        SequenceNumber next = bot.Initial + 1001;
        foreach (int distance in (int[])[-1_000_000_000, -100_000, -1, 1, 1000, 30_000, 10_000_000, 1_000_000_000, int.MaxValue, int.MinValue])
        {
            bot.Send(next + distance, TcpFlags.Rst, []);
            bot.Send(next + distance, TcpFlags.Rst | TcpFlags.Ack, []);
            bot.Send(next + distance, TcpFlags.Syn, []);
            bot.Send(next + distance, TcpFlags.Syn | TcpFlags.Ack, []);
            if (distance is < -5000 or > 6_000_000) bot.SendAt(1000 + distance, new byte[100], TcpFlags.Fin);
        }

        int challenged = bot.BareAcknowledgments;
        bot.Until(() => bot.BareAcknowledgments > challenged, "a challenge");
        bot.SendAt(1000, stream.AsSpan(1000, 1000));
        bot.SendAt(2000, stream.AsSpan(2000, 1000));
        return stream;
    });

    /// <summary>Scenario T11: what follows a FIN is not part of the stream.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Octets_behind_a_FIN_are_nobody_s() => WithBotAsync(false, 7000, (bot, _) =>
    {
        byte[] stream = Payload.Octets(7, 500);
        bot.SendAt(500, [], TcpFlags.Fin);
        bot.SendAt(501, new byte[100]);
        bot.SendAt(0, stream);
        for (int i = 0; i < 5; i++) bot.SendAt(500, [], TcpFlags.Fin);
        bot.SendAt(501, new byte[100]);
        bot.SendAt(601, [], TcpFlags.Fin);
        return stream;
    });

    /// <summary>Scenario T6: a window that opens and shuts, shrinks and is one octet, with much owed.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(0, 1, 1000)]
    [InlineData(100, 0, 65535)]
    public Task A_window_that_comes_and_goes_loses_nothing(int first, int second, int third) =>
        GuestNetwork.WithAsync(Plan, async network =>
        {
            byte[] owed = Payload.Octets(8, 50_000);
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await using var server = new TcpServer(network.Host, IPAddress.Loopback, async socket => await socket.SendAsync(owed));
            using RawLink link = RawLink.Open(network.Guest, receives: true);
            await Task.Run(() =>
            {
                BotConnection bot = BotConnection.Open(link, Port, server.Port, 1);
                int[] windows = [first, second, third];
                for (int i = 0; !bot.IsFinished; i++)
                {
                    Assert.False(bot.IsReset);
                    bot.Window = (ushort)windows[i % windows.Length];
                    bot.Acknowledge();
                    // With a shut window a probe comes; with an open one, data.
                    if (bot.Window > 1) bot.Until(AnythingFrom(bot), "data within the window");
                }

                Assert.Equal(Convert.ToHexString(owed), Convert.ToHexString(bot.Received));
                bot.SendAt(0, [], TcpFlags.Fin);
            });
            await neighbour.BeatAsync();
        });

    /// <summary>Scenario T12: octets that other stacks would change on these ports.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(21, "PORT 10,0,2,100,19,136\r\n227 Entering Passive Mode (10,0,2,100,19,136)\r\n")]
    [InlineData(113, "6193, 23\r\n")]
    [InlineData(6667, "\u0001DCC SEND file 167772772 5000 1024\u0001\r\n")]
    [InlineData(554, "SETUP rtsp://10.0.2.2/ RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n")]
    public Task No_protocol_is_helped(int port, string text) => GuestNetwork.WithAsync(Plan, async network =>
    {
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync, port);
        using Socket guest = await network.ConnectAsync(AddressFamily.InterNetwork, port);
        byte[] sent = System.Text.Encoding.Latin1.GetBytes(text), got = new byte[sent.Length + 1];
        await guest.SendAsync(sent);
        guest.Shutdown(SocketShutdown.Send);
        int length = 0;
        while (await guest.ReceiveAsync(got.AsMemory(length)).WithinAsync("the echo") is int count and > 0) length += count;
        Assert.Equal(sent, got[..length]);
    });

    private static SlirpPlan Plan => new() { OwnHost = true, Api = true };

    private static Func<bool> AnythingFrom(BotConnection bot)
    {
        SequenceNumber expected = bot.Expected;
        return () => bot.Expected != expected || bot.IsFinished || bot.IsReset;
    }

    /// <summary>Opens a connection, has a stream sent on it in some way, and compares what the server has in the end.</summary>
    private static Task WithBotAsync(bool serverWaits, uint initial, Func<BotConnection, EchoFlow, byte[]> send) =>
        GuestNetwork.WithAsync(Plan, async network =>
        {
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            var mayRead = new TaskCompletionSource();
            if (!serverWaits) mayRead.SetResult();
            var arrived = new MemoryStream();
            await using var server = new TcpServer(network.Host, IPAddress.Loopback, async socket =>
            {
                socket.ReceiveBufferSize = 4096;
                await mayRead.Task;
                var buffer = new byte[4096];
                while (await socket.ReceiveAsync(buffer) is int count and > 0) arrived.Write(buffer, 0, count);
            });
            using RawLink link = RawLink.Open(network.Guest, receives: true);
            byte[] stream = await Task.Run(() =>
            {
                BotConnection bot = BotConnection.Open(link, Port, server.Port, initial);
                byte[] sent = send(bot, neighbour);
                mayRead.TrySetResult();
                bot.Until(() => bot.Acknowledged.Since(bot.Initial + 1) >= sent.Length, "the acknowledgment of the stream");
                bot.SendAt(sent.Length, [], TcpFlags.Fin);
                bot.Until(() => bot.IsFinished, "the server's end");
                Assert.False(bot.IsReset);
                bot.SendAt(sent.Length + 1, []);
                return sent;
            });
            await server.FinishedAsync();
            Assert.Equal(Convert.ToHexString(stream), Convert.ToHexString(arrived.ToArray()));
            await neighbour.BeatAsync();
        });
}
