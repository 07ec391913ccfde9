using Slirp.Cli.Options;
using Slirp.Wire;

namespace Slirp.Cli.Tests;

/// <summary>The argument lists of the programs that spawn slirp4netns, each with the whole record it must become.
/// </summary>
public class CallerTests
{
    private static readonly LifecycleOptions Lifecycle = LifecycleOptions.Default;
    private static readonly NetworkOptions Network = NetworkOptions.Default;
    private static readonly ConfinementOptions Unconfined = ConfinementOptions.Default;
    private static readonly ConfinementOptions Confined = new(EnableSandbox: true, EnableSeccomp: true);

    private static TargetOptions ByPath(string path, string? userns = null, bool configure = true) =>
        new(new AttachTarget.ByPath(path), "tap0", configure, userns, ExitWithTarget: true);

    private static TargetOptions ByPid(int pid) =>
        new(new AttachTarget.ByPid(pid), "tap0", Configure: false, UsernsPath: null, ExitWithTarget: true);

    public static TheoryData<string, string, AttachOptions> Callers => new()
    {
        {
            "podman 4.3",
            "--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6 -c -e 3 -r 4 " +
            "--netns-type=path /exists/netns/netns-1 tap0",
            new(ByPath("/exists/netns/netns-1"),
                Network with { DisableHostLoopback = true, Mtu = 65520, EnableIpv6 = true },
                Lifecycle with { ExitFd = 3, ReadyFd = 4 }, Confined)
        },
        {
            "podman 4.3, rootless-netns",
            "--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6 -c -r 3 " +
            "--netns-type=path /exists/rootless-netns tap0",
            new(ByPath("/exists/rootless-netns"),
                Network with { DisableHostLoopback = true, Mtu = 65520, EnableIpv6 = true },
                Lifecycle with { ReadyFd = 3 }, Confined)
        },
        {
            "podman 5.8, every option",
            "--disable-host-loopback --mtu=1400 --enable-sandbox --enable-seccomp --cidr=10.88.0.0/16 --enable-ipv6 " +
            "--outbound-addr=192.0.2.1 --outbound-addr6=2001:db8::1 -c -r 3 -e 4 --api-socket /run/user/1/ctr.net " +
            "--netns-type=path /exists/netns/netns-2 tap0",
            new(ByPath("/exists/netns/netns-2"),
                Network with
                {
                    DisableHostLoopback = true,
                    Mtu = 1400,
                    EnableIpv6 = true,
                    Cidr = new Ipv4Cidr(Ipv4Address.Parse("10.88.0.0"), 16),
                    OutboundAddr = new OutboundSource.ByAddress(IpAddress.Parse("192.0.2.1")),
                    OutboundAddr6 = new OutboundSource.ByAddress(IpAddress.Parse("2001:db8::1")),
                },
                Lifecycle with { ReadyFd = 3, ExitFd = 4, ApiSocket = "/run/user/1/ctr.net" }, Confined)
        },
        {
            "podman with no_pivot_root and allow_host_loopback",
            "--mtu=65520 --enable-seccomp -c -r 3 -e 4 --netns-type=path /exists/netns/netns-3 tap0",
            new(ByPath("/exists/netns/netns-3"), Network with { Mtu = 65520 },
                Lifecycle with { ReadyFd = 3, ExitFd = 4 }, new(EnableSandbox: false, EnableSeccomp: true))
        },
        {
            "buildah",
            "--disable-host-loopback --mtu=65520 --enable-sandbox --enable-seccomp --enable-ipv6 -c -r 3 " +
            "--netns-type=path /exists/proc/77/ns/net tap0",
            new(ByPath("/exists/proc/77/ns/net"),
                Network with { DisableHostLoopback = true, Mtu = 65520, EnableIpv6 = true },
                Lifecycle with { ReadyFd = 3 }, Confined)
        },
        {
            "RootlessKit",
            "--mtu 65520 -r 3 --disable-host-loopback --cidr 10.0.2.0/24 --api-socket /tmp/rk/.s4nn.sock " +
            "--enable-sandbox --enable-seccomp --enable-ipv6 4242 tap0",
            new(ByPid(4242), Network with { Mtu = 65520, DisableHostLoopback = true, EnableIpv6 = true },
                Lifecycle with { ReadyFd = 3, ApiSocket = "/tmp/rk/.s4nn.sock" }, Confined)
        },
        {
            "RootlessKit, detached network namespace (rootless Docker, nerdctl)",
            "--mtu 65520 -r 3 --disable-host-loopback --enable-seccomp --userns-path=/exists/proc/4242/ns/user " +
            "--netns-type=path /exists/rk/netns tap0",
            new(ByPath("/exists/rk/netns", "/exists/proc/4242/ns/user", configure: false),
                Network with { Mtu = 65520, DisableHostLoopback = true },
                Lifecycle with { ReadyFd = 3 }, new(EnableSandbox: false, EnableSeccomp: true))
        },
        {
            "k3s",
            "--mtu 1500 -r 3 --disable-host-loopback --cidr 10.41.0.0/16 --api-socket /run/k3s/.s4nn.sock 99 tap0",
            new(ByPid(99),
                Network with { DisableHostLoopback = true, Cidr = new Ipv4Cidr(Ipv4Address.Parse("10.41.0.0"), 16) },
                Lifecycle with { ReadyFd = 3, ApiSocket = "/run/k3s/.s4nn.sock" }, Unconfined)
        },
        {
            "buildkit under rootlesskit --net=slirp4netns --disable-host-loopback",
            "--mtu 65520 -r 3 --disable-host-loopback 100 tap0",
            new(ByPid(100), Network with { Mtu = 65520, DisableHostLoopback = true },
                Lifecycle with { ReadyFd = 3 }, Unconfined)
        },
        {
            "the man page",
            "--configure --mtu=65520 --disable-host-loopback 12345 tap0",
            new(ByPid(12345) with { Configure = true }, Network with { Mtu = 65520, DisableHostLoopback = true },
                Lifecycle, Unconfined)
        },
    };

    [Theory]
    [MemberData(nameof(Callers))]
    public void A_caller_gets_what_it_asks_for_by_either_name(string caller, string line, AttachOptions expected)
    {
        foreach (string argv0 in (string[])["slirpnet", "/usr/bin/slirp4netns"])
        {
            CommandLine read = CommandLine.Parse(new ProgramName(argv0), Argv.Words(line), Argv.PathCheck);
            Assert.Equal((caller, expected), (caller, Assert.IsType<AttachCommand>(read.Command).Options));
            Assert.Empty(read.Warnings);
            Assert.Equal(
                new CommandLineReport("", "", null), CommandLineReport.Of(new ProgramName(argv0), read, Argv.Stamp));
        }
    }
}
