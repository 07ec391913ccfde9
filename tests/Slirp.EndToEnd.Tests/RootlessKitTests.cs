using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Debian's RootlessKit, which rootless Docker, nerdctl, BuildKit and k3s stand on, with slirpnet as its
/// <c>--slirp4netns-binary</c>.</summary>
public class RootlessKitTests
{
    private const string Kit = "rootlesskit --net=slirp4netns --slirp4netns-binary=/mnt/bin/slirpnet "
        + "--slirp4netns-sandbox=auto --slirp4netns-seccomp=auto --copy-up=/etc ";

    [EndToEndTheory(OtherUsers = true, Tools = RootlessHost.Tools)]
    [InlineData("", RootlessHost.WebPage)]
    [InlineData("--disable-host-loopback ", "unreachable")]
    public async Task Its_child_has_the_network_that_it_expects(string options, string answer)
    {
        await using RootlessHost host = await RootlessHost.CreateAsync();
        string output = (await host.RunAsync(Kit + options + "--ipv6 sh -c '" +
            "ip addr show tap0; ping -c 1 10.0.2.2; busybox nslookup -type=a www.example.test; " +
            $"busybox wget -q -O - http://10.0.2.2:{RootlessHost.WebPort}/ 2>&1 || true'")).Succeeded();
        Assert.Contains("mtu 65520", output, StringComparison.Ordinal);
        Assert.Contains("inet 10.0.2.100/24", output, StringComparison.Ordinal);
        Assert.Contains(" 0% packet loss", output, StringComparison.Ordinal);
        Assert.Contains(RootlessHost.KnownAddress, output, StringComparison.Ordinal);
        Assert.Contains(answer, output, StringComparison.Ordinal);
    }

    [EndToEndFact(OtherUsers = true, Tools = RootlessHost.Tools)]
    public async Task Ports_are_added_and_removed_while_it_runs()
    {
        await using RootlessHost host = await RootlessHost.CreateAsync();
        await using ChildProcess kit = host.Start(Kit + "--disable-host-loopback --port-driver=slirp4netns --state-dir=/mnt/run/rk "
            + "-p 0.0.0.0:18080:80/tcp sh -c 'mkdir www; echo from the child >www/index.html; busybox httpd -p 80 -h www; echo up; exec cat'");
        await kit.StdoutLineAsync("up");
        await host.UntilAsync(Fetch(18080), "from the child");

        string added = (await host.RunAsync("rootlessctl --socket=/mnt/run/rk/api.sock add-ports 127.0.0.1:18081:80/tcp")).Succeeded();
        Assert.Equal("from the child\n", (await host.RunAsync(Fetch(18081))).Succeeded());

        (await host.RunAsync($"rootlessctl --socket=/mnt/run/rk/api.sock remove-ports {added.Trim()}")).Succeeded();
        Assert.NotEqual(0, (await host.RunAsync(Fetch(18081))).Status);
        Assert.Equal("from the child\n", (await host.RunAsync(Fetch(18080))).Succeeded());
    }

    private static string Fetch(int port) => $"busybox wget -q -O - http://127.0.0.1:{port}/";
}
