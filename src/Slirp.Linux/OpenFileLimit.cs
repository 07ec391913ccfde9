using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>How many descriptors this process may have (getrlimit(2), RLIMIT_NOFILE).</summary>
public static unsafe class OpenFileLimit
{
    private const int RLIMIT_NOFILE = 7;

    /// <summary>Raises the soft limit to the hard one. The soft one is 1024 nearly everywhere, for programs that use
    /// select(2), and says nothing about what its owner allows.</summary>
    public static SysResult RaiseToHard()
    {
        rlimit limit = default; // on this stack for both calls
        SysResult result = Libc.Call(Syscalls.prlimit64, 0, RLIMIT_NOFILE, 0, (nint)(&limit));
        if (!result.IsOk || limit.rlim_cur >= limit.rlim_max) return result;
        limit.rlim_cur = limit.rlim_max;
        return Libc.Call(Syscalls.prlimit64, 0, RLIMIT_NOFILE, (nint)(&limit), 0);
    }
}
