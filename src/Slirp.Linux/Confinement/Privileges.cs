using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

// Theory of operation: giving rights up in a process that has threads already.
//
// Linux keeps capabilities, no_new_privs, the Landlock domain and the mount namespace per thread; a thread that is started
// inherits them from the one that starts it. Only seccomp can be set on all threads at once (TSYNC). A .NET process has
// threads of the runtime's own (finalizer, signal handling, compilation) before its first line runs. So what is to be
// given up is written down as a list of system calls, which the calling thread makes first and every other thread then
// makes too, in the handler of a signal that is sent to it (ThreadBroadcast), as the C library does for setuid(2).
//
// Invariants. The list is made by the caller first: if that fails nobody else is asked, so no thread has given up less
// than the caller. Threads started later inherit.
// Limits. On machines other than x86-64 the other threads are not reached (ThreadBroadcast.IsSupported): they run no
// code of ours on anybody's input, and the seccomp filter binds them all the same.

/// <summary>Rights to be given up by every thread of this process, once and for good.</summary>
public sealed unsafe class Privileges : IDisposable
{
    private const int PR_CAPBSET_READ = 23, PR_CAPBSET_DROP = 24, PR_SET_NO_NEW_PRIVS = 38;
    private const int PR_CAP_AMBIENT = 47, PR_CAP_AMBIENT_CLEAR_ALL = 4;
    private const uint _LINUX_CAPABILITY_VERSION_3 = 0x20080522;

    private readonly List<PreparedCall> _calls = [];
    private readonly List<nint> _memory = []; // what the calls point at

    /// <summary>No execve can gain rights any more.</summary>
    public Privileges NoNewPrivileges()
    {
        _calls.Add(new PreparedCall(Syscalls.prctl, PR_SET_NO_NEW_PRIVS, 1));
        return this;
    }

    /// <summary>Keeps those of <paramref name="keep"/> that the thread has, and drops all others from every set: ambient,
    /// bounding (where CAP_SETPCAP is held; else nothing can be regained through it under no_new_privs), inheritable,
    /// permitted, effective.</summary>
    public Privileges KeepCapabilities(params ReadOnlySpan<Capability> keep)
    {
        ulong kept = 0;
        foreach (Capability one in keep) kept |= 1ul << (int)one;
        _calls.Add(new PreparedCall(Syscalls.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL) { MayFail = true }); // before Linux 4.3
        bool mayDrop = (Effective >> (int)Capability.CAP_SETPCAP & 1) != 0;
        for (int number = 0; mayDrop && Libc.Call(Syscalls.prctl, PR_CAPBSET_READ, number).IsOk; number++)
            if ((kept >> number & 1) == 0) _calls.Add(new PreparedCall(Syscalls.prctl, PR_CAPBSET_DROP, number));

        var header = Take<__user_cap_header_struct>(1);
        header->version = _LINUX_CAPABILITY_VERSION_3;
        var data = Take<__user_cap_data_struct>(2);
        ulong permitted = Permitted & kept;
        for (int half = 0; half < 2; half++)
            data[half].permitted = data[half].effective = (uint)(permitted >> 32 * half);
        _calls.Add(new PreparedCall(Syscalls.capset, (nint)header, (nint)data));
        return this;
    }

    /// <summary>Only what a set of Landlock rules grants. It must stay open until <see cref="GiveUp"/>, and comes after
    /// <see cref="NoNewPrivileges"/>.</summary>
    public Privileges Within(Landlock landlock)
    {
        _calls.Add(new PreparedCall(Syscalls.landlock_restrict_self, landlock.Ruleset, 0));
        return this;
    }

    /// <summary>Applies what was named, to this thread and then to all others.</summary>
    /// <returns>The first refusal, by the calling thread or another; EOPNOTSUPP where the others cannot be reached.</returns>
    public SysResult GiveUp(ThreadBroadcast others)
    {
        foreach (PreparedCall call in _calls)
        {
            SysResult result = Libc.Call(call.Call, call.A, call.B, call.C);
            if (!result.IsOk && !call.MayFail) return result;
        }
        return others.Make(_calls);
    }

    /// <summary>The calling thread's effective capabilities, bit by number.</summary>
    public static ulong Effective => Read(static data => data.effective);

    private static ulong Permitted => Read(static data => data.permitted);

    public static bool Has(Capability capability) => (Effective >> (int)capability & 1) != 0;

    public void Dispose()
    {
        foreach (nint one in _memory) NativeMemory.Free((void*)one);
        _memory.Clear();
    }

    private static ulong Read(Func<__user_cap_data_struct, uint> half)
    {
        var header = new __user_cap_header_struct { version = _LINUX_CAPABILITY_VERSION_3 };
        __user_cap_data_struct* data = stackalloc __user_cap_data_struct[2];
        SysResult read = Libc.Call(Syscalls.capget, (nint)(&header), (nint)data); // both on this stack
        return read.IsOk ? half(data[0]) | (ulong)half(data[1]) << 32 : 0;
    }

    private T* Take<T>(nuint count) where T : unmanaged
    {
        void* memory = NativeMemory.AllocZeroed(count, (nuint)sizeof(T));
        _memory.Add((nint)memory);
        return (T*)memory;
    }
}
