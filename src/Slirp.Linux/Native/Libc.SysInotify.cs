using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

// sys/inotify.h
internal static unsafe partial class Libc
{
    [LibraryImport(Library, SetLastError = true)]
    internal static partial int inotify_init1(int flags);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int inotify_add_watch(int fd, byte* path, uint mask);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int inotify_rm_watch(int fd, int watch);
}
