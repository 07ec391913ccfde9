using Slirp.Linux.Events;
using Slirp.Linux.Sockets;
using Slirp.Linux.Tests.Sockets;
using Xunit;

namespace Slirp.Linux.Tests.KernelAssumptions;

/// <summary>What the TCP engine takes for granted of edge-triggered sockets: fails when a kernel does otherwise.</summary>
public sealed class EdgeTests : IDisposable
{
    private const EpollEvents All = EpollEvents.EPOLLIN | EpollEvents.EPOLLOUT | EpollEvents.EPOLLRDHUP | EpollEvents.EPOLLET;
    private readonly Epoll _epoll = new();
    private readonly EpollEvent[] _events = new EpollEvent[4];
    private readonly byte[] _buffer = new byte[1000];
    private readonly OwnedFd _ours;
    private readonly OwnedFd _theirs;

    public EdgeTests()
    {
        (_theirs, _ours) = StreamTests.Pair(ipv6: false);
        Assert.True(SocketOptions.Set(_theirs.AsSocket, TcpOption.TCP_NODELAY, 1).IsOk);
        Assert.True(_epoll.Add(_ours.AsSocket, All, 1).IsOk);
        Assert.Equal(EpollEvents.EPOLLOUT, Next()); // adding is an edge
    }

    public void Dispose()
    {
        _epoll.Dispose();
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Fact]
    public void After_a_short_read_the_next_octet_is_an_edge()
    {
        for (int i = 0; i < 3; i++)
        {
            Send(10);
            Assert.Equal(EpollEvents.EPOLLIN | EpollEvents.EPOLLOUT, Next());
            Assert.Equal(10, Socket.Receive(_ours.AsSocket, _buffer).Raw); // short: EAGAIN need not be seen
            Assert.Equal(0, _epoll.Poll(_events).Raw);
        }
    }

    [Fact]
    public void After_a_short_read_the_end_of_the_stream_is_an_edge_of_its_own()
    {
        Send(10);
        Assert.Equal(EpollEvents.EPOLLIN | EpollEvents.EPOLLOUT, Next());
        Assert.Equal(10, Socket.Receive(_ours.AsSocket, _buffer).Raw);
        Assert.True(Socket.Shutdown(_theirs.AsSocket, ShutdownHow.SHUT_WR).IsOk);
        Assert.Equal(EpollEvents.EPOLLRDHUP, Next() & EpollEvents.EPOLLRDHUP);
        Assert.Equal(new SysResult(0), Socket.Receive(_ours.AsSocket, _buffer));
    }

    [Fact]
    public void Data_and_the_end_that_came_with_it_may_be_one_edge_which_says_so()
    {
        Send(10);
        Assert.True(Socket.Shutdown(_theirs.AsSocket, ShutdownHow.SHUT_WR).IsOk);
        EpollEvents seen = EpollEvents.None;
        while ((seen & EpollEvents.EPOLLRDHUP) == 0) seen |= Next();
        // No edge follows: a reader that stops at the short read must go by EPOLLRDHUP.
        Assert.Equal(10, Socket.Receive(_ours.AsSocket, _buffer).Raw);
        Assert.Equal(0, _epoll.Poll(_events).Raw);
        Assert.Equal(new SysResult(0), Socket.Receive(_ours.AsSocket, _buffer));
    }

    [Fact]
    public void A_read_that_leaves_octets_behind_brings_no_edge()
    {
        Send(20);
        _ = Next();
        Assert.Equal(10, Socket.Receive(_ours.AsSocket, _buffer.AsSpan(0, 10)).Raw);
        Assert.Equal(0, _epoll.Poll(_events).Raw);
        Assert.Equal(10, Socket.Receive(_ours.AsSocket, _buffer).Raw);
    }

