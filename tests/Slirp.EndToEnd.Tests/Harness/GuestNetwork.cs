using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// One guest with its network up: a namespace, slirpnet attached to it, the host that its servers live on, and a capture
/// that is kept when the test fails.
/// </summary>
internal sealed class GuestNetwork : IAsyncDisposable
{
    public const string TapName = "tap0";

    private readonly SlirpPlan _plan;
    private TestNamespace? _guest;
    private TestNamespace? _hostNamespace;
    private SlirpProcess? _slirp;
    private Capture? _capture;
    private SafeFileHandle? _tap;
    private bool _mayEnd;

    private GuestNetwork(SlirpPlan plan) => _plan = plan;

    public TestNamespace Guest => _guest!;

    public SlirpProcess Slirp => _slirp!;

    /// <summary>The private host network of <see cref="SlirpPlan.OwnHost"/>.</summary>
    public TestNamespace HostNamespace => _hostNamespace!;

    /// <summary>Where servers are made that the guest reaches through its gateway.</summary>
    public ISocketPlace Host => _hostNamespace is { } own ? own : OwnNetwork.Instance;

    /// <summary>With <see cref="SlirpPlan.Api"/>: its control socket.</summary>
    public string ApiPath { get; } = Path.Combine(Machine.Scratch, $"api-{Guid.NewGuid():N}.sock");

    /// <inheritdoc cref="ApiPath"/>
    public ControlClient Api => new(ApiPath);

    public ProcessFigures Figures => new(Slirp.Pid);

    /// <summary>Runs a test on a network made for it. Whatever goes wrong is told with what slirpnet said.</summary>
    public static async Task WithAsync(SlirpPlan plan, Func<GuestNetwork, Task> test)
    {
        await using var network = new GuestNetwork(plan);
        try
        {
            await network.StartAsync();
            await test(network);
            if (network.Slirp.HasExited && !network._mayEnd)
                throw new EndToEndException("slirpnet ended during the test");
        }
        catch (Exception exception)
        {
            throw new EndToEndException(await network.ExplainAsync(exception), exception);
        }
    }

    /// <summary>A path as slirpnet sees it, which matters with <see cref="SlirpPlan.ResolvConf"/>.</summary>
    public string PathOfHost(string path) => $"/proc/{Slirp.Pid}/root{path}";

    /// <summary>The host's loopback as the guest addresses it: the gateway.</summary>
    public static IPAddress Gateway(AddressFamily family) =>
        IPAddress.Parse(family == AddressFamily.InterNetwork ? "10.0.2.2" : "fd00::2");

    /// <summary>The forwarder for name servers.</summary>
    public static IPAddress Forwarder(AddressFamily family) =>
        IPAddress.Parse(family == AddressFamily.InterNetwork ? "10.0.2.3" : "fd00::3");

    public static IPAddress Loopback(AddressFamily family) =>
        family == AddressFamily.InterNetwork ? IPAddress.Loopback : IPAddress.IPv6Loopback;

    /// <summary>Kills slirpnet as a machine short of memory would, and starts another in its place.</summary>
    public async Task ReplaceSlirpAsync()
    {
        Slirp.Signal(UnixSignal.Kill);
        await Slirp.WaitAsync();
        await Slirp.DisposeAsync();
        _slirp = SlirpProcess.Start([.. HostPrefix(), .. SlirpCommand()], _tap);
        await _slirp.ReadyAsync();
    }

    /// <summary>The test ends slirpnet itself.</summary>
    public void SlirpMayEnd() => _mayEnd = true;

