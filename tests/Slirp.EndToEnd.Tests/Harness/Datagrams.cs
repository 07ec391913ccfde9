using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>UDP from the guest to an echo on the host's loopback.</summary>
internal static class Datagrams
{
    /// <summary>A connected UDP socket in the guest, with room for what comes back.</summary>
    public static Socket Connect(GuestNetwork network, AddressFamily family, int port)
    {
        Socket socket = network.Guest.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
        socket.ReceiveBufferSize = 4 << 20;
        socket.SendBufferSize = 4 << 20;
        socket.Connect(GuestNetwork.Gateway(family), port);
        return socket;
    }

    /// <summary>One datagram of each size there and back, octets compared.</summary>
    public static async Task EchoAsync(GuestNetwork network, AddressFamily family, params int[] sizes)
    {
        await using var server = new UdpEchoServer(network.Host, GuestNetwork.Loopback(family));
        using Socket guest = Connect(network, family, server.Port);
        var buffer = new byte[65536];
        foreach (int size in sizes)
        {
            byte[] sent = Payload.Octets(size, size);
            await guest.SendAsync(sent).WithinAsync($"sending {size} octets");
            int count = await guest.ReceiveAsync(buffer).WithinAsync($"the echo of a datagram of {size} octets");
            Assert.Equal(Convert.ToHexString(sent), Convert.ToHexString(buffer, 0, count));
        }
    }

    /// <summary>The same with any socket that is connected to something that echoes.</summary>
    public static async Task EchoAsync(Socket socket, IEnumerable<int> sizes)
    {
        byte[] stream = Payload.Octets(1, 65536), got = new byte[65536];
        foreach (int size in sizes)
        {
            await socket.SendAsync(stream.AsMemory(0, size)).WithinAsync($"sending {size} octets");
            int count = await socket.ReceiveAsync(got).WithinAsync($"the echo of a datagram of {size} octets");
            Assert.True(got.AsSpan(0, count).SequenceEqual(stream.AsSpan(0, size)), $"{size} octets sent, {count} received, or others");
        }
    }

    /// <summary>A port that nobody has.</summary>
    public static int FreePort(ISocketPlace place, IPAddress address)
    {
        using Socket socket = place.CreateSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
