using System.Net.Sockets;
using System.Text;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Scenario C1: what a program on the control socket may do to annoy. C2: who cannot reach it at all.</summary>
public class HostileControlTests
{
    private static readonly string[] Nonsense =
    [
        new('[', 4000), new string('[', 10_000), string.Concat(Enumerable.Repeat("{\"a\":", 2000)), "\"\xff\xfe\"", "{\"execute\":\"\xc3\x28\"}",
        "\0", "{\"execute\":\"sta\0tus\"}", "{\"execute\":9223372036854775808}", "{\"execute\":[]}", "{}", "[]", "null", "\"status\"", "-", "{\"execute\":\"x\"}",
        .. BadArguments("\"host_port\":-1"), .. BadArguments("\"host_port\":65536"), .. BadArguments("\"host_port\":9223372036854775808"),
        .. BadArguments("\"host_port\":1e400"), .. BadArguments("\"host_port\":8080.5"), .. BadArguments("\"host_port\":\"80\""),
        .. BadArguments("\"host_port\":8080,\"guest_port\":0"), .. BadArguments("\"host_port\":8080,\"guest_port\":-9223372036854775809"),
        .. BadArguments("\"host_port\":8080,\"host_port_end\":99999"), .. BadArguments("\"host_port\":8080,\"host_addr\":\"" + new string('9', 3000) + "\""),
        "{\"execute\":\"remove_hostfwd\",\"arguments\":{\"id\":-1}}", "{\"execute\":\"remove_hostfwd\",\"arguments\":{\"id\":9223372036854775808}}",
        "{\"execute\":\"remove_hostfwd\"}", "{\"execute\":\"add_hostfwd\"}", "{\"execute\":\"add_hostfwd\",\"arguments\":7}",
    ];

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Nonsense_is_answered_with_an_error() => WithNeighbourAsync(async (network, neighbour) =>
    {
        foreach (string request in Nonsense)
        {
            using Socket client = Connect(network);
            await SendAsync(client, Encoding.Latin1.GetBytes(request));
            client.Shutdown(SocketShutdown.Send);
            Assert.StartsWith("{\"error\":{\"desc\":\"bad request: ", await ReplyAsync(client), StringComparison.Ordinal);
        }

        await neighbour.BeatAsync();
        await WorksAsync(network);
    });

    /// <summary>It is refused long before the gigabyte is there.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_line_of_a_gigabyte_is_cut_off() => WithNeighbourAsync(async (network, neighbour) =>
    {
        const long Gigabyte = 1 << 30;
        long before = network.Figures.ResidentKib();
        using Socket client = Connect(network);
        Assert.InRange(await SendAsync(client, [.. "{\"execute\":\""u8, .. Enumerable.Repeat((byte)'x', 1 << 20)], Gigabyte), 0, Gigabyte - 1);
        Assert.InRange(network.Figures.ResidentKib(), 0, before + 5000);
        await neighbour.BeatAsync();
        await WorksAsync(network);
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_request_may_come_octet_by_octet() => WithNeighbourAsync(async (network, neighbour) =>
    {
        using Socket client = Connect(network);
        foreach (byte octet in "{\"execute\":\"list_hostfwd\"}"u8.ToArray())
        {
            Assert.Equal(1, await client.SendAsync(new[] { octet }));
            if (octet == '"') await neighbour.BeatAsync(); // in less time than a client is given in all
        }

        Assert.Contains("entries", await ReplyAsync(client), StringComparison.Ordinal);
    });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_thousand_clients_that_hang_delay_no_frame() => WithNeighbourAsync(async (network, neighbour) =>
    {
        var hanging = new List<Socket>();
        for (int i = 0; i < 1000; i++)
        {
            hanging.Add(Connect(network));
            if (i % 2 == 0) await SendAsync(hanging[i], "{\"execute\":"u8.ToArray());
            if (i % 3 == 0) hanging[i].Shutdown(SocketShutdown.Receive);
            if (i % 100 == 0) await neighbour.BeatAsync();
        }

        hanging.ForEach(client => client.Dispose());
        await WorksAsync(network);
    });

    /// <summary>Even where the file lets anybody in, the kernel's word for who it is does not.</summary>
    [EndToEndFact(SlirpnetOnly = true, Tools = "socat")]
    public Task Another_user_is_not_listened_to() => WithNeighbourAsync(async (network, neighbour) =>
    {
        if (Machine.AsUser.Length == 0) return; // there is no other user in this user namespace
        Assert.Equal((UnixFileMode)0b110_000_000, File.GetUnixFileMode(network.ApiPath));
        File.SetUnixFileMode(network.ApiPath, (UnixFileMode)0b110_110_110);
        await using ChildProcess stranger = ChildProcess.Start(
            [.. Machine.AsUser, "socat", "-t30", "-", $"UNIX-CONNECT:{network.ApiPath}"], givesStdin: true);
        stranger.WriteStdin("{\"execute\":\"add_hostfwd\",\"arguments\":{\"proto\":\"tcp\",\"host_port\":8080,\"guest_port\":80}}\n");
        stranger.CloseStdin();
        Assert.Equal("", (await stranger.WaitAsync()).Stdout);
        Assert.Contains("\"entries\":[]", await network.Api.AskAsync("{\"execute\":\"list_hostfwd\"}"), StringComparison.Ordinal);
        await neighbour.BeatAsync();
    });

    private static string[] BadArguments(string ports) =>
        [$"{{\"execute\":\"add_hostfwd\",\"arguments\":{{\"proto\":\"tcp\",{ports}{(ports.Contains("guest_port", StringComparison.Ordinal) ? "" : ",\"guest_port\":80")}}}}}"];

    private static Task WithNeighbourAsync(Func<GuestNetwork, EchoFlow, Task> test) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Api = true, Capture = false }, async network =>
        {
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network);
            await neighbour.BeatAsync();
            await test(network, neighbour);
            await neighbour.BeatAsync();
        });

    private static Socket Connect(GuestNetwork network)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(network.ApiPath));
        return socket;
    }

    /// <summary>Sends again and again, until so much is sent or nobody takes it.</summary>
    private static async Task<long> SendAsync(Socket socket, byte[] octets, long atMost = 0)
    {
        long sent = 0;
        try
        {
            do sent += await socket.SendAsync(octets).WithinAsync("a write to the control socket");
            while (sent < atMost);
        }
        catch (SocketException)
        {
            // the connection is closed: what was said is enough
        }

        return sent;
    }

    private static async Task<string> ReplyAsync(Socket socket)
    {
        var reply = new byte[65536];
        return Encoding.UTF8.GetString(reply, 0, await socket.ReceiveAsync(reply).WithinAsync("a reply"));
    }

    /// <summary>Asks until there is room among the clients again.</summary>
    private static async Task WorksAsync(GuestNetwork network)
    {
        async Task AskOnAsync()
        {
            while (!(await network.Api.AskAsync("{\"execute\":\"status\"}")).Contains("counters", StringComparison.Ordinal)) await Task.Delay(10);
        }

        await AskOnAsync().WithinAsync("an answer from the control socket");
    }
}
