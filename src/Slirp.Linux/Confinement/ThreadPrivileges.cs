using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

// Theory of operation: giving rights up in a process that has threads already.
//
// Linux keeps capabilities, no_new_privs and the Landlock domain per thread; a thread that is started inherits them from
// the one that starts it. Only seccomp can be set on all threads at once (TSYNC, which spreads no_new_privs too). A .NET
// process has threads of the runtime's own (finalizer, signal handling, compilation) before its first line runs, and
// nothing can change theirs from outside. There are two ways round:
//
// - Restrict the thread that will start all workers, then start them: everything that touches a frame or a request is
//   confined; the runtime's few threads, which run no code of ours on anybody's input, keep what the process had. The
//   seccomp filter binds those too, and denies what they would need to use it (execve, setns, mount, ptrace).
// - Restrict the calling thread and then replace the program by itself (ProcessImage.Replace): execve ends all other
//   threads and keeps the caller's restrictions, process number and descriptors that are not close-on-exec. All threads
//   of the new image are born confined. It costs one more start.

/// <summary>Gives up privileges of the calling thread, and of the threads that it starts afterwards.</summary>
public static unsafe class ThreadPrivileges
{
    private const int PR_CAPBSET_READ = 23, PR_CAPBSET_DROP = 24, PR_SET_NO_NEW_PRIVS = 38, PR_GET_NO_NEW_PRIVS = 39;
    private const int PR_CAP_AMBIENT = 47, PR_CAP_AMBIENT_CLEAR_ALL = 4, PR_SET_DUMPABLE = 4;
    private const uint _LINUX_CAPABILITY_VERSION_3 = 0x20080522;

    /// <summary>No execve of this thread or its descendants can gain rights any more.</summary>
    public static SysResult SetNoNewPrivileges() => Libc.Call(Syscalls.prctl, PR_SET_NO_NEW_PRIVS, 1);

    public static bool HasNoNewPrivileges => Libc.Call(Syscalls.prctl, PR_GET_NO_NEW_PRIVS).Raw == 1;

    /// <summary>Forbids other processes of this user to look into this one (core dumps, ptrace, /proc/PID/mem). It
    /// belongs to the process, not the thread, and makes /proc/self the property of root.</summary>
    public static SysResult SetNotDumpable() => Libc.Call(Syscalls.prctl, PR_SET_DUMPABLE, 0);

    /// <summary>The effective capabilities, bit by number.</summary>
    public static ulong EffectiveCapabilities
    {
        get
        {
            var header = new __user_cap_header_struct { version = _LINUX_CAPABILITY_VERSION_3 };
            __user_cap_data_struct* data = stackalloc __user_cap_data_struct[2];
            SysResult read = Libc.Call(Syscalls.capget, (nint)(&header), (nint)data); // both on this stack
            return read.IsOk ? data[0].effective | (ulong)data[1].effective << 32 : 0;
        }
    }

    /// <summary>Keeps those of <paramref name="keep"/> that the thread has, and drops all others from every set: ambient,
    /// bounding (where CAP_SETPCAP is held; else nothing can be regained through it under no_new_privs), inheritable,
    /// permitted, effective.</summary>
    public static SysResult KeepCapabilities(params ReadOnlySpan<Capability> keep)
    {
        ulong kept = 0;
        foreach (Capability one in keep) kept |= 1ul << (int)one;
        _ = Libc.Call(Syscalls.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
        for (int number = 0; number < 64; number++)
        {
            if ((kept >> number & 1) != 0) continue;
            if (!Libc.Call(Syscalls.prctl, PR_CAPBSET_READ, number).IsOk) break; // past the last one
            if (Libc.Call(Syscalls.prctl, PR_CAPBSET_DROP, number).Is(Errno.EPERM)) break;
        }
        var header = new __user_cap_header_struct { version = _LINUX_CAPABILITY_VERSION_3 };
        __user_cap_data_struct* data = stackalloc __user_cap_data_struct[2];
        SysResult read = Libc.Call(Syscalls.capget, (nint)(&header), (nint)data); // both on this stack
        if (!read.IsOk) return read;
        for (int half = 0; half < 2; half++)
        {
            uint mask = (uint)(kept >> 32 * half);
            data[half].permitted &= mask;
            data[half].effective = data[half].permitted;
            data[half].inheritable = 0;
        }
        return Libc.Call(Syscalls.capset, (nint)(&header), (nint)data);
    }
}
