using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The guest's hardware address changes, as that of a bridge does when it is given another port, while only the
/// outside speaks. The guest announces nothing.</summary>
public class HardwareAddressTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4, false)]
    [InlineData(V4, true)]
    [InlineData(V6, false)]
    [InlineData(V6, true)]
    public Task Who_only_listens_goes_on_hearing(AddressFamily family, bool isHalfClosed) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            using Socket listener = network.Host.CreateSocket(family, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(GuestNetwork.Loopback(family), 0));
            listener.Listen();
            using Socket client = await network.ConnectAsync(family, ((IPEndPoint)listener.LocalEndPoint!).Port);
            using Socket server = await listener.AcceptAsync().WithinAsync("accept");
            using Socket speaker = network.Host.CreateSocket(family, SocketType.Dgram, ProtocolType.Udp);
            speaker.Bind(new IPEndPoint(GuestNetwork.Loopback(family), 0));
            using Socket hearer = Datagrams.Connect(network, family, ((IPEndPoint)speaker.LocalEndPoint!).Port);
            await hearer.SendAsync("here"u8.ToArray());
            EndPoint mapping = (await speaker.ReceiveFromAsync(new byte[9], speaker.LocalEndPoint!).WithinAsync("a datagram")).RemoteEndPoint;
            if (isHalfClosed) client.Shutdown(SocketShutdown.Send);
            await PassesAsync(server, client);

            await MoveAsync(network);
            await PassesAsync(server, client);
            // The connection has found out where the guest is, and what else goes there knows it too.
            await speaker.SendToAsync("still"u8.ToArray(), mapping);
            Assert.Equal(5, await hearer.ReceiveAsync(new byte[9]).WithinAsync("a datagram after the change"));
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Who_connects_from_outside_reaches_it() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80", "-p", "8053:53/udp"), async network =>
        {
            await using var server = new TcpServer(network.Guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket datagrams = ForwardPlan.GuestDatagrams(network, 53);
            (await ForwardPlan.ConnectAsync(network, ForwardPlan.Outside, ForwardPlan.Hit, 8080)).Dispose();
            await MoveAsync(network);
            using Socket client = await ForwardPlan.ConnectAsync(network, ForwardPlan.Outside, ForwardPlan.Hit, 8080);
            await EchoFlow.BeatAsync(client, 1);
            using Socket speaker = ForwardPlan.From(network, ForwardPlan.Outside, SocketType.Dgram);
            await speaker.SendToAsync("here"u8.ToArray(), new IPEndPoint(IPAddress.Parse(ForwardPlan.Hit), 8053));
            Assert.Equal(4, await datagrams.ReceiveAsync(new byte[9]).WithinAsync("a datagram after the change"));
        });

    private static Task MoveAsync(GuestNetwork network) => network.GuestRunsAsync($"ip link set {GuestNetwork.TapName} address 02:00:00:00:77:01");

    private static async Task PassesAsync(Socket from, Socket to)
    {
        await from.SendAsync("word"u8.ToArray());
        Assert.Equal(4, await to.ReceiveAsync(new byte[9]).WithinAsync("what the outside says"));
    }
}
