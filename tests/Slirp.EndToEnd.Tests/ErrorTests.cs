using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>What routers and hosts on the way say reaches the program in the guest as it reaches a program on the host: each
/// test has both ask, and compares.</summary>
public class ErrorTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;
    private const int ClosedPort = 9;

    /// <summary>What the router thinks of an address, the address, and what that is to a program; see icmp(7).</summary>
    public static TheoryData<string, string, SocketError> Errors => new()
    {
        { "route add unreachable 203.0.113.0/24", "203.0.113.5", SocketError.HostUnreachable },
        { "route add prohibit 203.0.113.0/24", "203.0.113.5", SocketError.HostUnreachable },
        { "route add throw 203.0.113.0/24", "203.0.113.5", SocketError.NetworkUnreachable },
        { "address show", "192.0.2.9", SocketError.ConnectionRefused },
        { "address show", "192.0.2.77", SocketError.HostUnreachable }, // nobody has it
        { "-6 route add unreachable 2001:db8:7::/64", "2001:db8:7::5", SocketError.NetworkUnreachable }, // code 0: so Linux forwards
        { "-6 route add prohibit 2001:db8:7::/64", "2001:db8:7::5", SocketError.AccessDenied },
        { "-6 route add throw 2001:db8:7::/64", "2001:db8:7::5", SocketError.NetworkUnreachable },
        { "address show", "2001:db8:5::9", SocketError.ConnectionRefused },
        { "address show", "2001:db8:5::77", SocketError.HostUnreachable },
    };

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Errors))]
    public Task A_connect_fails_as_on_the_host(string router, string address, SocketError expected) =>
        FailsAlikeAsync(router, address, expected, ConnectFailure.ConnectErrorAsync);

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Errors))]
    public Task A_datagram_fails_as_on_the_host(string router, string address, SocketError expected) =>
        FailsAlikeAsync(router, address, expected, DatagramErrorAsync);

    [EndToEndTheory(SlirpnetOnly = true, Tools = "ping")]
    [MemberData(nameof(Errors))]
    public Task A_ping_is_told_as_on_the_host(string router, string address, SocketError expected) =>
        WithRouterAsync(router, async network =>
        {
            string onHost = await PingAsync(network.HostNamespace, address), inGuest = await PingAsync(network.Guest, address);
            Assert.Equal(onHost, inGuest);
            Assert.Equal(expected == SocketError.ConnectionRefused, onHost.Contains(" bytes from", StringComparison.Ordinal));
        });

    /// <summary>Scenario O1: a machine on the way speaks of what others have sent, or of what nobody has. Who sent it is told, as on
    /// the host, and nobody's conversation ends by it.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task What_is_said_of_others_ends_nobody_s_conversation() =>
        OutboundAddressTests.WithUplinkAsync([], async (network, uplink) =>
        {
            await using var witness = new Witness(uplink, Uplink.Far(V4));
            await using var another = new Witness(uplink, Uplink.Far(V4));
            var server = new IPEndPoint(Uplink.Far(V4), witness.Port);
            using Socket slanderer = uplink.CreateSocket(V4, SocketType.Raw, ProtocolType.Icmp);
            using Socket connection = await OutboundAddressTests.ConnectAsync(network, server);
            using Socket spared = network.Guest.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
            using Socket hit = network.Guest.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
            spared.SetRawSocketOption(0, 11, BitConverter.GetBytes(1)); // IP_RECVERR: it hears whatever is said of it
            spared.Connect(server);
            hit.Connect(new IPEndPoint(Uplink.Far(V4), another.Port));
            IPEndPoint outside = await Witness.HeardFromAsync(connection);
            var toHost = new IPEndPoint(outside.Address, 0);
            IPEndPoint ofSpared = await Witness.HeardFromAsync(spared), ofHit = await Witness.HeardFromAsync(hit);
            foreach (byte code in (byte[])[0, 1, 2, 3, 9, 10, 13])
            {
                // Somebody else's question, one of nobody's, and a segment that this connection has never sent.
                await slanderer.SendToAsync(Unreachable(code, ofSpared, new IPEndPoint(IPAddress.Parse("203.0.113.5"), 53), ProtocolType.Udp), toHost);
                await slanderer.SendToAsync(Unreachable(code, new IPEndPoint(ofSpared.Address, 9), server, ProtocolType.Udp), toHost);
                await slanderer.SendToAsync(Unreachable(code, outside, server, ProtocolType.Tcp), toHost);
                for (int i = 0; i < 5; i++)
                {
                    Assert.Equal(ofSpared, await Witness.HeardFromAsync(spared));
                    Assert.Equal(outside, await Witness.HeardFromAsync(connection));
                }
            }

            // What is said of its own question it hears: the same words, and so those above were not lost.
            await slanderer.SendToAsync(Unreachable(3, ofHit, (IPEndPoint)hit.RemoteEndPoint!, ProtocolType.Udp), toHost);
            SocketException told = await Assert.ThrowsAsync<SocketException>(() => hit.ReceiveAsync(new byte[9]).WithinAsync("the error"));
            Assert.Equal(SocketError.ConnectionRefused, told.SocketErrorCode);
            Assert.Equal(ofHit, await Witness.HeardFromAsync(hit));
            Assert.Equal(ofSpared, await Witness.HeardFromAsync(spared));
        });

    /// <summary>An ICMP message of type 3 that quotes a datagram, or a segment, from one end to another.</summary>
    private static byte[] Unreachable(byte code, IPEndPoint from, IPEndPoint to, ProtocolType protocol)
    {
        IpAddress source = IpAddress.Parse($"{from.Address}"), target = IpAddress.Parse($"{to.Address}");
        byte[] quoted = protocol == ProtocolType.Udp
            ? FrameFactory.Udp(FrameFactory.Endpoint($"{from.Address}", from.Port), FrameFactory.Endpoint($"{to.Address}", to.Port), "?"u8)
            : FrameFactory.Tcp(source, target, new TcpFields(
                (ushort)from.Port, (ushort)to.Port, new SequenceNumber(0x7fff_0000), new SequenceNumber(1), TcpFlags.Ack, 1000));
        return FrameFactory.IcmpMessage(source, target, 3, code, 0, quoted);
    }

    private static Task FailsAlikeAsync(
        string router, string address, SocketError expected, Func<ISocketPlace, IPEndPoint, Task<SocketError>> attempt) =>
        WithRouterAsync(router, async network =>
        {
            var target = new IPEndPoint(IPAddress.Parse(address), ClosedPort);
            Assert.Equal(expected, await attempt(network.Host, target));
            Assert.Equal(expected, await attempt(network.Guest, target));
        });

    private static Task WithRouterAsync(string router, Func<GuestNetwork, Task> test) =>
        OutboundAddressTests.WithUplinkAsync([], (network, _) => test(network), before: async uplink =>
        {
            await uplink.RouteBeyondAsync();
            await uplink.FarAsync(router);
            await uplink.HostAsync($"route add default via {Uplink.Far(V4)}");
            await uplink.HostAsync($"-6 route add default via {Uplink.Far(V6)}");
            // Three questions for a neighbour that is not there take seconds by default.
            foreach (string family in (string[])["ipv4", "ipv6"])
                await uplink.HostRunAsync($"echo 200 >/proc/sys/net/{family}/neigh/{Uplink.Interface}/retrans_time_ms");
        });

    private static async Task<SocketError> DatagramErrorAsync(ISocketPlace place, IPEndPoint target)
    {
        using Socket socket = place.CreateSocket(target.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        // Without it a kernel keeps to itself what may pass: unreachable hosts and networks.
        (int level, int receiveErrors) = target.AddressFamily == V4 ? (0, 11) : (41, 25); // IP_RECVERR, IPV6_RECVERR
        socket.SetRawSocketOption(level, receiveErrors, BitConverter.GetBytes(1));
        socket.Connect(target);
        await socket.SendAsync(new byte[8]);
        return (await Assert.ThrowsAsync<SocketException>(
            () => socket.ReceiveAsync(new byte[8]).WithinAsync("the error"))).SocketErrorCode;
    }

    /// <summary>What ping says of its one request but for the time it took.</summary>
    private static async Task<string> PingAsync(TestNamespace place, string address)
    {
        Outcome ping = await place.RunAsync("ping", "-n", "-c", "1", "-W", "50", address);
        return Array.Find(ping.Stdout.Split('\n'), line => line.Contains("icmp_seq", StringComparison.Ordinal))?.Split(" ttl=")[0] ?? ping.ToString();
    }
}
