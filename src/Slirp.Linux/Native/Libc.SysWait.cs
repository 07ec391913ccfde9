using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

// sys/wait.h, signal.h
internal static unsafe partial class Libc
{
    /// <summary>Also children whose end sends no signal, or another than SIGCHLD.</summary>
    internal const int __WALL = 0x40000000;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int kill(int pid, int signal);
}
