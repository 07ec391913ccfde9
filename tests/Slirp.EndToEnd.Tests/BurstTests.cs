using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>Scenario 42: of two thousand datagrams sent at once as many arrive as on the host itself, in their order.</summary>
public class BurstTests(ITestOutputHelper output)
{
    private const int Burst = 2000;
    private const double Enough = 0.9; // of what survives on the host

    public static TheoryData<AddressFamily, int, int> Bursts => new()
    {
        { AddressFamily.InterNetwork, 100, 1500 },
        { AddressFamily.InterNetworkV6, 100, 1500 },
        { AddressFamily.InterNetwork, 1400, 1500 },
        { AddressFamily.InterNetworkV6, 1400, 65520 },
    };

    /// <summary>A receiver that reads later keeps what its buffer holds. How much that is depends on no timing, so it can be
    /// compared; and with room for all of them all arrive.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Bursts))]
    public Task As_many_survive_as_on_the_host(AddressFamily family, int size, int mtu) => WithNeighbourAsync(family, mtu, async (network, neighbour) =>
    {
        int onHost, up, down;
        using (Pair pair = Pair.OnHost(network, family)) onHost = await SurvivorsAsync(pair, neighbour, size);
        using (Pair pair = Pair.FromGuest(network, family)) up = await SurvivorsAsync(pair, neighbour, size);
        using (Pair pair = await Pair.FromHostAsync(network, family)) down = await SurvivorsAsync(pair, neighbour, size);
        output.WriteLine($"of {Burst} datagrams of {size} octets {onHost} survive on the host, {up} from the guest, {down} to the guest");
        Assert.InRange(up, onHost * Enough, Burst);
        Assert.InRange(down, onHost * Enough, Burst);
        if (!Pair.MayHaveRoom) return;
        using (Pair pair = Pair.FromGuest(network, family, hasRoom: true)) Assert.Equal(Burst, await SurvivorsAsync(pair, neighbour, size));
    });

    /// <summary>The buffer of slirpnet's own socket is as small as any on the host, and it is emptied as fast as slirpnet has a
    /// processor: what the buffer holds arrives in any case, and mostly nearly all, which the output tells.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Bursts))]
    public Task A_guest_with_room_for_all_gets_what_is_read_in_time(AddressFamily family, int size, int mtu) => WithNeighbourAsync(family, mtu, async (network, neighbour) =>
    {
        const int Tries = 10;
        if (!Pair.MayHaveRoom) return;
        int onHost;
        using (Pair pair = Pair.OnHost(network, family)) onHost = await SurvivorsAsync(pair, neighbour, size);
        var survived = new List<int>();
        while (survived.Count < Tries && survived.LastOrDefault() < Burst * Enough)
        {
            using Pair pair = await Pair.FromHostAsync(network, family, hasRoom: true);
            survived.Add(await SurvivorsAsync(pair, neighbour, size));
        }

        output.WriteLine($"of {Burst} datagrams of {size} octets to the guest survive {string.Join(", ", survived)}");
        Assert.All(survived, count => Assert.InRange(count, onHost * Enough, Burst));
    });

    private static Task WithNeighbourAsync(AddressFamily family, int mtu, Func<GuestNetwork, EchoFlow, Task> test) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Capture = false, Mtu = mtu }, async network =>
        {
            await using EchoFlow neighbour = await EchoFlow.OpenAsync(network, family);
            await neighbour.BeatAsync();
            await test(network, neighbour);
        });

    private static async Task<int> SurvivorsAsync(Pair pair, EchoFlow neighbour, int size)
    {
        const int Turns = 60; // of slirpnet's loop at least: time enough to carry all that it has
        var octets = new byte[size];
        for (int i = 0; i < Burst; i++)
        {
            BitConverter.TryWriteBytes(octets, i);
            pair.Sender.Send(octets);
        }

        for (int i = 0; i < Turns; i++) await neighbour.BeatAsync(100);
        pair.Receiver.Blocking = false;
        for (int count = 0, last = -1; ; count++)
        {
            int length = pair.Receiver.Receive(octets, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock) return count;
            Assert.Equal((SocketError.Success, size), (error, length));
            Assert.InRange(BitConverter.ToInt32(octets), last + 1, Burst - 1);
            last = BitConverter.ToInt32(octets);
        }
    }

    /// <summary>A sender, connected to a receiver whose buffer is the kernel's default, or has room for all.</summary>
    private sealed record Pair(Socket Sender, Socket Receiver) : IDisposable
    {
        private const int SocketLevel = 1, ForceReceiveBuffer = 33, Room = 16 << 20; // SOL_SOCKET, SO_RCVBUFFORCE

        /// <summary>Only the machine's root has larger buffers than the machine allows everybody.</summary>
        public static bool MayHaveRoom => Machine.AsUser.Length > 0;

        public static Pair OnHost(GuestNetwork network, AddressFamily family) =>
            To(Receiving(network.Host, GuestNetwork.Loopback(family), hasRoom: false), network.Host, GuestNetwork.Loopback(family));

        public static Pair FromGuest(GuestNetwork network, AddressFamily family, bool hasRoom = false) =>
            To(Receiving(network.Host, GuestNetwork.Loopback(family), hasRoom), network.Guest, GuestNetwork.Gateway(family));

        /// <summary>The guest asks first: then the host can answer.</summary>
        public static async Task<Pair> FromHostAsync(GuestNetwork network, AddressFamily family, bool hasRoom = false)
        {
            Socket sender = Receiving(network.Host, GuestNetwork.Loopback(family), hasRoom: false);
            Socket receiver = Receiving(network.Guest, family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, hasRoom);
            await receiver.SendToAsync(new byte[1], new IPEndPoint(GuestNetwork.Gateway(family), PortOf(sender)));
            (_, IPEndPoint seen) = await ForwardPlan.ReceiveAsync(sender);
            sender.Connect(seen);
            return new Pair(sender, receiver);
        }

        public void Dispose()
        {
            Sender.Dispose();
            Receiver.Dispose();
        }

        private static Pair To(Socket receiver, ISocketPlace from, IPAddress address)
        {
            Socket sender = from.CreateSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            sender.Connect(address, PortOf(receiver));
            return new Pair(sender, receiver);
        }

        private static Socket Receiving(ISocketPlace place, IPAddress address, bool hasRoom)
        {
            Socket socket = place.CreateSocket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            if (hasRoom) socket.SetRawSocketOption(SocketLevel, ForceReceiveBuffer, BitConverter.GetBytes(Room));
            socket.Bind(new IPEndPoint(address, 0));
            return socket;
        }

        private static int PortOf(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
