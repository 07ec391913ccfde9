using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Another slirpnet on the TAP of one that was killed (scenario 18): the guest need not be started again.</summary>
public class RestartTests
{
    private const int Flows = 50;

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    public Task Old_connections_are_reset_and_new_ones_work(AddressFamily family) => GuestNetwork.WithAsync(Plan, async network =>
    {
        await network.ConfigureByHandAsync();
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), TcpServer.EchoAsync);
        var old = new List<Socket>();
        for (int i = 0; i < Flows; i++)
        {
            Socket guest = await network.ConnectAsync(family, server.Port);
            await EchoFlow.BeatAsync(guest, i);
            old.Add(guest);
        }

        await network.ReplaceSlirpAsync();
        foreach (Socket guest in old)
        {
            SocketException reset = await Assert.ThrowsAsync<SocketException>(async () =>
            {
                await guest.SendAsync(new byte[100]); // it may know already
                await guest.ReceiveAsync(new byte[100]).WithinAsync("the reset of an old connection");
            });
            Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
            guest.Dispose();
        }

        await Transfer.BothAtOnceAsync(network, family, 1_000_000);
        await Datagrams.EchoAsync(network, family, 1, 1000);
    });

    /// <summary>Nothing in the new process knows of them, and they would wait for ever.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(AddressFamily.InterNetwork)]
    [InlineData(AddressFamily.InterNetworkV6)]
    public Task Old_connections_that_only_wait_are_reset_too(AddressFamily family) => GuestNetwork.WithAsync(Plan, async network =>
    {
        await network.ConfigureByHandAsync();
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), TcpServer.EchoAsync);
        using Socket guest = await network.ConnectAsync(family, server.Port);
        await EchoFlow.BeatAsync(guest, 1);
        Task<int> waiting = guest.ReceiveAsync(new byte[100]);
        await network.ReplaceSlirpAsync();
        SocketException reset = await Assert.ThrowsAsync<SocketException>(() => waiting.WithinAsync("the reset of a connection that waits"));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    });

    /// <summary>Outside connections of the old process are closed with it, so that their peers notice.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_host_s_end_is_closed_with_the_process() => GuestNetwork.WithAsync(Plan, async network =>
    {
        await network.ConfigureByHandAsync();
        var ended = new TaskCompletionSource();
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(AddressFamily.InterNetwork), async socket =>
        {
            await TcpServer.EchoAsync(socket);
            ended.SetResult();
        });
        using Socket guest = await network.ConnectAsync(AddressFamily.InterNetwork, server.Port);
        await EchoFlow.BeatAsync(guest, 1);
        await network.ReplaceSlirpAsync();
        await ended.Task.WithinAsync("the end of the connection at the server");
    });

    private static SlirpPlan Plan => new()
    {
        OwnHost = true,
        Configure = false,
        Before = async network =>
        {
            (await network.Guest.RunAsync("ip", "tuntap", "add", "name", GuestNetwork.TapName, "mode", "tap")).Succeeded();
            (await network.Guest.RunAsync("ip", "link", "set", GuestNetwork.TapName, "up")).Succeeded();
        },
    };
}
