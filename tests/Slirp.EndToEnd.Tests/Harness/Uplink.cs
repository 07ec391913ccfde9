using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// A host network with an uplink: the private host of a test, with two addresses of each family on its interface
/// <c>up0</c>, and beyond a wire another machine, where servers live.
/// </summary>
internal sealed class Uplink : IAsyncDisposable, ISocketPlace
{
    public const string Interface = "up0";

    /// <summary>The host's addresses: the one that routes choose, and the other.</summary>
    public const string First4 = "192.0.2.1", Second4 = "192.0.2.2", First6 = "2001:db8:5::1", Second6 = "2001:db8:5::2";

    private const string Far4 = "192.0.2.9", Far6 = "2001:db8:5::9";

    private readonly TestNamespace _host;
    private readonly TestNamespace _far;

    private Uplink(TestNamespace host, TestNamespace far) => (_host, _far) = (host, far);

    /// <summary>The machine beyond the wire.</summary>
    public TestNamespace Machine => _far;

    /// <summary>Its address.</summary>
    public static IPAddress Far(AddressFamily family) => IPAddress.Parse(family == AddressFamily.InterNetwork ? Far4 : Far6);

    public static string First(AddressFamily family) => family == AddressFamily.InterNetwork ? First4 : First6;

    public static string Second(AddressFamily family) => family == AddressFamily.InterNetwork ? Second4 : Second6;

    public static async Task<Uplink> CreateAsync(TestNamespace host)
    {
        var uplink = new Uplink(host, await TestNamespace.CreateAsync(asUser: false));
        try
        {
            // The detection of duplicates would keep the link-local addresses, from which neighbours are asked for, for seconds.
            foreach (TestNamespace at in (TestNamespace[])[host, uplink._far])
                (await at.RunAsync("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")).Succeeded();
            await uplink.HostAsync($"link add {Interface} type veth peer name far0 netns {uplink._far.Pid}");
            // Without this the kernel takes the second IPv4 address of a network away together with the first.
            await uplink.HostRunAsync("echo 1 >/proc/sys/net/ipv4/conf/all/promote_secondaries");
            // Nor is the way back the way there in every test, which a hardened machine's setting, passed on, would forbid.
            await uplink.HostRunAsync("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter");
            await uplink.HostAsync($"link set {Interface} up");
            await uplink.FarAsync("link set lo up");
            await uplink.FarAsync("link set far0 up");
            await uplink.FarAsync($"address add {Far4}/24 dev far0");
            await uplink.FarAsync($"address add {Far6}/64 dev far0 nodad");
            // In this order: the kernel prefers the first IPv4 address and, all else being equal, the last IPv6 one.
            foreach (string address in (string[])[First4, Second4, Second6, First6]) await uplink.AddAsync(address);
            return uplink;
        }
        catch
        {
            await uplink.DisposeAsync();
            throw;
        }
    }

    public Socket CreateSocket(AddressFamily family, SocketType type, ProtocolType protocol) =>
        _far.CreateSocket(family, type, protocol);

    /// <summary>The machine beyond passes packets on, and says each time what it could not.</summary>
    public async Task RouteBeyondAsync() =>
        (await _far.RunAsync("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")).Succeeded();

    /// <summary>Gives the host an address on its uplink.</summary>
    public Task AddAsync(string address) => HostAsync($"address add {WithLength(address)} dev {Interface}{Options(address)}");

    /// <summary>Takes one away; the others stay.</summary>
    public Task RemoveAsync(string address) => HostAsync($"address del {WithLength(address)} dev {Interface}");

    /// <summary>Takes two away and gives the first back at once.</summary>
    public Task FlapAsync(string flapping, string removed)
    {
        // One process: nothing may come between that takes longer than slirpnet waits.
        string del = $"address del {WithLength(removed)} dev {Interface}\\naddress del {WithLength(flapping)} dev {Interface}";
        return HostRunAsync($"printf '{del}\\naddress add {WithLength(flapping)} dev {Interface}{Options(flapping)}\\n' | ip -batch -");
    }

    /// <summary>A shell line on the host.</summary>
    public async Task HostRunAsync(string line) => (await _host.RunAsync("sh", "-e", "-c", line)).Succeeded();

    /// <summary>ip(8) on the host.</summary>
    public async Task HostAsync(string words) => (await _host.RunAsync(["ip", .. words.Split(' ')])).Succeeded();

    /// <summary>ip(8) on the machine beyond.</summary>
    public async Task FarAsync(string words) => (await _far.RunAsync(["ip", .. words.Split(' ')])).Succeeded();

    public ValueTask DisposeAsync() => _far.DisposeAsync();

    private static string WithLength(string address) => address + (address.Contains(':', StringComparison.Ordinal) ? "/64" : "/24");

    private static string Options(string address) => address.Contains(':', StringComparison.Ordinal) ? " nodad" : "";
}
