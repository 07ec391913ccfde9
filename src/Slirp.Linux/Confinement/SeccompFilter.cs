using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>Builds and installs a filter of system calls for all threads of this process (seccomp(2)).</summary>
/// <remarks>The program is a plain list: architecture, then one comparison per call that is known by number, then the
/// default. Since Linux 5.11 the kernel remembers per call number that a filter always allows it, so its
/// length costs nothing on the frame path; calls whose arguments are looked at run through the list each time.</remarks>
public sealed unsafe class SeccompFilter
{
    private const uint SECCOMP_RET_KILL_PROCESS = 0x80000000, SECCOMP_RET_ERRNO = 0x00050000, SECCOMP_RET_ALLOW = 0x7fff0000;
    private const int SECCOMP_SET_MODE_FILTER = 1, SECCOMP_FILTER_FLAG_TSYNC = 1;

    // No code of strangers runs here: without this, kernels before 5.16 slow every filtered thread's loads down.
    private const int SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
    private const uint AUDIT_ARCH_X86_64 = 0xc000003e, AUDIT_ARCH_AARCH64 = 0xc00000b7;
    private const ushort BPF_LD = 0x00, BPF_ALU = 0x04, BPF_JMP = 0x05, BPF_RET = 0x06;
    private const ushort BPF_W = 0x00, BPF_ABS = 0x20, BPF_K = 0x00, BPF_AND = 0x50, BPF_JEQ = 0x10, BPF_JGE = 0x30;
    private const uint NumberOffset = 0, ArchitectureOffset = 4, ArgumentsOffset = 16; // struct seccomp_data
    private const uint X32Bit = 0x40000000; // x86-64 calls with 32-bit pointers: other numbers, same architecture

    private readonly List<sock_filter> _program = [];
    private readonly HashSet<int> _known = [];

    public SeccompFilter()
    {
        Load(ArchitectureOffset);
        JumpIfEqual(Syscalls.IsArm64 ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64, then: 1, otherwise: 0);
        Return(SECCOMP_RET_KILL_PROCESS);
        Load(NumberOffset);
        if (!Syscalls.IsArm64)
        {
            _program.Add(new sock_filter { code = BPF_JMP | BPF_JGE | BPF_K, jt = 0, jf = 1, k = X32Bit });
            Return(SECCOMP_RET_KILL_PROCESS);
        }
    }

    /// <summary>Allows a call with any arguments. The first word on a call holds.</summary>
    public SeccompFilter Allow(params ReadOnlySpan<SyscallId> calls)
    {
        foreach (SyscallId call in calls) Decide(call, SECCOMP_RET_ALLOW);
        return this;
    }

    /// <summary>Makes a call fail with an errno; the process goes on.</summary>
    public SeccompFilter Refuse(SyscallId call, Errno errno)
    {
        Decide(call, SECCOMP_RET_ERRNO | (uint)errno);
        return this;
    }

    /// <summary>Ends the process at a call that nothing in it ever makes.</summary>
    public SeccompFilter Kill(params ReadOnlySpan<SyscallId> calls)
    {
        foreach (SyscallId call in calls) Decide(call, SECCOMP_RET_KILL_PROCESS);
        return this;
    }

    /// <summary>Allows a call if the low 32 bits of an argument, masked, have a value; else it fails with an errno.</summary>
    public SeccompFilter AllowIf(SyscallId call, int argument, uint mask, uint value, Errno otherwise)
    {
        if (!IsNew(call)) return this;
        JumpIfEqual((uint)call.Number, then: 0, otherwise: 5);
        Load(ArgumentsOffset + 8 * (uint)argument);
        _program.Add(new sock_filter { code = BPF_ALU | BPF_AND | BPF_K, k = mask });
        JumpIfEqual(value, then: 0, otherwise: 1);
        Return(SECCOMP_RET_ALLOW);
        Return(SECCOMP_RET_ERRNO | (uint)otherwise);
        return this;
    }

    /// <summary>Allows a call if the low 32 bits of an argument are one of some values; else it fails with an errno.</summary>
    public SeccompFilter AllowIfOneOf(SyscallId call, int argument, ReadOnlySpan<uint> values, Errno otherwise)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(values.Length, 200, nameof(values)); // jumps reach 255
        if (!IsNew(call)) return this;
        JumpIfEqual((uint)call.Number, then: 0, otherwise: (byte)(values.Length + 3));
        Load(ArgumentsOffset + 8 * (uint)argument);
        for (int i = 0; i < values.Length; i++) JumpIfEqual(values[i], then: (byte)(values.Length - i), otherwise: 0);
        Return(SECCOMP_RET_ERRNO | (uint)otherwise);
        Return(SECCOMP_RET_ALLOW);
        return this;
    }

    /// <summary>Installs the filter on every thread, for ever. Any call that was not named fails with
    /// <paramref name="otherwise"/>, or if that is None ends the process.</summary>
    /// <returns>EACCES without no_new_privs or CAP_SYS_ADMIN; EINVAL or ENOSYS where the kernel has no seccomp; ESRCH if
    /// a thread has a filter of its own already.</returns>
    public SysResult InstallOnAllThreads(Errno otherwise)
    {
        sock_filter[] program = Finished(otherwise == Errno.None ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | (uint)otherwise);
        fixed (sock_filter* filter = program) // pinned for the call: the kernel copies it
        {
            var argument = new sock_fprog { len = (ushort)program.Length, filter = filter };
            SysResult result = Libc.Call(Syscalls.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, (nint)(&argument));
            return result.Raw > 0 ? SysResult.Failure(Errno.ESRCH) : result; // the number of a thread that could not follow
        }
    }

    private sock_filter[] Finished(uint last)
    {
        var program = new sock_filter[_program.Count + 1];
        _program.CopyTo(program);
        program[^1] = new sock_filter { code = BPF_RET | BPF_K, k = last };
        return program;
    }

    private void Decide(SyscallId call, uint action)
    {
        if (!IsNew(call)) return;
        JumpIfEqual((uint)call.Number, then: 0, otherwise: 1);
        Return(action);
    }

    /// <summary>False for a call that this architecture does not have, or that was decided before.</summary>
    private bool IsNew(SyscallId call) => call.Number >= 0 && _known.Add(call.Number);

    private void Load(uint offset) => _program.Add(new sock_filter { code = BPF_LD | BPF_W | BPF_ABS, k = offset });

    private void JumpIfEqual(uint value, byte then, byte otherwise) =>
        _program.Add(new sock_filter { code = BPF_JMP | BPF_JEQ | BPF_K, jt = then, jf = otherwise, k = value });

    private void Return(uint action) => _program.Add(new sock_filter { code = BPF_RET | BPF_K, k = action });
}
