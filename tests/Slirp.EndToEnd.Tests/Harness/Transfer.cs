using System.Net;
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
    public static Task BothAtOnceAsync(GuestNetwork network, AddressFamily family, long length) =>
        BothAtOnceAsync(network.Guest, network.Host, new IPEndPoint(GuestNetwork.Loopback(family), 0), length, new IPEndPoint(GuestNetwork.Gateway(family), 0));

    /// <summary>The same between any two places.</summary>
    /// <param name="client">Where the client is.</param>
    /// <param name="server">Where the server is.</param>
    /// <param name="listen">What the server listens on; port 0 for any.</param>
    /// <param name="connect">What the client connects to, port 0 for the server's; where it listens, if that is not given.</param>
    public static async Task BothAtOnceAsync(ISocketPlace client, ISocketPlace server, IPEndPoint listen, long length, IPEndPoint? connect = null)
    {
        (long Length, string Hash) arrived = default;
        string answered = "";
        await using var listener = new TcpServer(server, listen.Address, async socket =>
        {
            Task<(long, string)> receiving = Payload.ReceiveAsync(socket);
            answered = await SendAllAsync(socket, HostSeed, length);
            arrived = await receiving;
        }, listen.Port);
        IPEndPoint to = connect ?? listen;
        if (to.Port == 0) to = new IPEndPoint(to.Address, listener.Port);
        using Socket guest = client.CreateSocket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await guest.ConnectAsync(to).WithinAsync($"the connection to {to}");
        Task<(long Length, string Hash)> answer = Payload.ReceiveAsync(guest);
        string sent = await SendAllAsync(guest, GuestSeed, length);
        Assert.Equal(length, (await answer).Length);
        await listener.FinishedAsync();
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
