using Slirp.Core;
using Slirp.Core.Memory;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Linux;

namespace Slirp.Host;

/// <summary>Gives memory back to the system after a peak: what was not used for one period, and not before.</summary>
/// <remarks>The timer runs only while there is something to give back, so an idle process is left asleep.</remarks>
internal sealed class PoolTrimmer(FramePool pool, TimerWheel timers) : IEngine
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);
    private static readonly EventTarget Target = new(EventKind.PoolTrim, 0, 0);

    private TimerHandle _timer;

    /// <summary>To be called now and then: the timer is set if it is needed.</summary>
    public void Watch(Instant now)
    {
        if (!_timer.IsSet && pool.WantsTrim) timers.Schedule(ref _timer, Target, now + Period);
    }

    public void OnTimer(EventTarget target, Instant now)
    {
        _timer = default;
        pool.Trim(MemoryPages.Release);
    }
}
