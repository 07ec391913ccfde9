using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>CLOCK_MONOTONIC: never set back, does not count time asleep. Read in user space (vDSO), some 25 ns.</summary>
public static class MonotonicClock
{
    /// <summary>Nanoseconds since an arbitrary point, the same for all processes until the machine restarts.</summary>
    public static unsafe long Nanoseconds
    {
        get
        {
            timespec now;
            _ = LibcNoTransition.clock_gettime((int)ClockId.CLOCK_MONOTONIC, &now); // cannot fail for this clock
            return now.tv_sec * 1_000_000_000L + now.tv_nsec;
        }
    }
}

internal enum ClockId
{
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
}
