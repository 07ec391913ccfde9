using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Host networks that are not there yet, are odd, or go away for a while (scenarios 61 and 63).</summary>
public class HostNetworkTests
{
    private const string Far = "203.0.113.5", Near = "203.0.113.1";

    [EndToEndFact(SlirpnetOnly = true)]
    public Task It_starts_before_the_host_has_any_network() =>
        GuestNetwork.WithAsync(Plan("ip link set lo down"), async network =>
        {
            Assert.Equal(SocketError.NetworkUnreachable, await ErrorAsync(network, IPAddress.Parse(Far)));
            await network.HostRunsAsync("ip link set lo up");
            await EchoesAsync(network, AddressFamily.InterNetwork);
            await EchoesAsync(network, AddressFamily.InterNetworkV6);
            await network.HostRunsAsync($"ip address add {Far}/32 dev lo");
            await EchoesAsync(network, IPAddress.Parse(Far));
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("ip route add default dev silent0")] // no gateway, no MAC
    [InlineData("ip route add default nexthop dev silent0 weight 1 nexthop dev silent1 weight 2")]
    [InlineData("ip nexthop add id 7 dev lo", "ip route add default nhid 7")]
    [InlineData("ip route add unreachable default")]
    [InlineData("ip route add default dev silent0", "ip link set silent0 down")]
    public Task It_starts_whatever_the_default_route_is(params string[] commands) =>
        GuestNetwork.WithAsync(
            Plan(["ip tuntap add name silent0 mode tun", "ip link set silent0 up", "ip tuntap add name silent1 mode tun", "ip link set silent1 up", .. commands]),
            network => EchoesAsync(network, AddressFamily.InterNetwork));

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_host_without_IPv6_is_a_host_all_the_same() =>
        GuestNetwork.WithAsync(Plan("sysctl -qw net.ipv6.conf.all.disable_ipv6=1") with { MoreOptions = ["-p", "8080:80"] }, async network =>
        {
            await EchoesAsync(network, AddressFamily.InterNetwork);
            var gateway = new IPEndPoint(GuestNetwork.Gateway(AddressFamily.InterNetworkV6), 9);
            Assert.Equal(SocketError.NetworkUnreachable, await network.Guest.ConnectErrorAsync(gateway));

            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket client = network.Host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync("a connection to the forward");
            await EchoFlow.BeatAsync(client, 1);
            await network.HostRunsAsync("sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
            await network.HostRunsAsync("ip -6 address replace ::1/128 dev lo");
            await EchoesAsync(network, AddressFamily.InterNetworkV6);
        });

    /// <summary>The guest's kernel has IPv6 switched off: the rest of its network is as it should be.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_guest_without_IPv6_is_a_guest_all_the_same() =>
        GuestNetwork.WithAsync(
            Plan() with
            {
                Before = async network =>
                {
                    await network.GuestRunsAsync("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
                    await network.GuestRunsAsync("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
                },
            },
            async network =>
            {
                await network.Slirp.StderrLineAsync("WARNING: the guest has no IPv6");
                await EchoesAsync(network, AddressFamily.InterNetwork);
            });

    /// <summary>An interface with a smaller MTU than IPv6 asks for has none (RFC 8200 section 5).</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task An_MTU_too_small_for_IPv6_leaves_IPv4() =>
        GuestNetwork.WithAsync(Plan() with { Mtu = 1000, Ipv6 = true }, network => EchoesAsync(network, AddressFamily.InterNetwork));

    /// <summary>Scenario 17: frames for an interface that is down are lost, and nothing else is.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_guest_s_interface_goes_down_and_up() =>
        GuestNetwork.WithAsync(Plan() with { MoreOptions = ["-p", "8080:80"], Api = true }, async network =>
        {
            await using EchoFlow flow = await EchoFlow.OpenAsync(network);
            await flow.BeatAsync();
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            await network.GuestRunsAsync($"ip link set {GuestNetwork.TapName} down");
            using Socket client = network.Host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync("a connection to the forward");
            Task early = EchoFlow.BeatAsync(client, 1);
            await SlirpStatus.AskAsync(network.Api);
            await network.GuestRunsAsync($"ip link set {GuestNetwork.TapName} up");
            await early;
            await flow.BeatAsync();
            await EchoesAsync(network, AddressFamily.InterNetwork);
        });

    /// <summary>The cable to the world is pulled and put back: a flow over it waits, and new ones are told.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_link_that_goes_down_and_up_again_loses_nothing()
    {
        await using TestNamespace world = await TestNamespace.CreateAsync(asUser: false);
        var plan = Plan() with
        {
            Before = async network =>
            {
                await network.HostRunsAsync($"ip link add wan0 type veth peer name far0 netns {world.Pid}");
                await network.HostRunsAsync($"ip address add {Near}/24 dev wan0");
                await network.HostRunsAsync("ip link set wan0 up");
                (await world.RunAsync("ip", "address", "add", $"{Far}/24", "dev", "far0")).Succeeded();
                (await world.RunAsync("ip", "link", "set", "far0", "up")).Succeeded();
            },
        };
        await GuestNetwork.WithAsync(plan, async network =>
        {
            await using var server = new TcpServer(world, IPAddress.Parse(Far), TcpServer.EchoAsync);
            using Socket guest = network.Guest.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await guest.ConnectAsync(IPAddress.Parse(Far), server.Port).WithinAsync("a connection to the world");
            await EchoFlow.BeatAsync(guest, 1);
            await network.HostRunsAsync("ip link set wan0 down");
            Task beat = EchoFlow.BeatAsync(guest, 2, 100_000);
            Assert.Equal(SocketError.NetworkUnreachable, await ErrorAsync(network, IPAddress.Parse(Far)));
            await EchoesAsync(network, AddressFamily.InterNetwork);
            await network.HostRunsAsync("ip link set wan0 up");
            await beat;
            using Socket later = network.Guest.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await later.ConnectAsync(IPAddress.Parse(Far), server.Port).WithinAsync("another connection to the world");
            await EchoFlow.BeatAsync(later, 3);
        });
    }

    private static SlirpPlan Plan(params string[] commands) => new()
    {
        OwnHost = true,
        Before = async network =>
        {
            foreach (string command in commands) await network.HostRunsAsync(command);
        },
    };

    private static Task<SocketError> ErrorAsync(GuestNetwork network, IPAddress address) =>
        network.Guest.ConnectErrorAsync(new IPEndPoint(address, 9));

    private static async Task EchoesAsync(GuestNetwork network, AddressFamily family)
    {
        await using EchoFlow flow = await EchoFlow.OpenAsync(network, family);
        await flow.BeatAsync();
    }

    private static async Task EchoesAsync(GuestNetwork network, IPAddress address)
    {
        await using var server = new TcpServer(network.Host, address, TcpServer.EchoAsync);
        using Socket guest = network.Guest.CreateSocket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await guest.ConnectAsync(address, server.Port).WithinAsync("a connection to the host");
        await EchoFlow.BeatAsync(guest, 1);
    }
}
