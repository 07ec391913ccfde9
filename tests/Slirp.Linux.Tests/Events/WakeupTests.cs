using System.Diagnostics;
using Slirp.Linux.Events;
using Slirp.Linux.Native;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Events;

public class WakeupTests
{
    [Fact]
    public void Many_signals_are_one()
    {
        using var wakeup = new Wakeup();
        Assert.False(wakeup.TakeSignal());
        for (int i = 0; i < 1000; i++) wakeup.Signal();
        Assert.True(wakeup.TakeSignal());
        Assert.False(wakeup.TakeSignal());
    }

    [Fact]
    public void Another_thread_ends_a_sleep_without_end()
    {
        using var epoll = new Epoll();
        using var wakeup = new Wakeup();
        _ = epoll.Add(wakeup.Fd, EpollEvents.EPOLLIN, 5);
        var other = new Thread(wakeup.Signal);
        other.Start();
        Assert.Equal(1, epoll.Wait(new EpollEvent[1], -1).Raw);
        other.Join();
    }

    [Fact]
    public void An_alarm_for_the_past_is_readable_at_once_and_one_that_is_cancelled_is_not()
    {
        using var alarm = new Alarm();
        alarm.Set(MonotonicClock.Nanoseconds - 1);
        Wait.For(alarm.Fd);
        Assert.True(alarm.TakeExpiry());
        Assert.False(alarm.TakeExpiry());
        alarm.Set(MonotonicClock.Nanoseconds + 3_600_000_000_000);
        Assert.Equal(0, Descriptor.Poll(alarm.Fd, PollEvents.POLLIN, 0, out _).Raw);
        alarm.Set(1);
        Wait.For(alarm.Fd);
        alarm.Set(0);
        Assert.False(alarm.TakeExpiry());
    }

    [Fact]
    public void The_end_of_a_process_is_seen_and_a_later_signal_finds_nobody()
    {
        using Process process = Process.Start(new ProcessStartInfo("sleep", ["1000"]))!;
        using ProcessWatch watch = ProcessWatch.Open(process.Id);
        Assert.False(watch.HasEnded);
        Assert.True(watch.Signal(9).IsOk);
        Wait.For(watch.Fd);
        Assert.True(watch.HasEnded);
        process.WaitForExit();
        Assert.Equal(Errno.ESRCH, watch.Signal(9).Errno);
        var e = Assert.Throws<LinuxException>(() => ProcessWatch.Open(process.Id));
        Assert.Equal(Errno.ESRCH, e.Errno);
    }

    [Fact]
    public void The_clock_is_the_one_of_the_framework_s_stopwatch()
    {
        long before = Stopwatch.GetTimestamp();
        long now = MonotonicClock.Nanoseconds;
        Assert.InRange(now, before, Stopwatch.GetTimestamp());
    }
}
