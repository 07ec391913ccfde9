using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// --disable-host-loopback closes every road to the host itself, and nothing else; without it they are open. A service
/// that listens on all addresses of the host stands for what must not be reached.
/// </summary>
public class HostLoopbackTests
{
    /// <summary>Where nobody listens, the port that the host's kernel chooses to connect from may be the very one that is
    /// connected to. Then the guest would talk to itself, and the server that it waits for could not start.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Nobody_is_connected_to_himself() =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            const int port = 40_000;
            (await network.HostNamespace.RunAsync("sh", "-c", $"echo {port} {port} >/proc/sys/net/ipv4/ip_local_port_range")).Succeeded();
            Assert.Equal(SocketError.ConnectionRefused, await network.Guest.ConnectErrorAsync(new IPEndPoint(GuestNetwork.Gateway(AddressFamily.InterNetwork), port)));
            await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync, port);
            (await network.HostNamespace.RunAsync("sh", "-c", "echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range")).Succeeded();
            using Socket guest = await network.ConnectAsync(AddressFamily.InterNetwork, port);
            await EchoFlow.BeatAsync(guest, 1);
        });

    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const string Disable = "--disable-host-loopback";

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Every_address_of_the_host_is_closed_and_others_are_not(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([Disable], async (network, uplink) =>
        {
            await using var service = new Witness(network.Host, Any(family));
            IPAddress[] own = [GuestNetwork.Gateway(family), Address(Uplink.First(family)), Address(Uplink.Second(family))];
            foreach (IPAddress address in own) await IsClosedAsync(network, new IPEndPoint(address, service.Port));

            await using var far = new Witness(uplink, Uplink.Far(family));
            await IsOpenAsync(network, new IPEndPoint(Uplink.Far(family), far.Port));
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Without_the_option_they_are_open(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([], async (network, _) =>
        {
            await using var service = new Witness(network.Host, GuestNetwork.Loopback(family));
            await IsOpenAsync(network, new IPEndPoint(GuestNetwork.Gateway(family), service.Port));
            foreach (string address in (string[])[Uplink.First(family), Uplink.Second(family)])
            {
                await using var there = new Witness(network.Host, Address(address)); // a datagram's answer comes from where it asked
                await IsOpenAsync(network, new IPEndPoint(Address(address), there.Port));
            }
        });

    [EndToEndTheory(SlirpnetOnly = true, Tools = "ping")]
    [InlineData(V4, "filtered")]
    [InlineData(V6, "prohibited")]
    public Task Ping_reaches_the_gateway_and_no_address_of_the_host(AddressFamily family, string report) =>
        OutboundAddressTests.WithUplinkAsync([Disable], async (network, _) =>
        {
            // The gateway is slirpnet itself, and callers of slirp4netns ping it.
            (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", $"{GuestNetwork.Gateway(family)}")).Succeeded();
            (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", $"{Uplink.Far(family)}")).Succeeded();
            Outcome refused = await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", Uplink.First(family));
            Assert.Equal(1, refused.Status);
            Assert.Contains(report, refused.Stdout, StringComparison.Ordinal);
        });

    /// <summary>Addresses declared local without an interface having them, and such as come later.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("198.51.100.7", "route add local 198.51.100.0/24 dev lo")]
    [InlineData("2001:db8:7::7", "-6 route add local 2001:db8:7::/64 dev lo")]
    public Task What_is_declared_local_is_closed(string local, string words) =>
        OutboundAddressTests.WithUplinkAsync([Disable], async (network, _) =>
        {
            await using var service = new Witness(network.Host, Any(Address(local).AddressFamily));
            await IsClosedAsync(network, new IPEndPoint(Address(local), service.Port));
        }, before: uplink => uplink.HostAsync(words));

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("192.0.2.77")]
    [InlineData("2001:db8:5::77")]
    public Task An_address_that_comes_is_closed_and_open_again_when_it_is_somebody_elses(string address) =>
        OutboundAddressTests.WithUplinkAsync([Disable], async (network, uplink) =>
        {
            AddressFamily family = Address(address).AddressFamily;
            await using var service = new Witness(network.Host, Any(family));
            await uplink.AddAsync(address);
            await BecomesAsync(network, new IPEndPoint(Address(address), service.Port), isOpen: false);
            await uplink.RemoveAsync(address);
            await uplink.FarAsync($"address add {address}/{(family == V4 ? 24 : 64)} dev far0{(family == V6 ? " nodad" : "")}");
            await using var far = new Witness(uplink, Address(address));
            await BecomesAsync(network, new IPEndPoint(Address(address), far.Port), isOpen: true);
        });

    /// <summary>The forwarder asks where the guest itself may not.</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "dnsmasq,dig")]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData(Uplink.First4)]
    [InlineData(Uplink.First6)]
    public async Task Dns_works_with_a_resolver_on_the_host(string resolver)
    {
        ChildProcess? dnsmasq = null;
        try
        {
            await OutboundAddressTests.WithUplinkAsync([Disable], async (network, _) =>
            {
                dnsmasq = network.HostNamespace.Start("dnsmasq", "--no-daemon", "--log-facility=-", "--conf-file=/dev/null",
                    "--no-resolv", "--no-hosts", "--bind-interfaces", $"--listen-address={resolver}", "--local=/example.test/",
                    "--host-record=www.example.test,192.0.2.7");
                await dnsmasq.StderrLineAsync("started");
                foreach (string transport in (string[])["+notcp", "+tcp"])
                {
                    Outcome dig = await network.Guest.RunAsync(
                        "dig", "@10.0.2.3", "+short", "+tries=3", "+timeout=15", transport, "www.example.test", "A");
                    Assert.Equal("192.0.2.7\n", dig.Succeeded());
                }
            }, resolvConf: $"nameserver {resolver}\n");
        }
        finally
        {
            if (dnsmasq is not null) await dnsmasq.DisposeAsync();
        }
    }

    /// <summary>Published ports serve the host and the world beyond; the guest does not come to its own by the host.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Forwards_serve_the_host_and_not_the_guest_itself() =>
        OutboundAddressTests.WithUplinkAsync([Disable, "-p", "8080:8080", "-p", "8080:8080/udp"], async (network, uplink) =>
        {
            await using var service = new Witness(network.Guest, Address("10.0.2.100"), 8080);
            var published = new IPEndPoint(Address(Uplink.First4), 8080);
            foreach (ISocketPlace place in (ISocketPlace[])[network.Host, uplink])
            {
                string from = place == uplink ? $"{Uplink.Far(V4)}" : Uplink.First4;
                using Socket connection = place.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
                await connection.ConnectAsync(published).WithinAsync("connect to the published port");
                Assert.Equal(from, (await Witness.HeardFromAsync(connection)).Address.ToString());
                using Socket datagrams = place.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
                datagrams.Bind(new IPEndPoint(IPAddress.Any, 0));
                Assert.Equal(from, (await Witness.HeardFromAsync(datagrams, published)).Address.ToString());
            }

            await IsClosedAsync(network, published);
            await IsClosedAsync(network, new IPEndPoint(GuestNetwork.Gateway(V4), 8080));
        });

    private static async Task IsOpenAsync(GuestNetwork network, IPEndPoint service)
    {
        using Socket connection = await OutboundAddressTests.ConnectAsync(network, service);
        await Witness.HeardFromAsync(connection);
        using Socket datagrams = OutboundAddressTests.Unconnected(network, service.AddressFamily);
        await Witness.HeardFromAsync(datagrams, service);
    }

    /// <summary>A connect fails as with slirp4netns; a datagram as anything forbidden.</summary>
    private static async Task IsClosedAsync(GuestNetwork network, IPEndPoint service)
    {
        Assert.Equal(SocketError.NetworkUnreachable, await network.Guest.ConnectErrorAsync(service));
        using Socket datagrams = network.Guest.CreateSocket(service.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await datagrams.ConnectAsync(service);
        await datagrams.SendAsync("?"u8.ToArray());
        SocketException told = await Assert.ThrowsAsync<SocketException>(
            () => datagrams.ReceiveAsync(new byte[9]).WithinAsync($"the error of a datagram to {service}"));
        Assert.Equal(service.AddressFamily == V4 ? SocketError.HostUnreachable : SocketError.AccessDenied, told.SocketErrorCode);
    }

    // The change is noticed a moment after it was made, so this asks until it is.
    private static async Task BecomesAsync(GuestNetwork network, IPEndPoint service, bool isOpen)
    {
        SocketError wanted = isOpen ? SocketError.Success : SocketError.NetworkUnreachable;
        async Task AskAsync()
        {
            while (await network.Guest.ConnectErrorAsync(service) != wanted) await Task.Delay(20);
        }

        await AskAsync().WithinAsync($"{wanted} from a connect to {service}");
    }

    private static IPAddress Any(AddressFamily family) => family == V4 ? IPAddress.Any : IPAddress.IPv6Any;

    private static IPAddress Address(string text) => IPAddress.Parse(text);
}
