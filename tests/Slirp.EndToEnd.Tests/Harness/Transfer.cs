using System.Net.Sockets;
using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Bulk transfers between guest and host whose octets are compared by their SHA-256.</summary>
internal static class Transfer
{
    private const int GuestSeed = 20260101, HostSeed = 793;

    /// <summary>The guest sends and closes its half; the host, having all of it, answers as much and closes.</summary>
    public static async Task OneAfterTheOtherAsync(GuestNetwork network, AddressFamily family, long length)
    {
        (long Length, string Hash) arrived = default;
        string answered = "";
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
        {
            arrived = await Payload.ReceiveAsync(socket);
            answered = await Payload.SendAsync(socket, HostSeed, length);
        });
        using Socket guest = await network.ConnectAsync(family, server.Port);
        string sent = await Payload.SendAsync(guest, GuestSeed, length);
        guest.Shutdown(SocketShutdown.Send);
        (long Length, string Hash) answer = await Payload.ReceiveAsync(guest);
        await server.FinishedAsync();
        Assert.Equal((length, sent), arrived);
        Assert.Equal((length, answered), answer);
    }

    /// <summary>Both ends send and receive at once.</summary>
    public static async Task BothAtOnceAsync(GuestNetwork network, AddressFamily family, long length)
    {
        (long Length, string Hash) arrived = default;
        string answered = "";
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
        {
            Task<(long, string)> receiving = Payload.ReceiveAsync(socket);
            answered = await SendAllAsync(socket, HostSeed, length);
            arrived = await receiving;
        });
        using Socket guest = await network.ConnectAsync(family, server.Port);
        Task<(long Length, string Hash)> answer = Payload.ReceiveAsync(guest);
        string sent = await SendAllAsync(guest, GuestSeed, length);
        Assert.Equal(length, (await answer).Length);
        await server.FinishedAsync();
        Assert.Equal((length, sent), arrived);
        Assert.Equal((length, answered), await answer);
    }

    private static async Task<string> SendAllAsync(Socket socket, int seed, long length)
    {
        string hash = await Payload.SendAsync(socket, seed, length);
        socket.Shutdown(SocketShutdown.Send);
        return hash;
    }
}
