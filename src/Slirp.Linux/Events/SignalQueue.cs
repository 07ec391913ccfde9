using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>Signals as a descriptor that epoll can wait for (signalfd(2)).</summary>
/// <remarks>A signal is queued only while every thread blocks it: where one does not, the kernel delivers it there, by
/// its disposition. A mask belongs to a thread and is inherited by the threads it starts, and a .NET process has threads
/// before Main whose masks nothing can change. So this serves signals whose default is to be ignored (SIGCHLD, SIGWINCH),
/// which a thread that does not block them discards only when it is chosen; and any signal in a program that was
/// started with it blocked. For SIGTERM, SIGINT, SIGHUP and SIGQUIT use PosixSignalRegistration, which .NET handles on
/// all threads, with a handler that calls <see cref="Wakeup.Signal"/>.</remarks>
public sealed unsafe class SignalQueue : IDisposable
{
    private const int SIG_BLOCK = 0;
    private readonly OwnedFd _owned;

    /// <param name="signals">Blocked in the calling thread, and so in all that it starts from here on.</param>
    public SignalQueue(params ReadOnlySpan<int> signals)
    {
        ulong set = 0;
        foreach (int signal in signals)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(signal, 1, nameof(signals));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(signal, 64, nameof(signals));
            set |= 1ul << (signal - 1);
        }
        _ = Libc.Call(Syscalls.rt_sigprocmask, SIG_BLOCK, (nint)(&set), 0, sizeof(ulong)).OrThrow("rt_sigprocmask", "this thread");
        int flags = (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // SFD_CLOEXEC and SFD_NONBLOCK are the same bits
        _owned = Libc.Call(Syscalls.signalfd4, -1, (nint)(&set), sizeof(ulong), flags).OwnedOrThrow("signalfd4", "a signal queue");
    }

    public SignalFd Fd => new(_owned.Value);

    /// <returns>A signal's number, or 0 if none is queued.</returns>
    public int Take()
    {
        Span<byte> octets = stackalloc byte[Unsafe.SizeOf<signalfd_siginfo>()];
        SysResult read = Descriptor.Read(Fd, octets);
        return read.Raw == octets.Length ? (int)MemoryMarshal.Read<signalfd_siginfo>(octets).ssi_signo : 0;
    }

    public void Dispose() => _owned.Dispose();
}
