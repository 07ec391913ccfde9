using System.Runtime.InteropServices;
using Slirp.Linux.Native;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Linux.Events;

/// <summary>Who sent a signal.</summary>
public enum SignalOrigin
{
    /// <summary>Nobody: it has not come.</summary>
    None,

    /// <summary>The kernel, to a whole process group for what is typed at its terminal.</summary>
    Kernel,

    /// <summary>A process, maybe beside the kernel.</summary>
    Process,

    /// <summary>Cannot be told on this machine.</summary>
    Unknown,
}

/// <summary>Signals as descriptors that epoll can wait for, whichever thread the kernel gives them to.</summary>
/// <remarks>
/// <para><b>Model.</b> Each signal has an eventfd, and a handler of a few machine instructions that adds to it, by who
/// sent the signal. .NET's own way
/// (PosixSignalRegistration) starts a thread for each signal that comes, and where none can be started, for the user's
/// limit of processes is used up, it ends this process; a queue (signalfd(2)) wants the signal blocked in every thread, and
/// those that the runtime has before Main cannot be told. Where machine code cannot be (another architecture, memory that
/// may not become executable) it is done in .NET's way.</para>
/// <para><b>Invariants.</b> Nothing is taken back: the handlers and what they write to live as long as the process, so that a
/// signal in its last instants cannot make another end of it. A signal of the terminal that is ignored when this program
/// starts stays ignored (nohup(1)), as the runtime has it.</para>
/// <para><b>Sources.</b> signal(7), rt_sigaction(2), eventfd(2).</para>
/// </remarks>
public sealed unsafe class SignalWatch
{
    private const nuint PageLength = 4096;

    /// <summary>What the handler adds to the eventfd, by who sent the signal.</summary>
    private const ulong FromKernel = 1, FromProcess = 1UL << 32;

    private static readonly List<object> Kept = []; // what nobody holds is taken back

    private readonly Dictionary<int, Wakeup> _taken = [];
    private readonly bool _knowsOrigin;

    /// <exception cref="LinuxException">No descriptor, memory or thread for it.</exception>
    public SignalWatch(params ReadOnlySpan<int> signals)
    {
        foreach (int signal in signals)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(signal, 1, nameof(signals));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(signal, 31, nameof(signals));
            if (signal is SIGHUP or SIGINT or SIGQUIT && SignalDisposition.IsIgnored(signal)) continue;
            _taken.Add(signal, new Wakeup());
        }
        Kept.Add(this);
        _knowsOrigin = MachineCode.IsSupported && TryInstall();
        if (_knowsOrigin) return;
        foreach ((int signal, Wakeup wakeup) in _taken) Kept.Add(RegisterWithRuntime(signal, wakeup));
    }

    /// <summary>The signals that are taken, each with what becomes readable (EPOLLIN) when it comes.</summary>
    public IEnumerable<(int Signal, EventFd Fd)> Descriptors
    {
        get
        {
            foreach ((int signal, Wakeup wakeup) in _taken) yield return (signal, wakeup.Fd);
        }
    }

    /// <returns>Whether the signal has come since the last call, once or more often, and from whom.</returns>
    public SignalOrigin Take(int signal) => (_taken.TryGetValue(signal, out Wakeup? wakeup) ? wakeup.TakeCount() : 0) switch
    {
        0 => SignalOrigin.None,
        _ when !_knowsOrigin => SignalOrigin.Unknown,
        >= FromProcess => SignalOrigin.Process,
        _ => SignalOrigin.Kernel,
    };

    /// <returns>False if memory may not become executable here.</returns>
    private bool TryInstall()
    {
        var page = (byte*)Libc.MapPrivate(PageLength);
        ulong* added = (ulong*)page;
        (added[0], added[1]) = (FromProcess, FromKernel);
        var code = new MachineCode();
        var starts = new List<(int Signal, int Offset)>();
        foreach ((int signal, Wakeup wakeup) in _taken)
        {
            starts.Add((signal, code.Length));
            code.Add(0x8b, 0x46, 0x08); // mov eax, [rsi + 8]: si_code, which is positive if the kernel is the sender
            code.Load(Register.Rdi, wakeup.Fd.Value);
            code.Load(Register.Rsi, (nint)added);
            code.Load(Register.Rdx, sizeof(ulong));
            code.Add(0x85, 0xc0); // test eax, eax
            code.Add(0x7e, 0x04); // jle over the next
            code.Add(0x48, 0x83, 0xc6, sizeof(ulong)); // add rsi, 8: FromKernel
            code.CallWithLoaded(Syscalls.write);
            code.Add(0xc3); // ret, into the restorer
        }
        int restorer = code.Length;
        code.Call(Syscalls.rt_sigreturn);
        byte* first = page + 2 * sizeof(ulong);
        code.ToArray().CopyTo(new Span<byte>(first, (int)PageLength - 2 * sizeof(ulong)));
        if (!Libc.MakeExecutable(page, PageLength).IsOk)
        {
            Libc.Unmap(page, PageLength);
            return false;
        }
        foreach ((int signal, int offset) in starts)
            _ = SignalDisposition.SetHandler(signal, first + offset, first + restorer, out _).OrThrow("rt_sigaction", $"signal {signal}");
        return true;
    }

    /// <summary>The first one starts the runtime's signal thread, which needs a pipe, memory and a process number.</summary>
    private static PosixSignalRegistration RegisterWithRuntime(int signal, Wakeup wakeup)
    {
        PosixSignal named = signal switch
        {
            SIGHUP => PosixSignal.SIGHUP,
            SIGINT => PosixSignal.SIGINT,
            SIGQUIT => PosixSignal.SIGQUIT,
            SIGTERM => PosixSignal.SIGTERM,
            _ => (PosixSignal)signal, // it takes the kernel's own numbers too
        };
        try
        {
            return PosixSignalRegistration.Create(named, context =>
            {
                context.Cancel = true; // the runtime would end the process itself
                wakeup.Signal();
            });
        }
        catch (Exception e) when ((e.GetBaseException() as IOException)?.HResult is int errno) // as the runtime has it of the kernel
        {
            throw new LinuxException("pthread_create", "the thread that takes signals", (Errno)errno,
                "a limit on descriptors, processes or memory was reached (ulimit -Hn, -u, -v)");
        }
    }
}
