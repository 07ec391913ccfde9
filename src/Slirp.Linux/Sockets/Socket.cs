using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Sockets;

/// <summary>System calls on host sockets, all non-blocking and close-on-exec. What is expected of a network (refused,
/// reset, would block) comes back as an errno; nothing here throws or allocates.</summary>
/// <remarks>A descriptor in a successful result belongs to the caller, who ends it with <see cref="Close"/> or an
/// <see cref="OwnedFd"/>. No call here makes the collector wait longer than the copy it makes.</remarks>
public static unsafe partial class Socket
{
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOCK_NONBLOCK = 0x800;
    internal const uint SIOCGIFINDEX = 0x8933;

    public static SysResult Open(SocketFamily family, SocketType type, SocketProtocol protocol = SocketProtocol.Default) =>
        AboveStandard(LibcNoTransition.Result(
            LibcNoTransition.socket((int)family, (int)type | SOCK_CLOEXEC | SOCK_NONBLOCK, (int)protocol)));

    [SkipLocalsInit]
    public static SysResult Bind(SocketFd socket, in SocketAddress address)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint length = address.Encode(name);
        return LibcNoTransition.Result(LibcNoTransition.bind(socket.Value, name, length));
    }

    /// <returns>EINPROGRESS for a stream socket: writable tells the end of it, SO_ERROR how it ended.</returns>
    [SkipLocalsInit]
    public static SysResult Connect(SocketFd socket, in SocketAddress address)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint length = address.Encode(name);
        return LibcNoTransition.Result(LibcNoTransition.connect(socket.Value, name, length));
    }

    /// <summary>Makes a connected datagram socket unconnected again (connect(2), AF_UNSPEC).</summary>
    public static SysResult Disconnect(SocketFd socket)
    {
        ulong unspecified = 0; // the start of a sockaddr whose family is AF_UNSPEC
        return LibcNoTransition.Result(LibcNoTransition.connect(socket.Value, &unspecified, sizeof(ulong)));
    }

    public static SysResult Listen(SocketFd socket, int backlog) =>
        LibcNoTransition.Result(LibcNoTransition.listen(socket.Value, backlog));

    /// <param name="listener">A listening socket.</param>
    /// <param name="peer">Who connected; default for a UNIX socket.</param>
    /// <returns>The new descriptor, or among others EAGAIN, EMFILE, ECONNABORTED (the peer gave up first).</returns>
    [SkipLocalsInit]
    public static SysResult Accept(SocketFd listener, out SocketAddress peer)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint length;
        SysResult result;
        do
        {
            length = SocketAddress.MaxSize;
            result = LibcNoTransition.Result(
                LibcNoTransition.accept4(listener.Value, name, &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
        }
        while (result.Is(Errno.EINTR));
        if (!result.IsOk || !SocketAddress.TryDecode(name, length, out peer)) peer = default;
        return AboveStandard(result);
    }

    public static SysResult Shutdown(SocketFd socket, ShutdownHow how) =>
        LibcNoTransition.Result(LibcNoTransition.shutdown(socket.Value, (int)how));

    /// <summary>The index of an interface in the network namespace of the socket (netdevice(7)).</summary>
    /// <returns>The index, or ENODEV if there is none of that name.</returns>
    public static SysResult InterfaceIndex(SocketFd socket, string name)
    {
        ifreq request = default;
        byte[] octets = CString.Encode(name);
        if (octets.Length > ifreq.NameLength) return SysResult.Failure(Errno.ENODEV);
        octets.CopyTo(request.ifr_name);
        SysResult found = Libc.Call(Syscalls.ioctl, socket.Value, (nint)SIOCGIFINDEX, (nint)(&request)); // on this stack
        return found.IsOk ? new SysResult(request.ifr_ifindex) : found;
    }

    /// <summary>Closes once and never retries. With SO_LINGER 0 a stream ends in a reset.</summary>
    public static void Close(SocketFd socket) => _ = LibcNoTransition.close(socket.Value);

    [SkipLocalsInit]
    public static SysResult LocalAddress(SocketFd socket, out SocketAddress address)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint length = SocketAddress.MaxSize;
        SysResult result = LibcNoTransition.Result(LibcNoTransition.getsockname(socket.Value, name, &length));
        return Decoded(result, name, length, out address);
    }

    [SkipLocalsInit]
    public static SysResult PeerAddress(SocketFd socket, out SocketAddress address)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint length = SocketAddress.MaxSize;
        SysResult result = LibcNoTransition.Result(LibcNoTransition.getpeername(socket.Value, name, &length));
        return Decoded(result, name, length, out address);
    }

    private static SysResult Decoded(SysResult result, byte* name, uint length, out SocketAddress address)
    {
        address = default;
        if (result.IsOk && !SocketAddress.TryDecode(name, length, out address)) return SysResult.Failure(Errno.EAFNOSUPPORT);
        return result;
    }

    /// <summary>Moves a descriptor that fell among 0, 1 and 2 out of standard output's way.</summary>
    private static SysResult AboveStandard(SysResult opened)
    {
        if (!opened.IsOk || opened.Raw > 2) return opened;
        SysResult moved = Descriptor.Duplicate(opened.Raw, lowest: 3);
        _ = LibcNoTransition.close(opened.Raw);
        return moved;
    }
}
