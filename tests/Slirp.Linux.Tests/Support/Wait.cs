using Xunit;

namespace Slirp.Linux.Tests.Support;

/// <summary>Waits for a descriptor, with a limit that only a failure reaches.</summary>
internal static class Wait
{
    internal static void For<T>(T descriptor, PollEvents events = PollEvents.POLLIN) where T : struct, IDescriptor
    {
        Assert.Equal(1, Descriptor.Poll(descriptor, events, 60_000, out PollEvents ready).Raw);
        Assert.NotEqual(PollEvents.None, ready & (events | PollEvents.POLLERR | PollEvents.POLLHUP));
    }
}
