using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Native;

namespace Slirp.Linux.Namespaces;

// Theory of operation: a forked child in a process that has a managed runtime.
//
// setns(CLONE_NEWUSER) and unshare(CLONE_NEWUSER) are refused to a process with more than one thread, and a .NET process
// has several before its first line runs. So the process is cloned, and the clone, in which only the calling thread
// exists, makes the calls. In the clone the runtime is a ruin: the collector, the compiler and the finalizer have no
// threads, and any lock that one of them held stays held. Therefore:
//
// Model. The parent writes down what the child shall do as a list of system calls (ChildProgram): numbers, arguments,
// pointers into memory of its own that no collector moves, and where each outcome leads. Run() below is an interpreter
// of such lists: one loop, one native call site, no managed call, no allocation, no static field, no array. All
// decisions are made by the parent in ordinary code before the clone, or by the targets in the list.
//
// Why the child cannot wait for what is not there:
// - compiler: Run() is compiled in full when it is first called (AggressiveOptimization: no later tier, no counting
//   stubs, no patch points). The program's first instruction is made before the clone with a harmless number (getpid),
//   at the same call site, so that nothing of it is resolved or compiled lazily afterwards.
// - collector: nothing is allocated, and the call is made without a transition (SuppressGCTransition), so the thread
//   never stops being "in managed code". The compiler does put a poll after such a call: it tests one flag. In the
//   child nobody can raise that flag. If it stood raised at the instant of the clone, because another thread was just
//   then stopping all threads, the child would sleep at its first poll for ever. That shows: the child's first act is a
//   greeting. Without it in time the parent ends that child, which has done nothing yet, and clones another.
// - signals: all are blocked before the clone and stay so in the child; the runtime's handlers would write into pipes
//   shared with the parent. A command that is executed gets default dispositions (an ignored hang-up stays ignored) and
//   an empty mask first.
// - C library: no function of it is called but syscall(), which takes no lock; errno is this thread's, at an address
//   looked up before the clone. clone is made as a system call, so no fork handlers run, and no memory is shared but
//   the report.
// - stack: the child continues on its copy of the parent's stack, in a frame that exists already.
//
// The child sends no signal at its end (exit signal 0), so that a caller who ignores SIGCHLD cannot cause its status to
// be thrown away, and nobody's wait for "any child" can take it. It is reaped by number with __WALL. After execve the
// kernel itself sets the exit signal to SIGCHLD.
//
// Kernel assumptions: CLONE_PIDFD (5.2); an older kernel leaves the descriptor -1.
internal static unsafe class ChildRunner
{
    internal const long CLONE_NEWNS = 0x00020000, CLONE_NEWUSER = 0x10000000, CLONE_NEWNET = 0x40000000;
    private const long CLONE_PIDFD = 0x1000;
    private const int SIG_SETMASK = 2;

    /// <summary>Clones this process and lets the clone carry out <paramref name="program"/>.</summary>
    /// <returns>The child's process number, or minus errno.</returns>
    internal static int Start(ChildProgram program)
    {
        nint library = NativeLibrary.Load(Libc.Library, typeof(ChildRunner).Assembly, null);
        var syscall = (delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, long, long, nint>)
            NativeLibrary.GetExport(library, "syscall");
        var locateErrno = (delegate* unmanaged<int*>)NativeLibrary.GetExport(library, "__errno_location");
        program.Seal(out ChildInstruction* instructions, out int end, out ChildReport* report);
        int* errno = locateErrno(); // of this thread: the clone's too

        instructions[0].Number = Syscalls.getpid.Number;
        _ = Run(instructions, end, report, errno, syscall);

        ulong all = ~0ul, before;
        instructions[0].Number = Syscalls.clone.Number;
        instructions[0].Arguments[0] = CLONE_PIDFD; // and exit signal 0
        instructions[0].Arguments[2] = (long)&report->PidFd;
        report->PidFd = -1;
        _ = syscall(Syscalls.rt_sigprocmask.Number, SIG_SETMASK, (long)&all, (long)&before, sizeof(ulong), 0, 0);
        int pid = Run(instructions, end, report, errno, syscall);
        _ = syscall(Syscalls.rt_sigprocmask.Number, SIG_SETMASK, (long)&before, 0, sizeof(ulong), 0, 0);
        return pid;
    }

    /// <summary>Carries out the list from its first instruction on. In the parent it returns as soon as an instruction
    /// marked ReturnInParent has a result that is not zero; in the child it never returns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static int Run(ChildInstruction* instructions, int end, ChildReport* report, int* errno,
        delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, long, long, nint> syscall)
    {
        int at = 0;
        while (true)
        {
            ChildInstruction* one = instructions + at;
            uint registers = one->RegisterArguments;
            long a0 = (registers & 1) == 0 ? one->Arguments[0] : report->Registers[one->Arguments[0]];
            long a1 = (registers & 2) == 0 ? one->Arguments[1] : report->Registers[one->Arguments[1]];
            long a2 = (registers & 4) == 0 ? one->Arguments[2] : report->Registers[one->Arguments[2]];
            long a3 = (registers & 8) == 0 ? one->Arguments[3] : report->Registers[one->Arguments[3]];
            long a4 = (registers & 16) == 0 ? one->Arguments[4] : report->Registers[one->Arguments[4]];
            long a5 = (registers & 32) == 0 ? one->Arguments[5] : report->Registers[one->Arguments[5]];
            nint result = syscall(one->Number, a0, a1, a2, a3, a4, a5);

            int target = one->OnSuccess;
            if (target == ChildInstruction.ReturnInParent)
            {
                if (result != 0) return result < 0 ? -*errno : (int)result;
                target = ChildInstruction.Next;
            }
            else if (result < 0 || (result == 0 && one->ZeroIsEnd != 0))
            {
                int error = result < 0 ? *errno : (int)Errno.ECANCELED;
                if (error == (int)Errno.EINTR) continue;
                report->Errnos[one->Step] = error;
                target = one->OnlyErrno == 0 || one->OnlyErrno == error ? one->OnError : one->OnOtherError;
                if (target == ChildInstruction.Fail)
                {
                    report->FailedStep = one->Step;
                    report->FailedErrno = error;
                    target = end;
                }
            }
            else
            {
                report->Errnos[one->Step] = 0;
                if (one->ResultRegister >= 0) report->Registers[one->ResultRegister] = result;
                if (one->StoreResult != null) *one->StoreResult = (int)result;
            }
            at = target == ChildInstruction.Next ? at + 1 : target;
        }
    }
}
