using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What a program says and hears of the MTU of a path: ip(7) and ipv6(7), IP_MTU_DISCOVER and IP_MTU.</summary>
internal static class PathMtu
{
    private const int Level4 = 0, Discover4 = 10, Mtu4 = 14; // IPPROTO_IP
    private const int Level6 = 41, Discover6 = 23, Mtu6 = 24; // IPPROTO_IPV6
    private const int Dont = 0, Do = 2; // IP_PMTUDISC_...

    /// <summary>No fragments, neither here nor on the way.</summary>
    public static void Forbid(Socket socket) => Set(socket, Do);

    public static void Allow(Socket socket) => Set(socket, Dont);

    /// <summary>What the kernel knows of the path of a connected socket.</summary>
    public static int Of(Socket socket)
    {
        var value = new byte[sizeof(int)];
        (int level, int option) = socket.AddressFamily == AddressFamily.InterNetwork ? (Level4, Mtu4) : (Level6, Mtu6);
        socket.GetRawSocketOption(level, option, value);
        return BitConverter.ToInt32(value);
    }

    /// <summary>Waits until it knows so much.</summary>
    public static Task IsAsync(Socket socket, int mtu)
    {
        async Task PollAsync()
        {
            while (Of(socket) != mtu) await Task.Delay(5);
        }

        return PollAsync().WithinAsync($"a path MTU of {mtu} where {Of(socket)} is known");
    }

    private static void Set(Socket socket, int value)
    {
        (int level, int option) = socket.AddressFamily == AddressFamily.InterNetwork ? (Level4, Discover4) : (Level6, Discover6);
        socket.SetRawSocketOption(level, option, BitConverter.GetBytes(value));
    }
}
