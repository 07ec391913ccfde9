using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

// fcntl.h
internal static unsafe partial class Libc
{
    [LibraryImport(Library, SetLastError = true)]
    internal static partial int open(byte* path, int flags, int mode);

    [LibraryImport(Library, SetLastError = true)]
    private static partial int fcntl(int fd, int command, nint argument);

    internal static int fcntl(int fd, Fcntl command, nint argument) => fcntl(fd, (int)command, argument);
}

internal enum Fcntl
{
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_DUPFD_CLOEXEC = 1030,
}
