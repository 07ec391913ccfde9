using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>How many descriptors this process may have (getrlimit(2), RLIMIT_NOFILE).</summary>
public static unsafe class OpenFileLimit
{
    private const int RLIMIT_NOFILE = 7;

    /// <summary>The soft limit as it is now; null where it cannot be asked.</summary>
    public static ulong? Soft
    {
        get
        {
            rlimit limit = default; // on this stack
            return Libc.Call(Syscalls.prlimit64, 0, RLIMIT_NOFILE, 0, (nint)(&limit)).IsOk ? limit.rlim_cur : null;
        }
    }

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

    /// <summary>Sees that so many more descriptors can be opened: whoever runs out of them half-way is told by whatever
    /// happens to ask for one.</summary>
    /// <exception cref="LinuxException">EMFILE or ENFILE: there are fewer.</exception>
    public static void RequireSpare(int count)
    {
        var spare = new List<RawFd>(count);
        SysResult taken = default;
        while (spare.Count < count && (taken = Descriptor.Duplicate(2, 3)).IsOk) spare.Add(new RawFd(taken.Raw));
        foreach (RawFd one in spare) Descriptor.Close(one);
        if (!taken.Is(Errno.EMFILE) && !taken.Is(Errno.ENFILE)) return;
        throw new LinuxException("fcntl(F_DUPFD_CLOEXEC)", "this process", taken.Errno,
            $"a start takes {count} descriptors and {spare.Count} are left: raise the hard limit (ulimit -Hn, LimitNOFILE=)");
    }
}
