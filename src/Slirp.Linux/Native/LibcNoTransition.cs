using System.Runtime.InteropServices;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Native;

/// <summary>Calls that cannot block, because the descriptor is non-blocking or the call never does: made without the
/// collector's transition, which costs more than the rest of a small call.</summary>
/// <remarks>errno is read with <see cref="Result"/> in the wrapper that made the call, before anything else runs. The
/// collector may stop this thread between the two, at the poll that the compiler puts after such a call; the runtime
/// saves and restores errno around that wait, as it must for every P/Invoke that reports errors.</remarks>
internal static unsafe partial class LibcNoTransition
{
    internal static SysResult Result(nint returned) =>
        returned >= 0 ? new SysResult((int)returned) : new SysResult(-Marshal.GetLastSystemError());

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint read(int fd, void* buffer, nuint count);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint write(int fd, void* buffer, nuint count);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint readv(int fd, iovec* vectors, int count);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint writev(int fd, iovec* vectors, int count);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint recv(int fd, void* buffer, nuint count, int flags);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint send(int fd, void* buffer, nuint count, int flags);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint recvmsg(int fd, msghdr* message, int flags);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial nint sendmsg(int fd, msghdr* message, int flags);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int epoll_wait(int epoll, void* events, int count, int timeout);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int epoll_ctl(int epoll, int operation, int fd, void* epollEvent);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int clock_gettime(int clock, timespec* time);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int socket(int family, int type, int protocol);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int bind(int fd, void* address, uint length);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int connect(int fd, void* address, uint length);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int listen(int fd, int backlog);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int accept4(int fd, void* address, uint* length, int flags);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int shutdown(int fd, int how);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int close(int fd);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int getsockname(int fd, void* address, uint* length);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int getpeername(int fd, void* address, uint* length);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int getsockopt(int fd, int level, int option, void* value, uint* length);

    [LibraryImport(Libc.Library), SuppressGCTransition]
    internal static partial int setsockopt(int fd, int level, int option, void* value, uint length);
}
