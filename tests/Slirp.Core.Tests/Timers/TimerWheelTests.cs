using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Timers;

public sealed class TimerWheelTests
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    private static EventTarget Target(int n) => new(EventKind.TcpFlow, n, 0);

    private static List<int> TakeDue(TimerWheel wheel, Instant now)
    {
        var fired = new List<int>();
        while (wheel.TryTakeDue(now, out EventTarget target)) fired.Add(target.Index);
        return fired;
    }

    /// <summary>Random schedules against a sorted list: never early, late by less than a tick, each exactly once.</summary>
    [Theory]
    [InlineData(300, 5)] // within the lowest level
    [InlineData(70_000, 100)] // across the second
    [InlineData(30_000_000, 20_000)] // 8 hours: beyond the horizon
    public void It_agrees_with_a_sorted_list(int farthestMilliseconds, int longestStepMilliseconds)
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        var handles = new TimerHandle[500];
        var due = new Dictionary<int, Instant>();
        for (int step = 0; step < 2_000; step++)
        {
            for (int i = random.Next(10); i > 0; i--)
            {
                int n = random.Next(handles.Length);
                if (due.ContainsKey(n) && random.Next(3) == 0)
                {
                    wheel.Cancel(ref handles[n]);
                    due.Remove(n);
                    continue;
                }
                // Exponential, so that near and far deadlines meet; sometimes in the past.
                double milliseconds = Math.Min(farthestMilliseconds, Math.Pow(farthestMilliseconds, random.NextDouble())) - 1;
                Instant at = clock.Now + TimeSpan.FromMilliseconds(milliseconds);
                wheel.Schedule(ref handles[n], Target(n), at);
                due[n] = at;
            }
            Assert.True(due.Count == wheel.Count, $"seed {seed}, step {step}: {wheel.Count} timers, {due.Count} expected");
            clock.AdvanceMilliseconds(random.NextDouble() * longestStepMilliseconds);
            foreach (int n in TakeDue(wheel, clock.Now))
            {
                Assert.True(due.Remove(n, out Instant at), $"seed {seed}, step {step}: timer {n} fired uncalled");
                Assert.True(at <= clock.Now, $"seed {seed}, step {step}: {(at - clock.Now).TotalMilliseconds} ms early");
                handles[n] = default;
            }
            foreach ((int n, Instant at) in due)
                Assert.True(clock.Now - at < Tick + Tick, $"seed {seed}, step {step}: timer {n} is {clock.Now - at} late");
        }
    }

    /// <summary>Sleeping until NextWake, and no longer, misses nothing; nor does it wake for nothing often.</summary>
    [Theory]
    [InlineData(10)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(5_000)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    [InlineData(7_200_000)]
    [InlineData(50_000_000)]
    public void Whoever_sleeps_until_next_wake_is_on_time(int milliseconds)
    {
        int phaseStep = milliseconds > 1_000_000 ? 299 : 37; // the wheel walks every tick of a long sleep
        for (int phase = 0; phase < 300; phase += phaseStep)
        {
            var clock = new FakeClock();
            clock.AdvanceMilliseconds(phase + 0.5);
            var wheel = new TimerWheel(clock.Now);
            TimerHandle handle = default;
            Instant due = clock.Now + TimeSpan.FromMilliseconds(milliseconds);
            wheel.Schedule(ref handle, Target(1), due);
            int wakes = 0;
            while (true)
            {
                Instant wake = wheel.NextWake();
                Assert.True(wake <= due + Tick + Tick, $"phase {phase}: would sleep {(wake - due).TotalMilliseconds} ms too long");
                if (wake > clock.Now) clock.Advance(wake - clock.Now);
                Assert.True(++wakes < 2_000, "wakes for ever");
                if (TakeDue(wheel, clock.Now).Count > 0) break;
            }
            Assert.True(clock.Now >= due);
            Assert.Equal(Instant.Never, wheel.NextWake());
        }
    }

    /// <summary>A timer of a higher level may come before one of the lowest.</summary>
    [Fact]
    public void A_near_timer_does_not_hide_one_that_is_nearer_but_was_set_long_ago()
    {
        var wheel = new TimerWheel(default);
        TimerHandle old = default, recent = default;
        wheel.Schedule(ref old, Target(1), default(Instant) + 260 * Tick);
        Assert.Empty(TakeDue(wheel, default(Instant) + 250 * Tick));
        wheel.Schedule(ref recent, Target(2), default(Instant) + 400 * Tick);
        Assert.True(wheel.NextWake() <= default(Instant) + 260 * Tick, $"would sleep until {wheel.NextWake().Milliseconds} ms");
    }

    [Fact]
    public void A_deadline_in_the_past_fires_at_the_next_tick_and_not_now()
    {
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        TimerHandle handle = default;
        wheel.Schedule(ref handle, Target(1), default);
        Assert.Empty(TakeDue(wheel, clock.Now)); // else a timer that sets itself again would hold the loop
        clock.Advance(Tick);
        Assert.Equal([1], TakeDue(wheel, clock.Now));
    }

    [Fact]
    public void Moving_a_timer_leaves_one()
    {
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        TimerHandle handle = default;
        for (int i = 1; i <= 1_000; i++) wheel.Schedule(ref handle, Target(1), clock.Now + TimeSpan.FromMilliseconds(i * 700));
        Assert.Equal(1, wheel.Count);
        clock.AdvanceSeconds(699);
        Assert.Empty(TakeDue(wheel, clock.Now));
        clock.AdvanceSeconds(2);
        Assert.Equal([1], TakeDue(wheel, clock.Now));
    }

    [Fact]
    public void A_cancelled_timer_is_gone_and_cancelling_none_is_nothing()
    {
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        TimerHandle handle = default;
        wheel.Cancel(ref handle);
        wheel.Schedule(ref handle, Target(1), clock.Now + Tick);
        wheel.Cancel(ref handle);
        wheel.Cancel(ref handle);
        Assert.False(handle.IsSet);
        Assert.Equal(0, wheel.Count);
        clock.AdvanceSeconds(1);
        Assert.Empty(TakeDue(wheel, clock.Now));
    }

    [Fact]
    public void A_long_sleep_without_timers_costs_nothing_later()
    {
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        clock.AdvanceSeconds(400 * 86_400.0);
        Assert.Empty(TakeDue(wheel, clock.Now));
        TimerHandle handle = default;
        wheel.Schedule(ref handle, Target(1), clock.Now + Tick);
        clock.Advance(Tick + Tick);
        Assert.Equal([1], TakeDue(wheel, clock.Now));
    }

    [Fact]
    public void Timers_may_be_set_while_others_fire()
    {
        var clock = new FakeClock();
        var wheel = new TimerWheel(clock.Now);
        var handles = new TimerHandle[100];
        for (int i = 0; i < handles.Length; i++) wheel.Schedule(ref handles[i], Target(i), clock.Now + Tick);
        int fired = 0;
        for (int turn = 0; turn < 50; turn++)
        {
            clock.AdvanceMilliseconds(300);
            while (wheel.TryTakeDue(clock.Now, out EventTarget target))
            {
                fired++;
                handles[target.Index] = default;
                wheel.Schedule(ref handles[target.Index], target, clock.Now + TimeSpan.FromMilliseconds(260));
            }
        }
        Assert.Equal(50 * 100, fired);
    }
}