    /// <summary>A TCP connection from the guest to a server on the host's loopback.</summary>
    public async Task<Socket> ConnectAsync(AddressFamily family, int port)
    {
        Socket socket = Guest.CreateSocket(family, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(Gateway(family), port).WithinAsync($"the guest's connect to port {port}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>One command in the guest, and one in the private host network, as a person would type it.</summary>
    public async Task GuestRunsAsync(string command) => (await Guest.RunAsync(command.Split(' '))).Succeeded();

    /// <inheritdoc cref="GuestRunsAsync"/>
    public async Task HostRunsAsync(string command) => (await HostNamespace.RunAsync(command.Split(' '))).Succeeded();

    /// <summary>Configures the guest as -c would, for the ways of attaching that do not.</summary>
    public async Task ConfigureByHandAsync(string[]? only = null)
    {
        string[][] commands =
        [
            ["ip", "link", "set", "lo", "up"],
            ["ip", "link", "set", TapName, "mtu", $"{_plan.Mtu}", "up"],
            ["ip", "address", "add", "10.0.2.100/24", "dev", TapName],
            ["ip", "route", "replace", "default", "via", "10.0.2.2", "dev", TapName],
            ["ip", "-6", "address", "add", "fd00::100/64", "dev", TapName, "nodad"],
            ["ip", "-6", "route", "replace", "default", "via", "fd00::2", "dev", TapName],
        ];
        foreach (string[] command in commands)
            if (only is null || command.AsSpan().StartsWith(only))
                (await Guest.RunAsync(command)).Succeeded();
    }

    public async ValueTask DisposeAsync()
    {
        if (_capture is not null) await _capture.DisposeAsync();
        if (_slirp is not null) await _slirp.DisposeAsync();
        if (_guest is not null) await _guest.DisposeAsync();
        if (_hostNamespace is not null) await _hostNamespace.DisposeAsync();
        _tap?.Dispose();
    }

    private async Task StartAsync()
    {
        _guest = await TestNamespace.CreateAsync(_plan.AsUser);
        if (_plan.OwnHost) await CreateHostAsync();
        await _plan.Before(this);
        if (_plan.Attachment == Attachment.Descriptor)
            _tap = TapDescriptor.Open(_guest, TapName, vnetHeader: false);
        _slirp = SlirpProcess.Start([.. HostPrefix(), .. SlirpCommand()], _tap);
        await _slirp.ReadyAsync();
        if (_plan.Attachment == Attachment.Descriptor) await ConfigureByHandAsync();
        // slirp4netns leaves IPv6 to the kernel, which takes two seconds; then the tests would be about that.
        if (Machine.IsSlirp4netns && _plan is { Configure: true, Ipv6: true }) await ConfigureByHandAsync(["ip", "-6"]);
        if (_plan.Capture && Machine.Has("tcpdump")) _capture = await Capture.StartAsync(_guest, TapName);
    }

    private async Task CreateHostAsync()
    {
        _hostNamespace = await TestNamespace.CreateAsync(asUser: false);
        (await _hostNamespace.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        // Everybody may ping, as systemd sets it up; the kernel's own default is nobody.
        string groups = Machine.AsUser.Length == 0 ? "0 0" : "0 2147483647"; // all that a user namespace has is 0
        (await _hostNamespace.RunAsync("sh", "-c", $"echo '{groups}' >/proc/sys/net/ipv4/ping_group_range")).Succeeded();
    }

    // Enters the private host network, with an /etc of its own, laid over the machine's, in a mount namespace that nobody
    // else sees.
    private string[] HostPrefix()
    {
        if (_hostNamespace is null) return [];
        string[] inside = _hostNamespace.Inside();
        if (_plan.ResolvConf is null) return inside;
        string layer = Path.Combine(Machine.Scratch, $"etc-{_hostNamespace.Pid}");
        Directory.CreateDirectory(layer);
        // In memory: where the scratch folder is an overlay itself, as in a container, it cannot be a layer.
        string mount = $"mount -t tmpfs -o mode=0755 tmpfs {layer} && mkdir {layer}/upper {layer}/work"
            + $" && mount -t overlay overlay -o lowerdir=/etc,upperdir={layer}/upper,workdir={layer}/work /etc";
        return
        [
            .. inside, "unshare", "--mount", "sh", "-c",
            $"{mount} && rm -f /etc/resolv.conf && printf %s \"$0\" >/etc/resolv.conf && exec \"$@\"", _plan.ResolvConf,
        ];
    }

    private string[] SlirpCommand()
    {
        string[] become = _plan.AsUser ? Machine.AsUser : [];
        List<string> options = ["-m", $"{_plan.Mtu}", "-r", $"{SlirpProcess.ReadyNumber}", "-e", $"{SlirpProcess.ExitNumber}"];
        if (_plan.Configure && _plan.Attachment != Attachment.Descriptor) options.Add("-c");
        if (_plan.Ipv6) options.Add("-6");
        if (_plan.Api) options.AddRange(["-a", ApiPath]);
        string[] target = _plan.Attachment switch
        {
            Attachment.Pid => [$"{Guest.Pid}", TapName],
            Attachment.Path => ["--netns-type=path", Guest.NetPath, TapName],
            Attachment.PathInUserNamespace =>
                ["--netns-type=path", $"--userns-path={Guest.UserPath}", Guest.NetPath, TapName],
            _ => ["--netns-type=tapfd", $"{SlirpProcess.TapNumber}"],
        };
        return [.. become, .. _plan.Prefix, Machine.Binary, .. options, .. _plan.MoreOptions, .. target];
    }

    private async Task<string> ExplainAsync(Exception exception)
    {
        string kept = _capture is null ? "none" : await _capture.KeepAsync(Guest);
        return $"{exception.Message}\n--- slirpnet said\n{_slirp?.StderrSoFar}{_slirp?.StdoutSoFar}\n--- capture: {kept}";
    }
}
