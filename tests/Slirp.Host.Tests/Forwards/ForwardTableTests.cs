using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Slirp.Core.World;
using Slirp.Host.Forwards;
using Slirp.Host.Tests.Control;
using Slirp.Linux;
using Slirp.Linux.Sockets;
using Slirp.Services.Dns;
using Slirp.Wire;
using AddressFamily = System.Net.Sockets.AddressFamily;
using Socket = System.Net.Sockets.Socket;
using SocketType = System.Net.Sockets.SocketType;

namespace Slirp.Host.Tests.Forwards;

/// <summary>Binding on the real loopback, by a worker whose link is a pair of sockets.</summary>
public sealed class ForwardTableTests : IDisposable
{
    private readonly OwnedFd _link, _guest;
    private readonly Worker _worker;
    private readonly ForwardTable _table;
    private readonly Thread _thread;

    public ForwardTableTests()
    {
        UnixSocket.OpenPair(out _link, out _guest, Linux.Sockets.SocketType.SOCK_DGRAM);
        _worker = new Worker(new TapFd(_link.Value), hasVnetHeader: true, new WorkerOptions
        {
            Plan = ControlCommandsTests.Plan,
            Offloads = LinkOffloads.All,
            Resolvers = ResolverConfiguration.Empty,
        });
        _table = new ForwardTable(_worker, ControlCommandsTests.Plan);
        _thread = new Thread(_worker.Run);
    }

    public void Dispose()
    {
        _table.Dispose();
        if (_thread.IsAlive)
        {
            _worker.Stop();
            _thread.Join();
        }
        _worker.Dispose();
        _link.Dispose();
        _guest.Dispose();
    }

    [Theory]
    [InlineData(IpProtocol.Tcp, "127.0.0.1")]
    [InlineData(IpProtocol.Udp, "127.0.0.1")]
    [InlineData(IpProtocol.Tcp, "::1")]
    [InlineData(IpProtocol.Udp, "::1")]
    [InlineData(IpProtocol.Tcp, "127.0.4.1")]
    public void Port_0_is_answered_with_a_port_that_is_taken(IpProtocol protocol, string address)
    {
        ForwardInfo info = Added(_table.Add(Request(protocol, address, 0)));
        Assert.NotEqual(0, info.Bound.HostPort);
        ForwardResult again = _table.Add(Request(protocol, address, info.Bound.HostPort));
        Assert.Null(again.Info);
        Assert.Equal(Errno.EADDRINUSE, again.Errno);
        string name = protocol == IpProtocol.Tcp ? "tcp" : "udp";
        Assert.Equal($"{new IpEndpoint(IpAddress.Parse(address), info.Bound.HostPort)}/{name}: address already in use", again.Problem);
    }

    [Fact]
    public void Both_families_can_have_the_same_port()
    {
        ForwardInfo four = Added(_table.Add(Request(IpProtocol.Udp, "0.0.0.0", 0)));
        ForwardResult six = _table.Add(Request(IpProtocol.Udp, "::", four.Bound.HostPort));
        Assert.True(six.Info is not null || six.Errno == Errno.EADDRINUSE, six.Problem); // another program may have it
    }

