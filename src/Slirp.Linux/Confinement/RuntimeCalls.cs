using Slirp.Linux.Sockets;

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
        Syscalls.poll, Syscalls.ppoll,
    };

    /// <summary>What serving a network needs besides: sockets, events, watching files.</summary>
    public static ReadOnlySpan<SyscallId> Network => new[]
    {
        Syscalls.bind, Syscalls.connect, Syscalls.listen, Syscalls.accept, Syscalls.accept4,
        Syscalls.getsockname, Syscalls.getpeername, Syscalls.getsockopt, Syscalls.setsockopt, Syscalls.shutdown,
        Syscalls.sendto, Syscalls.sendmsg, Syscalls.sendmmsg, Syscalls.recvfrom, Syscalls.recvmsg, Syscalls.recvmmsg,
        Syscalls.epoll_create1, Syscalls.epoll_ctl, Syscalls.epoll_wait, Syscalls.epoll_pwait, Syscalls.epoll_pwait2,
        Syscalls.eventfd2, Syscalls.timerfd_create, Syscalls.timerfd_settime, Syscalls.timerfd_gettime,
        Syscalls.inotify_init1, Syscalls.inotify_add_watch, Syscalls.inotify_rm_watch, Syscalls.unlink, Syscalls.unlinkat,
    };

    /// <summary>What looking after a command needs.</summary>
    public static ReadOnlySpan<SyscallId> Command => new[] { Syscalls.wait4, Syscalls.waitid, Syscalls.pidfd_send_signal };

    /// <summary>What nothing in a running network ever does; whoever tries has taken the process over.</summary>
    public static ReadOnlySpan<SyscallId> Fatal => new[]
    {
        Syscalls.execve, Syscalls.execveat, Syscalls.fork, Syscalls.vfork, Syscalls.ptrace, Syscalls.process_vm_readv, Syscalls.process_vm_writev,
        Syscalls.setns, Syscalls.unshare, Syscalls.mount, Syscalls.umount2, Syscalls.pivot_root, Syscalls.chroot, Syscalls.open_tree,
        Syscalls.move_mount, Syscalls.fsopen, Syscalls.fsmount, Syscalls.bpf, Syscalls.perf_event_open, Syscalls.userfaultfd,
        Syscalls.init_module, Syscalls.finit_module, Syscalls.delete_module, Syscalls.kexec_load, Syscalls.reboot, Syscalls.add_key,
        Syscalls.request_key, Syscalls.keyctl, Syscalls.io_uring_setup, Syscalls.setuid, Syscalls.setgid, Syscalls.setgroups,
        Syscalls.setresuid, Syscalls.setresgid, Syscalls.capset, Syscalls.personality, Syscalls.swapon, Syscalls.swapoff,
    };

    /// <summary>Adds <see cref="Runtime"/>, threads without namespaces and their names, interfaces' numbers, and reading of limits.</summary>
    public static SeccompFilter AddRuntime(SeccompFilter filter)
    {
        const uint anyNamespace = 0x7e020080; // CLONE_NEWNS and CLONE_NEWCGROUP .. CLONE_NEWNET, CLONE_NEWTIME
        const uint PR_SET_NAME = 15, PR_GET_NAME = 16, PR_SET_VMA = 0x53564d41;
        const uint TCGETS = 0x5401, TIOCGWINSZ = 0x5413, FIONREAD = 0x541b;
        return filter
            .Allow(Runtime)
            .AllowIf(Syscalls.clone, 0, anyNamespace, 0, Errno.EPERM)
            .Refuse(Syscalls.clone3, Errno.ENOSYS) // its flags lie in memory: the C library falls back to clone
            .AllowIfOneOf(Syscalls.prctl, 0, [PR_SET_NAME, PR_GET_NAME, PR_SET_VMA], Errno.EPERM)
            .AllowIfOneOf(Syscalls.ioctl, 1, [TCGETS, TIOCGWINSZ, FIONREAD, Socket.SIOCGIFINDEX], Errno.ENOTTY)
            .AllowIf(Syscalls.prlimit64, 2, uint.MaxValue, 0, Errno.EPERM); // no new limit: it only reads
    }

    /// <summary>Adds <see cref="Network"/>, and sockets of the two internet families only: what else is needed was
    /// opened before.</summary>
    public static SeccompFilter AddNetwork(SeccompFilter filter)
    {
        const uint AF_INET = 2, AF_INET6 = 10;
        return filter.Allow(Network).AllowIfOneOf(Syscalls.socket, 0, [AF_INET, AF_INET6], Errno.EAFNOSUPPORT);
    }
}
