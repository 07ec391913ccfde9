using System.Runtime.InteropServices;

namespace Slirp.Linux;

public static class ErrnoExtensions
{
    /// <summary>Name and the C library's words: <c>EPERM (Operation not permitted)</c>. For messages, not for the frame path.</summary>
    public static string Describe(this Errno errno) =>
        $"{errno} ({Marshal.GetPInvokeErrorMessage((int)errno)})";
}
