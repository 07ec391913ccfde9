using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The host is renumbered while connections run: those of an address that is gone end soon, others live, new ones
/// work.</summary>
public class AddressChangeTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const string Other4 = "192.0.2.10", Other6 = "2001:db8:5::a"; // of the machine beyond

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Connections_of_an_address_that_is_gone_are_reset_and_others_live(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(family));
            await using var other = new Witness(uplink, Other(family));
            var otherEnd = new IPEndPoint(Other(family), other.Port);
            using Socket stays = await ConnectedAsync(network, new IPEndPoint(Uplink.Far(family), witness.Port), Uplink.First(family));
            using Socket ends = await ConnectedAsync(network, otherEnd, Uplink.Second(family));
            using Socket datagrams = OutboundAddressTests.Unconnected(network, family);
            Assert.Equal(Uplink.Second(family), (await Witness.HeardFromAsync(datagrams, otherEnd)).Address.ToString());

            await uplink.RemoveAsync(Uplink.Second(family));
            await IsResetAsync(ends);
            Assert.Equal(Uplink.First(family), (await Witness.HeardFromAsync(stays)).Address.ToString());
            (await ConnectedAsync(network, otherEnd, Uplink.First(family))).Dispose();
            Assert.Equal(Uplink.First(family), (await Witness.HeardFromAsync(datagrams, otherEnd)).Address.ToString());
        }, before: uplink => GiveOtherAsync(uplink, family));

    /// <summary>As a network manager does it that is restarted. The connection of the other address tells when it was looked at.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task An_address_that_comes_back_at_once_keeps_its_connections(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(family));
            await using var other = new Witness(uplink, Other(family));
            using Socket stays = await ConnectedAsync(network, new IPEndPoint(Uplink.Far(family), witness.Port), Uplink.First(family));
            using Socket ends = await ConnectedAsync(network, new IPEndPoint(Other(family), other.Port), Uplink.Second(family));
            await uplink.FlapAsync(flapping: Uplink.First(family), removed: Uplink.Second(family));
            await IsResetAsync(ends);
            Assert.Equal(Uplink.First(family), (await Witness.HeardFromAsync(stays)).Address.ToString());
        }, before: uplink => GiveOtherAsync(uplink, family));

    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_link_that_goes_down_and_up_keeps_its_connections() =>
        OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(V4));
            var server = new IPEndPoint(Uplink.Far(V4), witness.Port);
            using Socket stays = await ConnectedAsync(network, server, Uplink.First4);
            await uplink.HostAsync($"link set {Uplink.Interface} down");
            await uplink.HostAsync($"link set {Uplink.Interface} up");
            Assert.Equal(Uplink.First4, (await Witness.HeardFromAsync(stays)).Address.ToString());
            (await ConnectedAsync(network, server, Uplink.First4)).Dispose();
        });

    /// <summary>As a VPN does it: what runs goes on from its address, what is new leaves from the tunnel's.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task A_default_route_that_moves_takes_new_connections_with_it(AddressFamily family)
    {
        (string six, string length, string options) = family == V4 ? ("", "24", "") : ("-6 ", "64", " nodad");
        (string own, string beyond, string server) = family == V4
            ? ("198.51.100.1", "198.51.100.9", "203.0.113.9") : ("2001:db8:6::1", "2001:db8:6::9", "2001:db8:7::9");
        return OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, IPAddress.Parse(server));
            var end = new IPEndPoint(IPAddress.Parse(server), witness.Port);
            using Socket stays = await ConnectedAsync(network, end, Uplink.First(family));
            using Socket datagrams = OutboundAddressTests.Unconnected(network, family);
            Assert.Equal(Uplink.First(family), (await Witness.HeardFromAsync(datagrams, end)).Address.ToString());

            await uplink.HostAsync($"link add tunnel0 type veth peer name far1 netns {uplink.Machine.Pid}");
            await uplink.HostAsync("link set tunnel0 up");
            await uplink.FarAsync("link set far1 up");
            await uplink.HostAsync($"address add {own}/{length} dev tunnel0{options}");
            await uplink.FarAsync($"address add {beyond}/{length} dev far1{options}");
            await uplink.HostAsync($"{six}route replace default via {beyond} dev tunnel0 src {own}");
            (await ConnectedAsync(network, end, own)).Dispose();
            Assert.Equal(own, (await Witness.HeardFromAsync(datagrams, end)).Address.ToString());
            Assert.Equal(Uplink.First(family), (await Witness.HeardFromAsync(stays)).Address.ToString());
        }, before: async uplink =>
        {
            await uplink.FarAsync($"address add {server}/{(family == V4 ? 32 : 128)} dev lo{options}");
            await uplink.HostAsync($"{six}route add default via {Uplink.Far(family)} src {Uplink.First(family)}");
        });
    }

    /// <summary>A connection from outside through a forward has a local address as well.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_forwarded_connection_ends_with_the_address_and_its_listener_waits_for_it() =>
        OutboundAddressTests.WithUplinkAsync(["-p", $"{Uplink.Second4}:8080:8080"], async (network, uplink) =>
        {
            using Socket listener = network.Guest.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Any, 8080));
            listener.Listen(8);
            var published = new IPEndPoint(IPAddress.Parse(Uplink.Second4), 8080);
            using Socket first = uplink.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
            await first.ConnectAsync(published).WithinAsync("connect");
            using Socket accepted = await listener.AcceptAsync().WithinAsync("accept");
            await uplink.RemoveAsync(Uplink.Second4);
            await IsResetAsync(accepted);
            await uplink.AddAsync(Uplink.Second4);
            using Socket second = uplink.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
            await second.ConnectAsync(published).WithinAsync("connect again");
            (await listener.AcceptAsync().WithinAsync("accept again")).Dispose();
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task An_outbound_interface_is_followed(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([$"--outbound-addr={Uplink.Interface}", $"--outbound-addr6={Uplink.Interface}"], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(family));
            var server = new IPEndPoint(Uplink.Far(family), witness.Port);
            using Socket ends = await OutboundAddressTests.ConnectAsync(network, server);
            string chosen = (await Witness.HeardFromAsync(ends)).Address.ToString();
            string next = chosen == Uplink.First(family) ? Uplink.Second(family) : Uplink.First(family);
            using Socket datagrams = OutboundAddressTests.Unconnected(network, family);
            Assert.Equal(chosen, (await Witness.HeardFromAsync(datagrams, server)).Address.ToString());
            await PingsAsync(network, family);

            await uplink.RemoveAsync(chosen);
            await IsResetAsync(ends);
            (await ConnectedAsync(network, server, next)).Dispose();
            Assert.Equal(next, (await Witness.HeardFromAsync(datagrams, server)).Address.ToString());
            await PingsAsync(network, family);
        });

    /// <summary>Rather nothing than from elsewhere.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Nothing_leaves_from_elsewhere_while_the_outbound_address_is_gone(AddressFamily family) =>
        OutboundAddressTests.WithUplinkAsync([$"--outbound-addr={Uplink.Second4}", $"--outbound-addr6={Uplink.Second6}"], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(family));
            var server = new IPEndPoint(Uplink.Far(family), witness.Port);
            using Socket ends = await ConnectedAsync(network, server, Uplink.Second(family));
            using Socket datagrams = network.Guest.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            await datagrams.ConnectAsync(server);
            await uplink.RemoveAsync(Uplink.Second(family));
            await IsResetAsync(ends);
            Assert.Equal(SocketError.NetworkUnreachable, await network.Guest.ConnectErrorAsync(server));
            await datagrams.SendAsync("?"u8.ToArray());

            await uplink.AddAsync(Uplink.Second(family));
            (await ConnectedAsync(network, server, Uplink.Second(family))).Dispose();
            Assert.Equal(Uplink.Second(family), await HeardAsync(datagrams));
        });

    /// <summary>The first answer, which is the first datagram's that was sent since the address is back.</summary>
    private static async Task<string> HeardAsync(Socket connected)
    {
        await connected.SendAsync("?"u8.ToArray());
        var answer = new byte[100];
        int length = await connected.ReceiveAsync(answer).WithinAsync("the witness's answer");
        return IPEndPoint.Parse(System.Text.Encoding.ASCII.GetString(answer, 0, length)).Address.ToString();
    }

    private static async Task<Socket> ConnectedAsync(GuestNetwork network, IPEndPoint server, string from)
    {
        Socket socket = await OutboundAddressTests.ConnectAsync(network, server);
        Assert.Equal(from, (await Witness.HeardFromAsync(socket)).Address.ToString());
        return socket;
    }

    private static async Task IsResetAsync(Socket socket)
    {
        SocketException reset = await Assert.ThrowsAsync<SocketException>(
            () => socket.ReceiveAsync(new byte[1]).WithinAsync("the reset"));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    private static async Task PingsAsync(GuestNetwork network, AddressFamily family)
    {
        if (!Machine.Has("ping")) return;
        (await network.Guest.RunAsync("ping", "-n", "-c", "1", "-W", "50", $"{Uplink.Far(family)}")).Succeeded();
    }

    /// <summary>Another server, to which the host speaks from its second address.</summary>
    private static async Task GiveOtherAsync(Uplink uplink, AddressFamily family)
    {
        await uplink.FarAsync($"address add {Other(family)}/{(family == V4 ? "24 dev far0" : "64 dev far0 nodad")}");
        await uplink.HostAsync($"{(family == V4 ? "" : "-6 ")}route add {Other(family)} dev {Uplink.Interface} src {Uplink.Second(family)}");
    }

    private static IPAddress Other(AddressFamily family) => IPAddress.Parse(family == V4 ? Other4 : Other6);
}
