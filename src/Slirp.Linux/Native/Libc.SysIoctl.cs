using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

// sys/ioctl.h
internal static unsafe partial class Libc
{
    [LibraryImport(Library, SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);
}
