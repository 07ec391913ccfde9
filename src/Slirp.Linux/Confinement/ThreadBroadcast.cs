using System.Buffers.Binary;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Slirp.Linux.Abi;
using Slirp.Linux.Events;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>A system call written down, to be made by any thread.</summary>
public readonly record struct PreparedCall(SyscallId Call, nint A = 0, nint B = 0, nint C = 0)
{
    /// <summary>Its failure is no failure of the list.</summary>
    public bool MayFail { get; init; }
}

/// <summary>Makes every other thread of this process perform a list of system calls.</summary>
/// <remarks>
/// <para><b>Model.</b> The list is translated into a few machine instructions, which become the handler of a signal that
/// nothing else uses; the signal is sent to each thread, and each counts itself off. Threads that began meanwhile are
/// found by looking again, until a look finds none. A handler in managed code would not do: the signal may arrive while
/// its thread runs managed code or is half in the collector, where only plain instructions are safe.</para>
/// <para><b>Invariants.</b> The instructions touch only the registers a handler may and the page that the results are in; that page
/// and theirs are never writable and executable at once. The handler is removed afterwards; its
/// page stays, for nobody can tell when the last thread has left it. Where the procfs that is mounted is another PID
/// namespace's, its numbers are translated; a thread that cannot be is a refusal (ESRCH).</para>
/// <para><b>Limits.</b> x86-64. A thread that has the signal blocked (inherited from whoever started this program) is not
/// reached: ETIMEDOUT, and the results' page stays too.</para>
/// <para><b>Sources.</b> signal(7), rt_sigaction(2), tgkill(2); System V ABI for x86-64, A.2.1 (calling the kernel).</para>
/// </remarks>
public sealed unsafe class ThreadBroadcast : IDisposable
{
    private const int Signal = 64; // SIGRTMAX: the C library keeps 32 and 33, .NET uses SIGRTMIN (34)
    private const int PatienceMilliseconds = 10_000; // a machine may stand still for a while

    private readonly OwnedFd _tasks; // opened while procfs can be seen
    private readonly Dictionary<int, int>? _own; // by the number that procfs shows, where that is not our own
    private bool _isBlocked; // some thread will not take the signal: there is no use in waiting

    private ThreadBroadcast(OwnedFd tasks)
    {
        (_tasks, _isBlocked) = (tasks, IsSignalBlocked());
        List<int> shown = Threads();
        if (shown.Contains(Libc.Call(Syscalls.gettid).Raw)) return;
        _own = [];
        foreach (int thread in shown) _ = Translate(thread); // later they may be out of sight
    }

    public static bool IsSupported => MachineCode.IsSupported;

    /// <summary>To be opened before anything is given up that finding this process's threads needs.</summary>
    /// <exception cref="LinuxException">No procfs is mounted.</exception>
    public static ThreadBroadcast Open()
    {
        const string tasks = "/proc/self/task";
        return new ThreadBroadcast(Descriptor.OpenFile(tasks, ArchitectureOpenFlags.O_DIRECTORY).OwnedOrThrow("open", tasks));
    }

    public void Dispose() => _tasks.Dispose();

    /// <returns>The first refusal that any thread met; EOPNOTSUPP if others cannot be reached on this machine.</returns>
    public SysResult Make(IReadOnlyList<PreparedCall> calls)
    {
        if (!IsSupported) return SysResult.Failure(Errno.EOPNOTSUPP);
        if (_isBlocked) return SysResult.Failure(Errno.ETIMEDOUT);
        var results = (int*)Libc.MapPrivate(Results.Length);
        byte[] program = Translate(calls, results, out int restorer);
        var code = (byte*)Libc.MapPrivate((nuint)program.Length);
        program.CopyTo(new Span<byte>(code, program.Length));
        SysResult result = Libc.MakeExecutable(code, (nuint)program.Length);
        if (result.IsOk) result = Send(code, restorer, results);
        // A thread that has counted itself off is still on its way back through the code, and one that has not may yet
        // come by: the page stays.
        _isBlocked = result.Is(Errno.ETIMEDOUT);
        if (!_isBlocked) Libc.Unmap(results, Results.Length);
        return result;
    }

    /// <summary>Whether whoever started this program had the signal blocked (proc_pid_status(5), SigBlk): threads inherit it.</summary>
    private static bool IsSignalBlocked()
    {
        const string field = "SigBlk:";
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            if (!line.StartsWith(field, StringComparison.Ordinal)) continue;
            return ulong.TryParse(line.AsSpan(field.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong blocked)
                && (blocked >> Signal - 1 & 1) != 0;
        }
        return false;
    }

