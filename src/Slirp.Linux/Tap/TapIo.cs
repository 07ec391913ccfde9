using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Tap;

/// <summary>Frames to and from a TAP queue, one per call: a TAP device neither merges nor splits them.</summary>
/// <remarks>The descriptor must be non-blocking: these calls do not tell the collector that they are away. Where the
/// device has IFF_VNET_HDR each frame is preceded by its virtio_net_hdr. EINTR is retried here. What a caller must
/// expect: EAGAIN (no frame, or no room), EIO (the interface is down: drop and count), EBADFD (the interface or its
/// namespace is gone), EINVAL (a virtio_net_hdr that the kernel refuses), ENOBUFS and ENOMEM.</remarks>
public static unsafe class TapIo
{
    /// <summary>Reads one frame; one longer than <paramref name="frame"/> is cut.</summary>
    public static SysResult Read(TapFd tap, Span<byte> frame)
    {
        fixed (byte* p = frame) // pinned for the call
        {
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.read(tap.Value, p, (nuint)frame.Length));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    /// <summary>Reads one frame into two pieces, the second taking what the first does not hold.</summary>
    [SkipLocalsInit]
    public static SysResult Read(TapFd tap, Span<byte> head, Span<byte> rest)
    {
        fixed (byte* p0 = head, p1 = rest) // pinned for the call
        {
            iovec* vectors = stackalloc iovec[2];
            vectors[0] = new iovec { iov_base = p0, iov_len = (nuint)head.Length };
            vectors[1] = new iovec { iov_base = p1, iov_len = (nuint)rest.Length };
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.readv(tap.Value, vectors, 2));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    public static SysResult Write(TapFd tap, ReadOnlySpan<byte> frame)
    {
        fixed (byte* p = frame) // pinned for the call
        {
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.write(tap.Value, p, (nuint)frame.Length));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }

    /// <summary>Writes one frame whose headers and payload lie apart.</summary>
    public static SysResult Write(TapFd tap, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload) =>
        Write(tap, headers, payload, default);

    /// <summary>Writes one frame that lies in three pieces; an empty piece is legal.</summary>
    [SkipLocalsInit]
    public static SysResult Write(TapFd tap, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> tail)
    {
        fixed (byte* p0 = headers, p1 = payload, p2 = tail) // pinned for the call
        {
            iovec* vectors = stackalloc iovec[3];
            vectors[0] = new iovec { iov_base = p0, iov_len = (nuint)headers.Length };
            vectors[1] = new iovec { iov_base = p1, iov_len = (nuint)payload.Length };
            vectors[2] = new iovec { iov_base = p2, iov_len = (nuint)tail.Length };
            SysResult result;
            do result = LibcNoTransition.Result(LibcNoTransition.writev(tap.Value, vectors, tail.Length == 0 ? 2 : 3));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }
}
