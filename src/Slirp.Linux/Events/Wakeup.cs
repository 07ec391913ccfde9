using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>Lets any thread end another's epoll_wait (eventfd(2)). Many calls before the sleeper looks are one.</summary>
public sealed unsafe class Wakeup : IDisposable
{
    private readonly OwnedFd _owned;
    private readonly int _fd;

    public Wakeup()
    {
        int flags = (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // EFD_CLOEXEC and EFD_NONBLOCK are the same bits
        _owned = Libc.Result(Libc.eventfd(0, flags)).OwnedOrThrow("eventfd", "a wake-up counter");
        _fd = _owned.Value;
    }

    /// <summary>Readable (EPOLLIN) while signalled.</summary>
    public EventFd Fd => new(_fd);

    /// <summary>Cannot block: a counter that is full is signalled already.</summary>
    public void Signal()
    {
        ulong one = 1;
        _ = LibcNoTransition.write(_fd, &one, sizeof(ulong));
    }

    /// <returns>True if it was signalled since the last call.</returns>
    public bool TakeSignal() => TakeCount() > 0;

    /// <returns>The sum of what was added to the counter since the last call: one by each <see cref="Signal"/>.</returns>
    internal ulong TakeCount()
    {
        ulong count;
        return LibcNoTransition.read(_fd, &count, sizeof(ulong)) == sizeof(ulong) ? count : 0;
    }

    public void Dispose() => _owned.Dispose();
}
