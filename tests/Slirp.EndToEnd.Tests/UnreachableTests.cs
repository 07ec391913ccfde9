using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// The guest's connect fails as it would have on the host, at once. The host network is the test's own, so its routes
/// say what is unreachable and how.
/// </summary>
public class UnreachableTests
{
    private const string Local4 = "198.51.100.1", Local6 = "2001:db8:1::1";

    public static TheoryData<string, string, SocketError> Routes => new()
    {
        { "unreachable 203.0.113.0/24", "203.0.113.5", SocketError.HostUnreachable },
        { "prohibit 203.0.113.0/24", "203.0.113.5", SocketError.HostUnreachable }, // ICMP code 13, see icmp(7)
        { "throw 203.0.113.0/24", "203.0.113.5", SocketError.NetworkUnreachable },
        { "unreachable 2001:db8:2::/64", "2001:db8:2::5", SocketError.HostUnreachable },
        { "prohibit 2001:db8:2::/64", "2001:db8:2::5", SocketError.AccessDenied },
        { "throw 2001:db8:2::/64", "2001:db8:2::5", SocketError.NetworkUnreachable },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Routes))]
    public Task Connect_fails_with_the_error_of_the_route(string route, string address, SocketError expected) =>
        GuestNetwork.WithAsync(OwnHost(route), async network =>
            Assert.Equal(expected, await network.Guest.ConnectErrorAsync(new IPEndPoint(IPAddress.Parse(address), 80))));

    [EndToEndTheory]
    [InlineData(Local4)]
    [InlineData(Local6)]
    public Task An_address_of_the_host_is_reached_as_itself(string address) =>
        GuestNetwork.WithAsync(OwnHost(), async network =>
        {
            var target = IPAddress.Parse(address);
            await using var server = new TcpServer(network.Host, target, TcpServer.EchoAsync);
            using Socket guest = network.Guest.CreateSocket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await guest.ConnectAsync(target, server.Port).WithinAsync("connect");
            await guest.SendAsync(new byte[] { 42 });
            var answer = new byte[2];
            Assert.Equal(1, await guest.ReceiveAsync(answer).WithinAsync("the echo"));
            Assert.Equal(42, answer[0]);
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Host_loopback_can_be_closed() =>
        GuestNetwork.WithAsync(OwnHost() with { MoreOptions = ["--disable-host-loopback"] }, async network =>
        {
            foreach (AddressFamily family in new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 })
            {
                await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), TcpServer.EchoAsync);
                var gateway = new IPEndPoint(GuestNetwork.Gateway(family), server.Port);
                Assert.Equal(SocketError.NetworkUnreachable, await network.Guest.ConnectErrorAsync(gateway));
            }
        });

    private static SlirpPlan OwnHost(string? route = null) => new()
    {
        OwnHost = true,
        Before = async network =>
        {
            await HostRunAsync(network, $"ip address add {Local4}/32 dev lo");
            await HostRunAsync(network, $"ip address add {Local6}/128 dev lo nodad");
            if (route is not null) await HostRunAsync(network, $"ip route add {route}");
        },
    };

    private static async Task HostRunAsync(GuestNetwork network, string command) =>
        (await network.HostNamespace.RunAsync(command.Split(' '))).Succeeded();
}