    [Fact]
    public void A_range_is_bound_whole_or_not_at_all()
    {
        _thread.Start();
        int first = FreeRange(20);
        using (var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp))
        {
            taken.Bind(new IPEndPoint(IPAddress.Loopback, first + 11));
            taken.Listen();
            ForwardResult refused = _table.Add(Request(IpProtocol.Tcp, "127.0.0.1", first, 20));
            Assert.Equal($"127.0.0.1:{first + 11}/tcp: address already in use", refused.Problem);
            Assert.Empty(_table.List());
            Assert.False(CanConnect(first));
        }
        ForwardInfo info = Added(_table.Add(Request(IpProtocol.Tcp, "127.0.0.1", first, 20)));
        Assert.Equal(1, info.Id);
        Assert.True(CanConnect(first));
        Assert.True(CanConnect(first + 19));
        Assert.True(_table.Remove(info.Id));
        Assert.False(CanConnect(first));
        Assert.False(_table.Remove(info.Id));
        Assert.Equal(2, Added(_table.Add(Request(IpProtocol.Tcp, "127.0.0.1", 0))).Id);
    }

    [Fact]
    public void An_address_of_somebody_else_is_told()
    {
        ForwardResult refused = _table.Add(Request(IpProtocol.Tcp, "192.0.2.1", 8080));
        Assert.Equal("192.0.2.1:8080/tcp: not an address of this host", refused.Problem);
    }

    [Theory]
    [InlineData("127.0.0.1", 65000, 1000, "10.0.2.100", 80, "go beyond 65535")]
    [InlineData("127.0.0.1", 8000, 1000, "10.0.2.100", 65000, "go beyond 65535")]
    [InlineData("127.0.0.1", 0, 2, "10.0.2.100", 80, "cannot start a range")]
    [InlineData("127.0.0.1", 1, 0, "10.0.2.100", 80, "needs a port")]
    [InlineData("127.0.0.1", 1, 1, "10.0.2.100", 0, "cannot be 0")]
    [InlineData("224.0.0.1", 1, 1, "10.0.2.100", 1, "multicast")]
    [InlineData("127.0.0.1", 1, 1, "10.0.2.2", 1, "gateway")]
    [InlineData("127.0.0.1", 1, 1, "10.0.2.3", 1, "name server")]
    [InlineData("127.0.0.1", 1, 1, "127.0.0.1", 1, "no address that a guest")]
    [InlineData("127.0.0.1", 1, 1, "0.0.0.0", 1, "no address that a guest")]
    [InlineData("127.0.0.1", 1, 1, "10.0.2.255", 1, "no address that a guest")]
    [InlineData("127.0.0.1", 1, 1, "ff02::1", 1, "no address that a guest")]
    public void What_cannot_work_is_refused_before_it_is_tried(
        string host, int hostPort, int count, string guest, int guestPort, string problem)
    {
        ForwardResult refused = _table.Add(new ForwardRequest(
            IpProtocol.Tcp, IpAddress.Parse(host), (ushort)hostPort, count, IpAddress.Parse(guest), (ushort)guestPort));
        Assert.Null(refused.Info);
        Assert.Contains(problem, refused.Problem);
    }

    [Theory]
    [InlineData(IpProtocol.Tcp)]
    [InlineData(IpProtocol.Udp)]
    public void Ten_thousand_ports_in_one_call(IpProtocol protocol)
    {
        _thread.Start();
        const int count = 10_000;
        // On an address of its own, so that another program's port is in the range only if it is on all addresses.
        int[] beginnings = [20_000, 31_000, 42_000, 53_000];
        ForwardResult added = beginnings.Select(port => _table.Add(Request(protocol, "127.3.7.9", port, count)))
            .First(result => result.Errno != Errno.EADDRINUSE);
        ForwardInfo info = Added(added);
        Assert.Equal(count, info.Bound.Count);
        Assert.True(_table.Remove(info.Id));
    }

    [Fact]
    public void A_connection_makes_a_segment_for_the_guest()
    {
        _thread.Start();
        ForwardInfo info = Added(_table.Add(Request(IpProtocol.Tcp, "127.0.0.1", 0)));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        client.Connect(IPAddress.Loopback, info.Bound.HostPort);
        var port = (ushort)((IPEndPoint)client.LocalEndPoint!).Port;
        var frame = new byte[65536];
        while (true)
        {
            Assert.Equal(1, Descriptor.Poll(_guest.AsSocket, PollEvents.POLLIN, 30_000, out _).Raw);
            int length = Linux.Sockets.Socket.Receive(_guest.AsSocket, frame).OrThrow("recv", "the link");
            ReadOnlySpan<byte> packet = frame.AsSpan(VirtioNetHeader.Length + EthernetView.HeaderLength, length - VirtioNetHeader.Length - EthernetView.HeaderLength);
            if (!Ipv4View.TryParse(packet, out Ipv4View ip) || ip.Protocol != IpProtocol.Tcp) continue; // advertisements
            Assert.True(TcpView.TryParse(ip.Payload, out TcpView segment));
            Assert.Equal(TcpFlags.Syn, segment.Flags);
            Assert.Equal("10.0.2.2", ip.Source.ToString());
            Assert.Equal((port, 80), (segment.SourcePort, segment.DestinationPort));
            return;
        }
    }

    private static ForwardRequest Request(IpProtocol protocol, string address, int port, int count = 1) =>
        new(protocol, IpAddress.Parse(address), (ushort)port, count, ControlCommandsTests.Plan.Guest, 80);

    private static ForwardInfo Added(ForwardResult result)
    {
        Assert.Null(result.Problem);
        return result.Info!;
    }

    private static bool CanConnect(int port)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        try
        {
            client.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return false;
        }
    }

    /// <summary>The first of so many ports that nobody listens on now.</summary>
    private static int FreeRange(int count)
    {
        for (int first = 21_000; ; first += count)
        {
            bool isFree = true;
            for (int port = first; port < first + count && isFree; port++)
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
                try
                {
                    probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                }
                catch (SocketException)
                {
                    isFree = false;
                }
            }
            if (isFree) return first;
        }
    }
}
