using System.Runtime.InteropServices;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Native;

// poll.h
internal static unsafe partial class Libc
{
    [LibraryImport(Library, SetLastError = true)]
    internal static partial int poll(pollfd* entries, nuint count, int timeout);
}
