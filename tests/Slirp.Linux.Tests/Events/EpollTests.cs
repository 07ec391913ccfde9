using Slirp.Linux.Events;
using Xunit;

namespace Slirp.Linux.Tests.Events;

public class EpollTests
{
    [Fact]
    public void Events_of_several_descriptors_come_with_their_own_payload()
    {
        using var epoll = new Epoll();
        Descriptor.OpenPipe(out OwnedFd firstRead, out OwnedFd firstWrite, nonBlocking: true);
        Descriptor.OpenPipe(out OwnedFd secondRead, out OwnedFd secondWrite, nonBlocking: true);
        using OwnedFd r1 = firstRead, w1 = firstWrite, r2 = secondRead, w2 = secondWrite;
        Assert.True(epoll.Add(r1.AsRaw, EpollEvents.EPOLLIN | EpollEvents.EPOLLET, 0x1122334455667788).IsOk);
        Assert.True(epoll.Add(r2.AsRaw, EpollEvents.EPOLLIN | EpollEvents.EPOLLET, 0x99aabbccddeeff00).IsOk);
        var events = new EpollEvent[8];
        Assert.Equal(0, epoll.Poll(events).Raw);
        Assert.Equal(0, epoll.WaitNanoseconds(events, 1000).Raw);
        _ = Descriptor.Write(w1.AsRaw, [1]);
        _ = Descriptor.Write(w2.AsRaw, [1]);
        Assert.Equal(2, epoll.Wait(events, -1).Raw);
        Assert.Equal(new ulong[] { 0x1122334455667788, 0x99aabbccddeeff00 }, new[] { events[0].Data, events[1].Data }.Order());
        Assert.Equal(EpollEvents.EPOLLIN, events[0].Events);
    }
}
