using System.Text;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Sockets;

/// <summary>Who is at the other end of a UNIX socket (SO_PEERCRED): as of its connect or listen.</summary>
public readonly record struct PeerCredentials(int Pid, uint UserId, uint GroupId);

/// <summary>UNIX sockets at paths (unix(7)). Accepting, sending and receiving are <see cref="Socket"/>'s.</summary>
public static unsafe class UnixSocket
{
    /// <summary>Octets that a path may have: 107, for a closing zero follows.</summary>
    public const int MaxPathLength = 107;

    /// <summary>Binds and listens at a path where nothing may be yet; its mode follows the umask.</summary>
    /// <exception cref="LinuxException">EADDRINUSE: something is there. ENAMETOOLONG: more than 107 octets.</exception>
    public static OwnedFd Listen(string path, int backlog, SocketType type = SocketType.SOCK_STREAM)
    {
        OwnedFd socket = Open(type);
        try
        {
            _ = AtPath(socket, path, connect: false).OrThrow("bind", path);
            if (type != SocketType.SOCK_DGRAM) _ = Socket.Listen(socket.AsSocket, backlog).OrThrow("listen", path);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <exception cref="LinuxException">ECONNREFUSED: nobody listens. EAGAIN: the backlog is full.</exception>
    public static OwnedFd Connect(string path, SocketType type = SocketType.SOCK_STREAM)
    {
        OwnedFd socket = Open(type);
        try
        {
            _ = AtPath(socket, path, connect: true).OrThrow("connect", path);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects to a name that is no file's (unix(7), abstract), in our network namespace.</summary>
    /// <exception cref="LinuxException">ECONNREFUSED: nobody has the name.</exception>
    public static OwnedFd ConnectAbstract(string name, SocketType type = SocketType.SOCK_STREAM)
    {
        OwnedFd socket = Open(type);
        try
        {
            _ = AtName(socket, name).OrThrow("connect", "@" + name);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Two connected sockets.</summary>
    public static void OpenPair(out OwnedFd first, out OwnedFd second, SocketType type = SocketType.SOCK_STREAM)
    {
        int* ends = stackalloc int[2];
        int flags = (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // SOCK_CLOEXEC and SOCK_NONBLOCK are the same bits
        _ = Libc.Result(Libc.socketpair((int)SocketFamily.AF_UNIX, (int)type | flags, 0, ends)).OrThrow("socketpair", "AF_UNIX");
        first = OwnedFd.FromKernel(ends[0]);
        second = OwnedFd.FromKernel(ends[1]);
    }

    public static SysResult GetPeer(SocketFd socket, out PeerCredentials peer)
    {
        ucred credentials = default;
        uint length = (uint)sizeof(ucred);
        SysResult result = LibcNoTransition.Result(LibcNoTransition.getsockopt(
            socket.Value, (int)SocketLevel.SOL_SOCKET, (int)SocketOption.SO_PEERCRED, &credentials, &length));
        peer = new PeerCredentials(credentials.pid, credentials.uid, credentials.gid);
        return result;
    }

    /// <summary>Removes a path (unlink(2)); ENOENT if it is gone already.</summary>
    public static SysResult Unlink(string path)
    {
        byte[] name = CString.Encode(path);
        fixed (byte* p = name) // pinned for the call
            return Libc.Result(Libc.unlink(p));
    }

    private static OwnedFd Open(SocketType type) => Socket.Open(SocketFamily.AF_UNIX, type).OwnedOrThrow("socket", "AF_UNIX");

    private static SysResult AtPath(OwnedFd socket, string path, bool connect)
    {
        var address = new sockaddr_un { sun_family = (ushort)SocketFamily.AF_UNIX };
        int length = Encoding.UTF8.GetByteCount(path);
        if (length > MaxPathLength) return SysResult.Failure(Errno.ENAMETOOLONG);
        if (length == 0) return SysResult.Failure(Errno.ENOENT); // the kernel would choose an abstract name
        _ = Encoding.UTF8.GetBytes(path, address.sun_path);
        uint size = (uint)(sizeof(ushort) + length + 1);
        return LibcNoTransition.Result(connect // address is on this stack
            ? LibcNoTransition.connect(socket.Value, &address, size)
            : LibcNoTransition.bind(socket.Value, &address, size));
    }

    private static SysResult AtName(OwnedFd socket, string name)
    {
        var address = new sockaddr_un { sun_family = (ushort)SocketFamily.AF_UNIX };
        int length = Encoding.UTF8.GetByteCount(name);
        if (length > MaxPathLength) return SysResult.Failure(Errno.ENAMETOOLONG);
        _ = Encoding.UTF8.GetBytes(name, address.sun_path[1..]); // behind a zero, and without one at its end
        return LibcNoTransition.Result(LibcNoTransition.connect(
            socket.Value, &address, (uint)(sizeof(ushort) + 1 + length))); // address is on this stack
    }
}
