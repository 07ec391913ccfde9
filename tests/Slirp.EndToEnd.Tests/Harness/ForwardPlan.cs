using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A host network with addresses that are not loopback, and what is needed to go through forwards there.</summary>
internal static class ForwardPlan
{
    /// <summary>Addresses of the host. A client that binds the first of a family comes from outside as far as the guest
    /// can tell.</summary>
    public const string Outside = "192.0.2.1", Hit = "198.51.100.1", Outside6 = "2001:db8::1", Hit6 = "2001:db8:1::1";

    public const string Guest = "10.0.2.100", Gateway = "10.0.2.2";

    public static SlirpPlan With(params string[] options) => new()
    {
        OwnHost = true,
        MoreOptions = options,
        Before = network => AddAddressesAsync(network.HostNamespace),
    };

    public static async Task AddAddressesAsync(TestNamespace host)
    {
        // On lo, for not every kernel has dummy interfaces; they are no loopback addresses for that.
        foreach (string address in new[] { Outside + "/32", Hit + "/32" })
            (await host.RunAsync("ip", "address", "add", address, "dev", "lo")).Succeeded();
        foreach (string address in new[] { Outside6 + "/128", Hit6 + "/128" })
            (await host.RunAsync("ip", "-6", "address", "add", address, "dev", "lo", "nodad")).Succeeded();
    }

    /// <summary>A socket of the host bound to an address of it.</summary>
    public static Socket From(GuestNetwork network, string address, SocketType type = SocketType.Stream)
    {
        IPAddress from = IPAddress.Parse(address);
        Socket socket = network.Host.CreateSocket(
            from.AddressFamily, type, type == SocketType.Stream ? ProtocolType.Tcp : ProtocolType.Udp);
        socket.Bind(new IPEndPoint(from, 0));
        return socket;
    }

    public static async Task<Socket> ConnectAsync(GuestNetwork network, string from, string to, int port)
    {
        Socket socket = From(network, from);
        try
        {
            await socket.ConnectAsync(IPAddress.Parse(to), port).WithinAsync($"a connection to {to} port {port}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A UDP socket of the guest on a port.</summary>
    public static Socket GuestDatagrams(GuestNetwork network, int port, string address = "0.0.0.0")
    {
        IPAddress at = IPAddress.Parse(address);
        Socket socket = network.Guest.CreateSocket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(at, port));
        return socket;
    }

    /// <summary>The next datagram and who sent it.</summary>
    public static async Task<(byte[] Octets, IPEndPoint Source)> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[65536];
        IPAddress any = socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;
        SocketReceiveFromResult got = await socket.ReceiveFromAsync(buffer, new IPEndPoint(any, 0)).WithinAsync("a datagram");
        return (buffer[..got.ReceivedBytes], (IPEndPoint)got.RemoteEndPoint);
    }

    /// <summary>The guest's global IPv6 address.</summary>
    public static async Task<string> GuestAddress6Async(GuestNetwork network)
    {
        Outcome outcome = await network.Guest.RunAsync("ip", "-6", "-o", "address", "show", "dev", GuestNetwork.TapName, "scope", "global");
        string[] words = outcome.Stdout.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words[Array.IndexOf(words, "inet6") + 1].Split('/')[0];
    }
}
