using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

// sys/mman.h
internal static unsafe partial class Libc
{
    private const int PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20;
    private const int MADV_DONTNEED = 4;

    [LibraryImport(Library, SetLastError = true)]
    private static partial nint mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport(Library, SetLastError = true)]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport(Library, SetLastError = true)]
    private static partial int mprotect(void* address, nuint length, int protection);

    /// <summary>Makes whole pages executable and no longer writable.</summary>
    internal static SysResult MakeExecutable(void* address, nuint length) => Result(mprotect(address, length, PROT_READ | PROT_EXEC));

    /// <summary>Zeroed memory that a cloned child shares.</summary>
    internal static void* MapShared(nuint length) => Map(length, MAP_SHARED);

    /// <summary>Zeroed memory of this process's own.</summary>
    internal static void* MapPrivate(nuint length) => Map(length, MAP_PRIVATE);

    private static void* Map(nuint length, int kind)
    {
        nint address = mmap(null, length, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
        if (address == -1) throw new LinuxException("mmap", "anonymous memory", (Errno)Marshal.GetLastPInvokeError());
        return (void*)address;
    }

    [LibraryImport(Library, SetLastError = true)]
    private static partial int madvise(void* address, nuint length, int advice);

    /// <summary>Whether the system takes them or not, nobody needs them.</summary>
    internal static void DropPages(void* address, nuint length) => _ = madvise(address, length, MADV_DONTNEED);

    internal static void Unmap(void* address, nuint length) => _ = munmap(address, length);
}
