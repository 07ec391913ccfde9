using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

public class TcpTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    public static TheoryData<AddressFamily, int> Networks => new()
    {
        { V4, 1500 },
        { V6, 1500 },
        { V4, 65520 },
        { V6, 65520 },
    };

    /// <summary>One network carries all sizes, so that a flow that went wrong also shows in the next.</summary>
    [EndToEndTheory]
    [MemberData(nameof(Networks))]
    public Task Carries_every_octet_both_ways(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu, Capture = false }, async network =>
        {
            foreach (long length in new long[] { 0, 1, 1460, 1461, 65_536, 1_000_003, 32 << 20 })
                await Transfer.OneAfterTheOtherAsync(network, family, length);
            await Transfer.BothAtOnceAsync(network, family, 8 << 20);
        });

    [EndToEndTheory]
    [InlineData(576)]
    [InlineData(1280)]
    [InlineData(9000)]
    [InlineData(65521)]
    public Task Carries_every_octet_at_any_mtu(int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu, Ipv6 = mtu >= 1280 },
            network => Transfer.BothAtOnceAsync(network, V4, 2 << 20));

    /// <summary>Scenario 30: the window that a kernel opens with is smaller than a packet, or larger than all.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("4096 131072 6291456")]
    [InlineData("4096 16384 32768")]
    [InlineData("4096 6291456 6291456")]
    public Task Carries_every_octet_whatever_the_kernel_s_buffers(string rmem)
    {
        async Task SetAsync(GuestNetwork network)
        {
            foreach (TestNamespace at in (TestNamespace[])[network.Guest, network.HostNamespace])
                (await at.RunAsync("sysctl", "-qw", $"net.ipv4.tcp_rmem={rmem}")).Succeeded();
        }

        return GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = 65520, Before = SetAsync }, async network =>
        {
            foreach (AddressFamily family in (AddressFamily[])[V4, V6])
            {
                await Transfer.OneAfterTheOtherAsync(network, family, 1_000_000);
                await Transfer.BothAtOnceAsync(network, family, 1_000_000);
            }
        });
    }

    [EndToEndTheory]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Carries_many_connections_at_once(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            var transfers = new List<Task>();
            for (int count = 0; count < 64; count++)
                transfers.Add(Transfer.BothAtOnceAsync(network, family, 100_000));
            await Task.WhenAll(transfers);
        });

    [EndToEndTheory]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Host_may_close_its_half_first(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            (long Length, string Hash) arrived = default;
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
            {
                socket.Shutdown(SocketShutdown.Send);
                arrived = await Payload.ReceiveAsync(socket);
            });
            using Socket guest = await network.ConnectAsync(family, server.Port);
            Assert.Equal(0, (await Payload.ReceiveAsync(guest)).Length);
            string sent = await Payload.SendAsync(guest, 5, 500_000);
            guest.Shutdown(SocketShutdown.Send);
            await server.FinishedAsync();
            Assert.Equal((500_000, sent), arrived);
        });

    [EndToEndTheory]
    [MemberData(nameof(Networks))]
    public Task Refusal_is_refusal(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu }, async network =>
        {
            // Bound and not listening: the port is nobody else's, and refuses.
            using Socket bound = network.Host.CreateSocket(family, SocketType.Stream, ProtocolType.Tcp);
            bound.Bind(new IPEndPoint(GuestNetwork.Loopback(family), 0));
            int port = ((IPEndPoint)bound.LocalEndPoint!).Port;
            SocketException refused =
                await Assert.ThrowsAsync<SocketException>(() => network.ConnectAsync(family, port));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Reset_by_the_guest_is_a_reset_at_the_host(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            var seen = new TaskCompletionSource<SocketError>();
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
            {
                await socket.SendAsync(new byte[1]);
                seen.SetResult(await ErrorOfReceivingAsync(socket));
            });
            using (Socket guest = await network.ConnectAsync(family, server.Port))
            {
                await guest.ReceiveAsync(new byte[1]).WithinAsync("the first octet");
                guest.LingerState = new LingerOption(true, 0); // close() sends RST
            }

            Assert.Equal(SocketError.ConnectionReset, await seen.Task.WithinAsync("the reset"));
        });

    [EndToEndTheory]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task Reset_by_the_host_is_a_reset_at_the_guest(AddressFamily family) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true }, async network =>
        {
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
            {
                await socket.ReceiveAsync(new byte[1]);
                socket.LingerState = new LingerOption(true, 0);
            });
            using Socket guest = await network.ConnectAsync(family, server.Port);
            await guest.SendAsync(new byte[1]).WithinAsync("send");
            Assert.Equal(SocketError.ConnectionReset, await ErrorOfReceivingAsync(guest).WithinAsync("the reset"));
        });

    /// <summary>The receiver reads only after the sender cannot send more: nothing is lost, dropped, changed or stuck.</summary>
    [EndToEndTheory]
    [InlineData(V4, 1500)]
    [InlineData(V6, 65520)]
    public Task A_receiver_that_waits_loses_nothing(AddressFamily family, int mtu) =>
        GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = mtu }, async network =>
        {
            const int More = 24 << 20; // than all socket buffers on the way
            byte[] stream = Payload.Octets(3, 3 * More);
            var mayRead = new TaskCompletionSource();
            (long Length, string Hash) arrived = default;
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
            {
                await mayRead.Task;
                arrived = await Payload.ReceiveAsync(socket);
            });
            using Socket guest = await network.ConnectAsync(family, server.Port);
            int blocked = (int)await Payload.FillAsync(guest, stream);
            Assert.InRange(blocked, 1, stream.Length - More);
            mayRead.SetResult();
            await Payload.SendAsync(guest, stream.AsMemory(blocked, More), $"the rest, after {blocked} octets");
            guest.Shutdown(SocketShutdown.Send);
            await server.FinishedAsync();
            Assert.Equal((blocked + More, Convert.ToHexString(SHA256.HashData(stream.AsSpan(0, blocked + More)))), arrived);
        });

    /// <summary>Scenario O6: the server's window is the smallest that a kernel offers, and it takes octet by octet for a while.</summary>
    [EndToEndTheory]
    [InlineData(V4)]
    [InlineData(V6)]
    public Task A_server_with_the_smallest_window_gets_every_octet(AddressFamily family)
    {
        async Task SetAsync(GuestNetwork network) =>
            (await network.HostNamespace.RunAsync("sysctl", "-qw", "net.ipv4.tcp_rmem=2304 2304 2304")).Succeeded();

        return GuestNetwork.WithAsync(new SlirpPlan { OwnHost = true, Mtu = 65520, Before = SetAsync }, async network =>
        {
            const int Length = 40_000, OneByOne = 2000;
            var arrived = new MemoryStream();
            await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(family), async socket =>
            {
                var buffer = new byte[Length];
                while (await socket.ReceiveAsync(buffer.AsMemory(0, arrived.Length < OneByOne ? 1 : Length)).WithinAsync($"octets after {arrived.Length}")
                    is int count and > 0) arrived.Write(buffer, 0, count);
            });
            byte[] stream = Payload.Octets(6, Length);
            using Socket guest = await network.ConnectAsync(family, server.Port);
            await Payload.SendAsync(guest, stream, "a send");
            guest.Shutdown(SocketShutdown.Send);
            await server.FinishedAsync();
            Assert.Equal(Convert.ToHexString(stream), Convert.ToHexString(arrived.ToArray()));
        });
    }

    private static async Task<SocketError> ErrorOfReceivingAsync(Socket socket)
    {
        try
        {
            while (await socket.ReceiveAsync(new byte[4096]) > 0)
            {
            }

            return SocketError.Success; // a clean end
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }
}
