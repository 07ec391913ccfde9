namespace Slirp.Linux.Confinement;

/// <summary>Lists of system calls to build a filter from.</summary>
public static class RuntimeCalls
{
    /// <summary>What the .NET runtime needs while it runs, compiled ahead of time or not: memory, threads, time, signals
    /// to its own threads, reading files. Not clone, whose flags must be looked at: see <see cref="AddRuntime"/>.</summary>
    public static ReadOnlySpan<SyscallId> Runtime => new[]
    {
        Syscalls.mmap, Syscalls.munmap, Syscalls.mprotect, Syscalls.mremap, Syscalls.madvise, Syscalls.mincore, Syscalls.brk,
        Syscalls.mlock, Syscalls.munlock, Syscalls.msync, Syscalls.membarrier, Syscalls.get_mempolicy, Syscalls.mbind,
        Syscalls.memfd_create, Syscalls.ftruncate, Syscalls.futex, Syscalls.set_robust_list, Syscalls.get_robust_list, Syscalls.rseq,
        Syscalls.set_tid_address, Syscalls.exit, Syscalls.exit_group, Syscalls.restart_syscall,
        Syscalls.rt_sigaction, Syscalls.rt_sigprocmask, Syscalls.rt_sigreturn, Syscalls.rt_sigpending, Syscalls.rt_sigtimedwait,
        Syscalls.rt_sigsuspend, Syscalls.sigaltstack, Syscalls.tgkill, Syscalls.getpid, Syscalls.gettid, Syscalls.getppid,
        Syscalls.getuid, Syscalls.geteuid, Syscalls.getgid, Syscalls.getegid, Syscalls.getpgid, Syscalls.getsid,
        Syscalls.sched_yield, Syscalls.sched_getaffinity, Syscalls.sched_setaffinity, Syscalls.sched_getparam,
        Syscalls.sched_getscheduler, Syscalls.sched_get_priority_min, Syscalls.sched_get_priority_max, Syscalls.getcpu,
        Syscalls.clock_gettime, Syscalls.clock_getres, Syscalls.clock_nanosleep, Syscalls.nanosleep, Syscalls.gettimeofday, Syscalls.time,
        Syscalls.getrusage, Syscalls.getrlimit, Syscalls.sysinfo, Syscalls.uname, Syscalls.times, Syscalls.getrandom,
        Syscalls.read, Syscalls.write, Syscalls.readv, Syscalls.writev, Syscalls.pread64, Syscalls.pwrite64, Syscalls.preadv, Syscalls.pwritev,
        Syscalls.lseek, Syscalls.close, Syscalls.fstat, Syscalls.stat, Syscalls.lstat, Syscalls.newfstatat, Syscalls.statx, Syscalls.statfs,
        Syscalls.fstatfs, Syscalls.getdents64, Syscalls.readlink, Syscalls.readlinkat, Syscalls.getcwd, Syscalls.open, Syscalls.openat,
        Syscalls.access, Syscalls.faccessat, Syscalls.faccessat2, Syscalls.fcntl, Syscalls.flock, Syscalls.dup, Syscalls.dup3, Syscalls.pipe2,
        Syscalls.poll, Syscalls.ppoll, Syscalls.ioctl,
    };

    /// <summary>What serving a network needs besides: sockets, events, watching files and processes.</summary>
    public static ReadOnlySpan<SyscallId> Network => new[]
    {
        Syscalls.socket, Syscalls.socketpair, Syscalls.bind, Syscalls.connect, Syscalls.listen, Syscalls.accept, Syscalls.accept4,
        Syscalls.getsockname, Syscalls.getpeername, Syscalls.getsockopt, Syscalls.setsockopt, Syscalls.shutdown,
        Syscalls.sendto, Syscalls.sendmsg, Syscalls.sendmmsg, Syscalls.recvfrom, Syscalls.recvmsg, Syscalls.recvmmsg, Syscalls.splice,
        Syscalls.epoll_create1, Syscalls.epoll_ctl, Syscalls.epoll_wait, Syscalls.epoll_pwait, Syscalls.epoll_pwait2,
        Syscalls.eventfd2, Syscalls.timerfd_create, Syscalls.timerfd_settime, Syscalls.timerfd_gettime, Syscalls.signalfd4,
        Syscalls.inotify_init1, Syscalls.inotify_add_watch, Syscalls.inotify_rm_watch,
        Syscalls.pidfd_open, Syscalls.pidfd_send_signal, Syscalls.wait4, Syscalls.waitid, Syscalls.unlink, Syscalls.unlinkat,
    };

    /// <summary>Adds <see cref="Runtime"/>, threads without namespaces, and reading of limits.</summary>
    public static SeccompFilter AddRuntime(SeccompFilter filter)
    {
        const uint anyNamespace = 0x7e020080; // CLONE_NEWNS and CLONE_NEWCGROUP .. CLONE_NEWNET, CLONE_NEWTIME
        return filter
            .Allow(Runtime)
            .AllowIf(Syscalls.clone, 0, anyNamespace, 0, Errno.EPERM)
            .Refuse(Syscalls.clone3, Errno.ENOSYS) // its flags lie in memory: the C library falls back to clone
            .AllowIf(Syscalls.prlimit64, 2, uint.MaxValue, 0, Errno.EPERM); // no new limit: it only reads
    }
}
