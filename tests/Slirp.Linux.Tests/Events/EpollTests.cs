using Slirp.Linux.Events;
using Xunit;

namespace Slirp.Linux.Tests.Events;

public class EpollTests
{
    [Fact]
    public void Events_of_several_descriptors_come_with_their_own_payload()
    {
        using var epoll = new Epoll();
        var wakeups = new Wakeup[7];
        for (int i = 0; i < wakeups.Length; i++)
        {
            wakeups[i] = new Wakeup();
            Assert.True(epoll.Add(wakeups[i].Fd, EpollEvents.EPOLLIN | EpollEvents.EPOLLET, 0x1122334455667700ul + (ulong)i).IsOk);
        }
        var events = new EpollEvent[16];
        Assert.Equal(0, epoll.Poll(events).Raw);
        foreach (Wakeup wakeup in wakeups) wakeup.Signal();
        Assert.Equal(7, epoll.Wait(events, -1).Raw);
        Assert.Equal(Enumerable.Range(0, 7).Select(i => 0x1122334455667700ul + (ulong)i), events[..7].Select(one => one.Data).Order());
        Assert.All(events[..7], one => Assert.Equal(EpollEvents.EPOLLIN, one.Events));
        Assert.Equal(0, epoll.Wait(events, 0).Raw); // edges are told once
        foreach (Wakeup wakeup in wakeups) wakeup.Dispose();
    }

    [Fact]
    public void The_batch_is_bounded_by_the_span_and_nothing_is_written_past_it()
    {
        using var epoll = new Epoll();
        using Wakeup first = new(), second = new();
        _ = epoll.Add(first.Fd, EpollEvents.EPOLLIN, 1);
        _ = epoll.Add(second.Fd, EpollEvents.EPOLLIN, 2);
        first.Signal();
        second.Signal();
        var events = new EpollEvent[3];
        events[1] = new EpollEvent(EpollEvents.EPOLLPRI, ulong.MaxValue);
        Assert.Equal(1, epoll.Wait(events.AsSpan(0, 1), -1).Raw);
        Assert.Equal((EpollEvents.EPOLLPRI, ulong.MaxValue), (events[1].Events, events[1].Data));
        Assert.Equal(Errno.EINVAL, epoll.Wait([], -1).Errno);
    }

    [Fact]
    public void A_wait_in_nanoseconds_ends_by_itself_and_a_change_of_payload_is_seen()
    {
        using var epoll = new Epoll();
        using var wakeup = new Wakeup();
        _ = epoll.Add(wakeup.Fd, EpollEvents.EPOLLIN, 1);
        var events = new EpollEvent[1];
        long start = MonotonicClock.Nanoseconds;
        Assert.Equal(0, epoll.WaitNanoseconds(events, 2_000_000).Raw);
        Assert.InRange(MonotonicClock.Nanoseconds - start, 2_000_000, long.MaxValue);
        wakeup.Signal();
        _ = epoll.Modify(wakeup.Fd, EpollEvents.EPOLLIN, 99);
        Assert.Equal(1, epoll.WaitNanoseconds(events, -1).Raw);
        Assert.Equal(99ul, events[0].Data);
    }

    [Fact]
    public void What_is_wrong_with_a_descriptor_is_told()
    {
        using var epoll = new Epoll();
        using var wakeup = new Wakeup();
        Assert.Equal(Errno.ENOENT, epoll.Modify(wakeup.Fd, EpollEvents.EPOLLIN, 1).Errno);
        Assert.True(epoll.Add(wakeup.Fd, EpollEvents.EPOLLIN, 1).IsOk);
        Assert.Equal(Errno.EEXIST, epoll.Add(wakeup.Fd, EpollEvents.EPOLLIN, 1).Errno);
        Assert.Equal(Errno.EBADF, epoll.Add(new RawFd(999_999), EpollEvents.EPOLLIN, 1).Errno);
    }
}