    private SysResult Send(byte* code, int restorer, int* results)
    {
        SysResult set = SignalDisposition.SetHandler(Signal, code, code + restorer, out kernel_sigaction before);
        if (!set.IsOk) return set;
        var asked = new HashSet<int> { Libc.Call(Syscalls.gettid).Raw };
        int sent = 0;
        bool isOneOutOfSight = false;
        for (bool again = true; again;)
        {
            again = false;
            foreach (int shown in Threads())
            {
                SysResult thread = Translate(shown);
                isOneOutOfSight |= !thread.IsOk && thread.Errno is not (Errno.ENOENT or Errno.ESRCH); // else it has ended
                if (!thread.IsOk || !asked.Add(thread.Raw)) continue;
                again = true;
                SysResult signalled = Libc.Call(Syscalls.tgkill, Environment.ProcessId, thread.Raw, Signal);
                if (signalled.IsOk) sent++;
                else isOneOutOfSight |= !signalled.Is(Errno.ESRCH); // else it has ended
            }
            if (!WaitFor(results + Results.Done, sent)) return SysResult.Failure(Errno.ETIMEDOUT);
        }
        _ = Libc.Call(Syscalls.rt_sigaction, Signal, (nint)(&before), 0, sizeof(ulong));
        return isOneOutOfSight ? SysResult.Failure(Errno.ESRCH) : new SysResult(Math.Min(0, results[Results.Refusal]));
    }

    private static bool WaitFor(int* done, int sent)
    {
        long end = Environment.TickCount64 + PatienceMilliseconds;
        while (Volatile.Read(ref *done) < sent)
        {
            if (Environment.TickCount64 > end) return Volatile.Read(ref *done) >= sent;
            Thread.Sleep(0);
        }
        return true;
    }

    /// <summary>The innermost of a thread's numbers (proc_pid_status(5), NSpid).</summary>
    /// <returns>ENOENT or ESRCH for a thread that has ended.</returns>
    private SysResult Translate(int shown)
    {
        const string name = "NSpid:";
        if (_own is null) return new SysResult(shown);
        if (_own.TryGetValue(shown, out int known)) return new SysResult(known);
        SysResult opened = Descriptor.OpenFile(_tasks.AsRaw, $"{shown}/status", OpenFlags.O_RDONLY);
        if (!opened.IsOk) return opened;
        using var status = new StreamReader(new FileStream(new SafeFileHandle(opened.Raw, ownsHandle: true), FileAccess.Read));
        while (status.ReadLine() is string line)
        {
            if (!line.StartsWith(name, StringComparison.Ordinal)) continue;
            if (!int.TryParse(line.Split('\t')[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int own)) break;
            _own.Add(shown, own);
            return new SysResult(own);
        }
        return SysResult.Failure(Errno.EINVAL);
    }

    /// <summary>The numbers of all threads, read from the open directory (getdents64(2)).</summary>
    private List<int> Threads()
    {
        const int lengthOffset = 16, nameOffset = 19; // struct linux_dirent64
        var threads = new List<int>();
        _ = Libc.Call(Syscalls.lseek, _tasks.Value, 0, 0);
        byte[] buffer = new byte[4096];
        fixed (byte* p = buffer) // pinned for the calls
        {
            while (Libc.Call(Syscalls.getdents64, _tasks.Value, (nint)p, buffer.Length).Raw is int length and > 0)
            {
                ReadOnlySpan<byte> rest = buffer.AsSpan(0, length);
                for (; !rest.IsEmpty; rest = rest[BinaryPrimitives.ReadUInt16LittleEndian(rest[lengthOffset..])..])
                    if (int.TryParse(CString.Decode(rest[nameOffset..]), NumberStyles.None, CultureInfo.InvariantCulture, out int thread))
                        threads.Add(thread);
            }
        }
        return threads;
    }

    /// <summary>Two words that the instructions write.</summary>
    private static class Results
    {
        /// <summary>How many threads have been through.</summary>
        internal const int Done = 0;

        /// <summary>Minus errno of a call that was refused and may not be.</summary>
        internal const int Refusal = 1;

        internal const nuint Length = 4096;
    }

    private static byte[] Translate(IReadOnlyList<PreparedCall> calls, int* results, out int restorer)
    {
        var code = new MachineCode();
        foreach (PreparedCall call in calls)
        {
            code.Call(call.Call, call.A, call.B, call.C);
            if (call.MayFail) continue;
            code.Load(Register.Rcx, (nint)(results + Results.Refusal));
            code.Add(0x85, 0xc0); // test eax, eax
            code.Add(0x79, 0x02); // jns over the next
            code.Add(0x89, 0x01); // mov [rcx], eax
        }
        code.Load(Register.Rcx, (nint)(results + Results.Done));
        code.Add(0xf0, 0xff, 0x01); // lock inc dword [rcx]
        code.Add(0xc3); // ret, into the restorer
        restorer = code.Length;
        code.Call(Syscalls.rt_sigreturn);
        return code.ToArray();
    }
}
