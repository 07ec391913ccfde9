namespace Slirp.Linux.Namespaces;

/// <summary>The descriptors that a child passes out of a namespace, as they come.</summary>
internal sealed class BornDescriptors : IDisposable
{
    private readonly List<OwnedFd> _queues = [];
    private OwnedFd? _netlink, _diagnosis;

    internal OwnedFd[] TakeQueues()
    {
        OwnedFd[] all = _queues.ToArray();
        _queues.Clear();
        return all;
    }

    internal OwnedFd? TakeNetlink()
    {
        OwnedFd? netlink = _netlink;
        _netlink = null;
        return netlink;
    }

    internal OwnedFd? TakeDiagnosis()
    {
        OwnedFd? diagnosis = _diagnosis;
        _diagnosis = null;
        return diagnosis;
    }

    /// <summary>Collects descriptors until the child says something else.</summary>
    /// <returns>What it said, or None if it is gone.</returns>
    internal ChildMessage Collect(ChildChannel channel)
    {
        while (channel.Receive(-1, out ChildMessage message, out OwnedFd? descriptor) == ChildChannel.Outcome.Message)
        {
            switch (message)
            {
                case ChildMessage.TapQueue when descriptor is not null:
                    _queues.Add(descriptor);
                    break;
                case ChildMessage.Netlink when descriptor is not null:
                    _netlink?.Dispose();
                    _netlink = descriptor;
                    break;
                case ChildMessage.Diagnosis when descriptor is not null:
                    _diagnosis?.Dispose();
                    _diagnosis = descriptor;
                    break;
                default:
                    descriptor?.Dispose();
                    return message;
            }
        }
        return ChildMessage.None;
    }

    public void Dispose()
    {
        foreach (OwnedFd queue in _queues) queue.Dispose();
        _queues.Clear();
        _netlink?.Dispose();
        _netlink = null;
        _diagnosis?.Dispose();
        _diagnosis = null;
    }
}