    [Fact]
    public void Room_after_a_refused_send_is_an_edge()
    {
        SysResult refused;
        do refused = Socket.Send(_ours.AsSocket, new byte[100_000]);
        while (refused.IsOk);
        Assert.Equal(Errno.EAGAIN, refused.Errno);
        while (_epoll.Poll(_events).Raw > 0) { } // edges of before
        var drained = new byte[1 << 20];
        EpollEvents seen = EpollEvents.None;
        while ((seen & EpollEvents.EPOLLOUT) == 0)
        {
            while (Socket.Receive(_theirs.AsSocket, drained).Raw > 0) { }
            if (_epoll.Wait(_events, 10).Raw > 0) seen |= _events[0].Events; // what is on its way arrives meanwhile
        }
        Assert.True(Socket.Send(_ours.AsSocket, [1]).IsOk);
    }

    /// <summary>Scenario T4: after the short read at the mark no edge follows, so a reader must go by EPOLLPRI; and with
    /// SO_OOBINLINE nothing is left out.</summary>
    [Fact]
    public void A_read_stops_at_an_urgent_mark_and_the_edge_says_so()
    {
        Assert.True(SocketOptions.Set(_ours.AsSocket, SocketOption.SO_OOBINLINE, 1).IsOk);
        using var epoll = new Epoll();
        Assert.True(epoll.Add(_ours.AsSocket, All | EpollEvents.EPOLLPRI, 1).IsOk);
        Assert.Equal(1, epoll.Wait(_events, 10_000).Raw);
        Assert.Equal(5, Socket.Send(_theirs.AsSocket, new byte[5], MessageFlags.MSG_OOB).Raw); // the last one is marked
        Send(3);
        EpollEvents seen = EpollEvents.None;
        while ((seen & EpollEvents.EPOLLPRI) == 0)
        {
            Assert.Equal(1, epoll.Wait(_events, 10_000).Raw);
            seen |= _events[0].Events;
        }
        Assert.Equal(4, Socket.Receive(_ours.AsSocket, _buffer).Raw);
        for (int read = 4; read < 8;)
        {
            SysResult more = Socket.Receive(_ours.AsSocket, _buffer);
            if (more.IsOk) read += more.Raw;
            else Assert.Equal(1, epoll.Wait(_events, 10_000).Raw); // the last send was still on its way
        }
    }

    [Fact]
    public void A_reset_is_an_edge_with_its_error()
    {
        Assert.True(SocketOptions.SetResetOnClose(_theirs.AsSocket).IsOk);
        _theirs.Dispose();
        EpollEvents seen = Next();
        Assert.Equal(EpollEvents.EPOLLERR | EpollEvents.EPOLLHUP, seen & (EpollEvents.EPOLLERR | EpollEvents.EPOLLHUP));
        Assert.Equal(Errno.ECONNRESET, Socket.Receive(_ours.AsSocket, _buffer).Errno);
    }

    [Fact]
    public void A_refused_connect_is_an_edge_with_its_error()
    {
        StreamTests.Listener(ipv6: false, out SocketAddress closed).Dispose();
        using OwnedFd client = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "client");
        Assert.True(_epoll.Add(client.AsSocket, All, 2).IsOk);
        SysResult connecting = Socket.Connect(client.AsSocket, closed);
        Assert.Equal(1, _epoll.Wait(_events, 10_000).Raw);
        Assert.Equal((2ul, EpollEvents.EPOLLHUP), (_events[0].Data, _events[0].Events & EpollEvents.EPOLLHUP));
        if (connecting.Is(Errno.EINPROGRESS)) Assert.Equal(Errno.ECONNREFUSED, SocketOptions.TakeError(client.AsSocket));
        else Assert.Equal(Errno.ECONNREFUSED, connecting.Errno);
    }

    [Fact]
    public void Closing_a_descriptor_ends_its_events()
    {
        Send(10);
        _ours.Dispose();
        Assert.Equal(0, _epoll.Poll(_events).Raw);
    }

    private void Send(int count) => Assert.Equal(count, Socket.Send(_theirs.AsSocket, new byte[count]).Raw);

    private EpollEvents Next()
    {
        Assert.Equal(1, _epoll.Wait(_events, 10_000).Raw);
        return _events[0].Events;
    }
}
