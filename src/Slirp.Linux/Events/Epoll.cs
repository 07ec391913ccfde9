using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>An epoll instance. Adding, changing and removing may be done from any thread; one thread waits.</summary>
public sealed unsafe class Epoll : IDisposable
{
    private const int PackedSize = 12; // struct epoll_event on x86-64; elsewhere it is 16 and naturally aligned
    private const int NaturalSize = 16;
    internal static readonly bool IsPacked = RuntimeInformation.ProcessArchitecture == Architecture.X64;

    private readonly OwnedFd _owned;
    private readonly int _fd; // read per wait: the owner's own checks are for set-up
    private bool _hasNanosecondWait = true; // epoll_pwait2 is in Linux 5.11 and later: until it says ENOSYS

    public Epoll()
    {
        _owned = Libc.Result(Libc.epoll_create1((int)OpenFlags.O_CLOEXEC)).OwnedOrThrow("epoll_create1", "a new epoll instance");
        _fd = _owned.Value;
    }

    public SysResult Add<T>(T descriptor, EpollEvents events, ulong data) where T : struct, IDescriptor =>
        Control(EpollOperation.EPOLL_CTL_ADD, descriptor.Value, events, data);

    public SysResult Modify<T>(T descriptor, EpollEvents events, ulong data) where T : struct, IDescriptor =>
        Control(EpollOperation.EPOLL_CTL_MOD, descriptor.Value, events, data);

    /// <summary>Sleeps until something is ready. A wait cut short by a signal reports nothing ready.</summary>
    /// <param name="events">Filled from the front; its length bounds the batch.</param>
    /// <param name="timeoutMilliseconds">-1 waits without end. 0 does not sleep and costs no transition.</param>
    /// <returns>How many events came.</returns>
    public SysResult Wait(Span<EpollEvent> events, int timeoutMilliseconds)
    {
        if (timeoutMilliseconds == 0) return Poll(events);
        fixed (EpollEvent* p = events) // pinned: the kernel writes here while the thread sleeps
        {
            int count = Libc.epoll_wait(_fd, p, events.Length, timeoutMilliseconds);
            return count >= 0 ? Spread((byte*)p, count) : Interrupted(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>As <see cref="Wait"/>, with the time-out in nanoseconds; a kernel before 5.11 rounds it up to milliseconds.</summary>
    /// <param name="events">As for <see cref="Wait"/>.</param>
    /// <param name="timeoutNanoseconds">Negative waits without end.</param>
    public SysResult WaitNanoseconds(Span<EpollEvent> events, long timeoutNanoseconds)
    {
        if (timeoutNanoseconds == 0) return Poll(events);
        if (timeoutNanoseconds < 0) return Wait(events, -1);
        if (!_hasNanosecondWait) return Wait(events, RoundUpToMilliseconds(timeoutNanoseconds));
        var timeout = new timespec { tv_sec = timeoutNanoseconds / 1_000_000_000, tv_nsec = timeoutNanoseconds % 1_000_000_000 };
        fixed (EpollEvent* p = events) // pinned, as above; timeout is on this stack
        {
            nint count = Libc.syscall(Syscalls.epoll_pwait2.Number, _fd, (nint)p, events.Length, (nint)(&timeout), 0, 0);
            if (count >= 0) return Spread((byte*)p, (int)count);
        }
        int errno = Marshal.GetLastPInvokeError();
        if (errno is not ((int)Errno.ENOSYS or (int)Errno.EPERM)) return Interrupted(errno);
        _hasNanosecondWait = false; // EPERM: a seccomp filter of somebody else's that does not know the call
        return Wait(events, RoundUpToMilliseconds(timeoutNanoseconds));
    }

    /// <summary>What is ready now, without sleeping.</summary>
    public SysResult Poll(Span<EpollEvent> events)
    {
        fixed (EpollEvent* p = events) // pinned for the call
        {
            SysResult result = LibcNoTransition.Result(LibcNoTransition.epoll_wait(_fd, p, events.Length, 0));
            return result.IsOk ? Spread((byte*)p, result.Raw) : Interrupted((int)result.Errno);
        }
    }

    public void Dispose() => _owned.Dispose();

    private SysResult Control(EpollOperation operation, int fd, EpollEvents events, ulong data)
    {
        byte* buffer = stackalloc byte[NaturalSize];
        Unsafe.WriteUnaligned(buffer, (uint)events);
        Unsafe.WriteUnaligned(buffer + (IsPacked ? 4 : 8), data);
        return LibcNoTransition.Result(LibcNoTransition.epoll_ctl(_fd, (int)operation, fd, buffer));
    }

    /// <summary>Moves <paramref name="count"/> packed entries to their places in an array of <see cref="EpollEvent"/>,
    /// last first: entry i's place begins at 16 i, past the end of every packed entry before it.</summary>
    private static SysResult Spread(byte* entries, int count)
    {
        if (IsPacked)
        {
            for (int i = count - 1; i >= 0; i--)
            {
                var events = Unsafe.ReadUnaligned<uint>(entries + i * PackedSize);
                var data = Unsafe.ReadUnaligned<ulong>(entries + i * PackedSize + 4);
                ((EpollEvent*)entries)[i] = new EpollEvent((EpollEvents)events, data);
            }
        }
        return new SysResult(count);
    }

    private static SysResult Interrupted(int errno) => errno == (int)Errno.EINTR ? new SysResult(0) : new SysResult(-errno);

    private static int RoundUpToMilliseconds(long nanoseconds) => (int)Math.Min((nanoseconds + 999_999) / 1_000_000, int.MaxValue);
}

internal enum EpollOperation
{
    EPOLL_CTL_ADD = 1,
    EPOLL_CTL_MOD = 3,
}
