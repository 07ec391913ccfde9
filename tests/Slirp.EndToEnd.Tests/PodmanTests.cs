using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Debian's Podman, rootless, with slirpnet as its <c>network_cmd_path</c>.</summary>
public sealed class PodmanTests : IClassFixture<PodmanTests.PodmanHost>
{
    /// <summary>How many live: the first process of this host does not reap those that are over.</summary>
    private const string Slirpnets = "pgrep -c -r R,S,D,T slirpnet";

    private readonly PodmanHost _podman;

    public PodmanTests(PodmanHost podman) => _podman = podman;

    [EndToEndFact(OtherUsers = true, Tools = RootlessHost.Tools)]
    public async Task A_container_has_the_network_that_podman_expects()
    {
        string output = await ContainerAsync("", "ip addr show tap0; cat /etc/resolv.conf; ping -c 1 10.0.2.2; nslookup -type=a www.example.test");
        Assert.Contains("mtu 65520", output, StringComparison.Ordinal);
        Assert.Contains("inet 10.0.2.100/24", output, StringComparison.Ordinal);
        Assert.Contains("inet6 fd00::", output, StringComparison.Ordinal);
        Assert.Contains("nameserver 10.0.2.3", output, StringComparison.Ordinal);
        Assert.Contains("1 packets received", output, StringComparison.Ordinal);
        Assert.Contains(RootlessHost.KnownAddress, output, StringComparison.Ordinal);
    }

    [EndToEndFact(OtherUsers = true, Tools = RootlessHost.Tools)]
    public async Task Its_network_options_work()
    {
        string output = await ContainerAsync(":cidr=10.9.0.0/24,mtu=1400,enable_ipv6=false", "ip addr show tap0; cat /etc/resolv.conf");
        Assert.Contains("mtu 1400", output, StringComparison.Ordinal);
        Assert.Contains("inet 10.9.0.100/24", output, StringComparison.Ordinal);
        Assert.DoesNotContain("fd00::", output, StringComparison.Ordinal);
        Assert.Contains("nameserver 10.9.0.3", output, StringComparison.Ordinal);
    }

    [EndToEndTheory(OtherUsers = true, Tools = RootlessHost.Tools)]
    [InlineData("", "unreachable")]
    [InlineData(":allow_host_loopback=true", RootlessHost.WebPage)]
    public async Task The_host_s_loopback_is_open_only_when_asked_for(string options, string answer)
    {
        string output = await ContainerAsync(options, $"wget -q -O - http://10.0.2.2:{RootlessHost.WebPort}/ 2>&1 || true");
        Assert.Contains(answer, output, StringComparison.Ordinal);
    }

    [EndToEndTheory(OtherUsers = true, Tools = RootlessHost.Tools, SlirpnetOnly = true)]
    [InlineData(":allow_host_loopback=true", $"from {RootlessHost.WitnessAddress}")]
    [InlineData($":allow_host_loopback=true,outbound_addr={RootlessHost.OtherAddress}", $"from {RootlessHost.OtherAddress}")]
    [InlineData("", "unreachable")] // an address of the host leads to its loopback as well
    public async Task Its_outbound_address_and_the_host_s_own_are_as_asked_for(string options, string answer)
    {
        string output = await ContainerAsync(options, $"wget -q -O - {RootlessHost.WitnessPage} 2>&1 || true");
        Assert.Contains(answer, output, StringComparison.Ordinal);
    }

    [EndToEndTheory(OtherUsers = true, Tools = RootlessHost.Tools)]
    [InlineData("slirp4netns")]
    [InlineData("rootlesskit")]
    public async Task A_published_port_is_reached_from_the_host_also_after_a_restart(string handler)
    {
        const string serve = "mkdir /www; echo from the container >/www/index.html; exec httpd -f -p 80 -h /www";
        const string fetch = "busybox wget -q -O - http://127.0.0.1:18080/";
        try
        {
            await PodmanAsync($"run -d --name web --network slirp4netns:port_handler={handler} -p 18080:80 busy sh -c '{serve}'");
            await _podman.Host.UntilAsync(fetch, "from the container");
            await PodmanAsync("stop -t 0 web");
            await _podman.Host.UntilAsync(Slirpnets, "0"); // its port is free
            Assert.NotEqual(0, (await _podman.Host.RunAsync(fetch)).Status);
            await PodmanAsync("start web");
            await _podman.Host.UntilAsync(fetch, "from the container");
        }
        finally
        {
            await PodmanAsync("rm -f -t 0 web");
        }

        await _podman.Host.UntilAsync(Slirpnets, "0");
    }

    [EndToEndFact(OtherUsers = true, Tools = RootlessHost.Tools)]
    public async Task Twenty_containers_in_a_row_leave_nothing()
    {
        for (int i = 0; i < 20; i++)
        {
            string output = await ContainerAsync(":port_handler=slirp4netns -p 18081:80", "ip -4 -o addr show tap0");
            Assert.Contains("10.0.2.100/24", output, StringComparison.Ordinal);
            await _podman.Host.UntilAsync(Slirpnets, "0");
        }

        Assert.Equal("", (await _podman.Host.RunAsync("find /mnt/run -name '*.net'")).Succeeded());
    }

    [EndToEndFact(OtherUsers = true, Tools = RootlessHost.Tools)]
    public async Task Podman_shows_which_program_it_uses()
    {
        string output = await PodmanAsync("info --format '{{.Host.Slirp4NetNS.Executable}} {{.Host.Slirp4NetNS.Version}}'");
        Assert.StartsWith("/mnt/bin/slirpnet slirpnet version ", output, StringComparison.Ordinal);
    }

    private Task<string> ContainerAsync(string options, string script) =>
        PodmanAsync($"run --rm --network slirp4netns{options} busy sh -c '{script}'");

    private async Task<string> PodmanAsync(string arguments) => (await _podman.Host.RunAsync($"podman {arguments}")).Succeeded();

    /// <summary>A host whose Podman has an image: busybox and the libraries it needs.</summary>
    public sealed class PodmanHost : IAsyncLifetime
    {
        private const string MakeImage = """
            set -e
            mkdir -p image/bin image/etc
            cp "$(command -v busybox)" image/bin/
            for applet in sh cat echo exec httpd ip mkdir nslookup ping sleep wget; do ln -s busybox image/bin/$applet; done
            for library in $(ldd image/bin/busybox | grep -o '/[^ ]*'); do
                mkdir -p "image$(dirname "$library")"
                cp -L "$library" "image$library"
            done
            tar -C image -cf image.tar .
            podman import image.tar busy
            """;

        private RootlessHost? _host;

        internal RootlessHost Host => _host!;

        public async Task InitializeAsync()
        {
            if (SkipReason.Of(slirpnetOnly: false, RootlessHost.Tools, otherUsers: true) is not null) return;
            _host = await RootlessHost.CreateAsync();
            (await _host.RunAsync(MakeImage)).Succeeded();
        }

        public async Task DisposeAsync()
        {
            if (_host is not null) await _host.DisposeAsync();
        }
    }
}
