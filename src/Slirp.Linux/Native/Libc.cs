using System.Runtime.InteropServices;

namespace Slirp.Linux.Native;

/// <summary>The C library, names as in C, a file per header. Calls here may block and leave errno for
/// <see cref="Marshal.GetLastPInvokeError"/>; those of the frame path are in <see cref="LibcNoTransition"/>.</summary>
/// <remarks>Variadic functions (open, fcntl, ioctl, syscall) are declared with fixed integer arguments: on x86-64 and
/// arm64 Linux those travel in the same registers either way.</remarks>
internal static partial class Libc
{
    // The runtime maps this name to the C library's own file name, glibc's or musl's.
    internal const string Library = "libc";

    internal static SysResult Result(int returned) =>
        returned >= 0 ? new SysResult(returned) : new SysResult(-Marshal.GetLastPInvokeError());

    internal static SysResult Result(nint returned) =>
        returned >= 0 ? new SysResult((int)returned) : new SysResult(-Marshal.GetLastPInvokeError());
}
