using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>A point in time that epoll can wait for (timerfd_create(2), CLOCK_MONOTONIC).</summary>
public sealed unsafe class Alarm : IDisposable
{
    private const int TFD_TIMER_ABSTIME = 1;
    private readonly OwnedFd _owned;

    public Alarm()
    {
        int flags = (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // TFD_CLOEXEC and TFD_NONBLOCK are the same bits
        _owned = Libc.Result(Libc.timerfd_create((int)ClockId.CLOCK_MONOTONIC, flags)).OwnedOrThrow("timerfd_create", "an alarm");
    }

    public TimerFd Fd => new(_owned.Value);

    /// <summary>Becomes readable at this time of <see cref="MonotonicClock"/>, at once if it is past. 0 cancels.</summary>
    public void Set(long atNanoseconds)
    {
        var value = new itimerspec
        {
            it_value = new timespec { tv_sec = atNanoseconds / 1_000_000_000, tv_nsec = atNanoseconds % 1_000_000_000 },
        };
        _ = Libc.Result(Libc.timerfd_settime(_owned.Value, TFD_TIMER_ABSTIME, &value, null)).OrThrow("timerfd_settime", "an alarm");
    }

    /// <returns>True if the time has come since it was last set or asked.</returns>
    public bool TakeExpiry()
    {
        ulong count;
        return LibcNoTransition.read(_owned.Value, &count, sizeof(ulong)) == sizeof(ulong);
    }

    public void Dispose() => _owned.Dispose();
}
