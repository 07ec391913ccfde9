using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>madvise(2).</summary>
public static class MemoryPages
{
    /// <summary>Gives the whole pages within <paramref name="octets"/> back to the system: they read as zero afterwards and
    /// are taken again when written. Only for the elements of an array that nothing reads meanwhile.</summary>
    public static unsafe void Release(Span<byte> octets)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        fixed (byte* p = octets) // pinned for the call
        {
            nuint start = ((nuint)p + page - 1) & ~(page - 1), end = ((nuint)p + (nuint)octets.Length) & ~(page - 1);
            if (end > start) Libc.DropPages((void*)start, end - start);
        }
    }
}
