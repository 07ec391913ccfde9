using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A machine two hops from the host: the one beyond the <see cref="Uplink"/> routes, and its second wire is narrower
/// than the first, so that large packets which may not be fragmented are sent back with the MTU that would have passed.</summary>
internal sealed class NarrowPath : IAsyncDisposable, ISocketPlace
{
    private const string Router4 = "198.51.100.1", Far4 = "198.51.100.9", Router6 = "2001:db8:6::1", Far6 = "2001:db8:6::9";

    private readonly TestNamespace _far;

    private NarrowPath(TestNamespace far) => _far = far;

    /// <summary>The machine at the end.</summary>
    public static IPAddress Far(AddressFamily family) => IPAddress.Parse(family == AddressFamily.InterNetwork ? Far4 : Far6);

    /// <param name="uplink">Whose machine becomes the router.</param>
    /// <param name="mtu">Of the second wire; below 1280 it has no IPv6.</param>
    /// <param name="isKnown">The host's routes have the MTU; else it must be found out.</param>
    public static async Task<NarrowPath> CreateAsync(Uplink uplink, int mtu, bool isKnown)
    {
        var path = new NarrowPath(await TestNamespace.CreateAsync(asUser: false));
        try
        {
            await path.ConnectAsync(uplink, mtu, isKnown ? $" mtu {mtu}" : "");
            return path;
        }
        catch
        {
            await path.DisposeAsync();
            throw;
        }
    }

    public Socket CreateSocket(AddressFamily family, SocketType type, ProtocolType protocol) => _far.CreateSocket(family, type, protocol);

    public ValueTask DisposeAsync() => _far.DisposeAsync();

    private async Task ConnectAsync(Uplink uplink, int mtu, string known)
    {
        await uplink.RouteBeyondAsync();
        (await _far.RunAsync("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")).Succeeded();
        await uplink.FarAsync($"link add narrow0 mtu {mtu} type veth peer name far0 mtu {mtu} netns {_far.Pid}");
        await uplink.FarAsync("link set narrow0 up");
        await uplink.FarAsync($"address add {Router4}/24 dev narrow0");
        await RunAsync("link set lo up");
        await RunAsync("link set far0 up");
        await RunAsync($"address add {Far4}/24 dev far0");
        await RunAsync($"route add default via {Router4}");
        await uplink.HostAsync($"route add 198.51.100.0/24 via {Uplink.Far(AddressFamily.InterNetwork)}{known}");
        if (mtu < 1280) return;
        await uplink.FarAsync($"address add {Router6}/64 dev narrow0 nodad");
        await RunAsync($"address add {Far6}/64 dev far0 nodad");
        await RunAsync($"-6 route add default via {Router6}");
        await uplink.HostAsync($"-6 route add 2001:db8:6::/64 via {Uplink.Far(AddressFamily.InterNetworkV6)}{known}");
    }

    private async Task RunAsync(string words) => (await _far.RunAsync(["ip", .. words.Split(' ')])).Succeeded();
}
