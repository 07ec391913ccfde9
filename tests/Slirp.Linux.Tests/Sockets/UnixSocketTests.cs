using Slirp.Linux.Sockets;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Sockets;

public sealed class UnixSocketTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("slirp-unix-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_client_is_accepted_and_known_by_its_credentials()
    {
        string path = $"{_directory}/socket";
        using OwnedFd listener = UnixSocket.Listen(path, 4);
        using OwnedFd client = UnixSocket.Connect(path);
        Wait.For(listener.AsSocket);
        using OwnedFd server = Socket.Accept(listener.AsSocket, out SocketAddress peer).OwnedOrThrow("accept", path);
        Assert.Equal(default, peer);
        Assert.True(UnixSocket.GetPeer(server.AsSocket, out PeerCredentials credentials).IsOk);
        Assert.Equal(Environment.ProcessId, credentials.Pid);
        Assert.Equal(2, Socket.Send(client.AsSocket, [1, 2]).Raw);
        byte[] buffer = new byte[4];
        Assert.Equal(2, Socket.Receive(server.AsSocket, buffer).Raw);
        client.Dispose();
        Assert.Equal(new SysResult(0), Socket.Receive(server.AsSocket, buffer));
    }

    [Fact]
    public void A_path_that_exists_is_in_use_until_it_is_unlinked_and_nobody_behind_it_refuses()
    {
        string path = $"{_directory}/socket";
        UnixSocket.Listen(path, 1).Dispose();
        Assert.Equal(Errno.ECONNREFUSED, Assert.Throws<LinuxException>(() => UnixSocket.Connect(path)).Errno);
        Assert.Equal(Errno.EADDRINUSE, Assert.Throws<LinuxException>(() => UnixSocket.Listen(path, 1)).Errno);
        Assert.True(UnixSocket.Unlink(path).IsOk);
        Assert.Equal(Errno.ENOENT, UnixSocket.Unlink(path).Errno);
        UnixSocket.Listen(path, 1).Dispose();
    }

    [Fact]
    public void A_path_may_have_107_octets_and_no_more_or_fewer_than_one()
    {
        string longest = $"{_directory}/{new string('x', UnixSocket.MaxPathLength - _directory.Length - 1)}";
        UnixSocket.Listen(longest, 1).Dispose();
        Assert.True(File.Exists(longest));
        Assert.Equal(Errno.ENAMETOOLONG, Assert.Throws<LinuxException>(() => UnixSocket.Listen(longest + "x", 1)).Errno);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => UnixSocket.Listen("", 1)).Errno);
        var e = Assert.Throws<LinuxException>(() => UnixSocket.Listen("/nonexistent/x", 1));
        Assert.Equal("bind on /nonexistent/x: ENOENT (No such file or directory)", e.Message);
    }

    [Fact]
    public void A_pair_keeps_messages_apart_where_it_should()
    {
        UnixSocket.OpenPair(out OwnedFd first, out OwnedFd second, SocketType.SOCK_SEQPACKET);
        using OwnedFd a = first, b = second;
        Assert.Equal(2, Socket.Send(a.AsSocket, [1, 2]).Raw);
        Assert.Equal(1, Socket.Send(a.AsSocket, [3]).Raw);
        byte[] buffer = new byte[10];
        Assert.Equal(2, Socket.Receive(b.AsSocket, buffer).Raw);
        Assert.Equal(1, Socket.Receive(b.AsSocket, buffer).Raw);
        Assert.Equal(Errno.EAGAIN, Socket.Receive(b.AsSocket, buffer).Errno);
    }
}
