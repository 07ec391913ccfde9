using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Sockets;

// The frame path's calls: octets in and out of non-blocking sockets. EINTR is retried here.
public static unsafe partial class Socket
{
    /// <summary>Sends octets on a connected socket; a broken pipe is EPIPE, never a signal.</summary>
    /// <returns>How many the socket took, which may be fewer than given.</returns>
    public static SysResult Send(SocketFd socket, ReadOnlySpan<byte> octets, MessageFlags flags = MessageFlags.None)
    {
        fixed (byte* p = octets) // pinned for the call
        {
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.send(
                socket.Value, p, (nuint)octets.Length, (int)(flags | MessageFlags.MSG_NOSIGNAL)));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    /// <returns>0 is the end of a stream, or an empty datagram.</returns>
    public static SysResult Receive(SocketFd socket, Span<byte> buffer, MessageFlags flags = MessageFlags.None)
    {
        fixed (byte* p = buffer) // pinned for the call
        {
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.recv(socket.Value, p, (nuint)buffer.Length, (int)flags));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    /// <summary>Receives into two pieces, the second taking what the first does not hold.</summary>
    [SkipLocalsInit]
    public static SysResult Receive(SocketFd socket, Span<byte> first, Span<byte> second)
    {
        fixed (byte* p0 = first, p1 = second) // pinned for the call
        {
            iovec* vectors = stackalloc iovec[2];
            vectors[0] = new iovec { iov_base = p0, iov_len = (nuint)first.Length };
            vectors[1] = new iovec { iov_base = p1, iov_len = (nuint)second.Length };
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.readv(socket.Value, vectors, 2));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    /// <summary>Sends two pieces as one call, for a stream whose octets lie in two slabs.</summary>
    [SkipLocalsInit]
    public static SysResult Send(SocketFd socket, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, MessageFlags flags = MessageFlags.None)
    {
        fixed (byte* p0 = first, p1 = second) // pinned for the call
        {
            iovec* vectors = stackalloc iovec[2];
            vectors[0] = new iovec { iov_base = p0, iov_len = (nuint)first.Length };
            vectors[1] = new iovec { iov_base = p1, iov_len = (nuint)second.Length };
            var message = new msghdr { msg_iov = vectors, msg_iovlen = 2 };
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.sendmsg(
                socket.Value, &message, (int)(flags | MessageFlags.MSG_NOSIGNAL)));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }
}
