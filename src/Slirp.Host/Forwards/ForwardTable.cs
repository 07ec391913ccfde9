using Slirp.Core.Network;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>The forwards that stand: added, listed and removed from any thread but the worker's.</summary>
/// <remarks>
/// <para><b>Model.</b> Whoever asks for a forward does the work: opens its sockets, registers them with the worker's epoll,
/// and closes them. The worker is told of a forward by one message before its first event, and by another before its
/// sockets close; both cost it the same for one port and for thousands. So ten thousand ports do not delay a frame.</para>
/// <para><b>Invariants.</b> A forward stands with all its ports or not at all. While the worker knows a forward, its
/// sockets are open. Ids rise from 1 and are never used again, failed attempts not counted.</para>
/// </remarks>
public sealed class ForwardTable(Worker worker, NetworkPlan plan) : IForwards, IDisposable
{
    private const EpollEvents Edges = EpollEvents.EPOLLIN | EpollEvents.EPOLLET;

    /// <summary>Far above what a turn of the loop takes: who waits longer waits for a process that is stuck or stopped.</summary>
    private static readonly TimeSpan WorkerPatience = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly SortedDictionary<int, Forward> _forwards = [];
    private int _lastId;
    private bool _isEnding;

    /// <summary>Binds every port, or none and tells why.</summary>
    public ForwardResult Add(ForwardRequest request)
    {
        if (request.Fault(plan) is string fault) return ForwardResult.Failed(fault);
        lock (_lock)
        {
            if (_isEnding) return ForwardResult.Failed("the network is about to end");
            if (ForwardSockets.Open(ref request, out SocketFd[] sockets) is { Problem: not null } failure) return failure;
            var forward = new Forward(new ForwardInfo(_lastId + 1, request), sockets);
            if (!worker.Ask((w, _) => w.Inbound.Add(forward), WorkerPatience))
            {
                ForwardSockets.Close(sockets);
                return ForwardResult.Failed("the network does not answer");
            }
            if (Watch(forward) is Errno errno and not Errno.None)
            {
                Withdraw(forward);
                return ForwardResult.Failed($"epoll_ctl: {errno.Describe()}", errno);
            }
            _forwards.Add(forward.Id, forward);
            _lastId = forward.Id;
            return new ForwardResult(forward.Info, null, Errno.None);
        }
    }

    /// <summary>Stops listening; connections that were made stay.</summary>
    /// <returns>False if there is no such forward.</returns>
    public bool Remove(int id)
    {
        lock (_lock)
        {
            if (!_forwards.Remove(id, out Forward? forward)) return false;
            Withdraw(forward);
            return true;
        }
    }

    /// <summary>By id.</summary>
    public ForwardInfo[] List()
    {
        lock (_lock)
        {
            var list = new ForwardInfo[_forwards.Count];
            int i = 0;
            foreach (Forward forward in _forwards.Values) list[i++] = forward.Info;
            return list;
        }
    }

    /// <summary>At the end of the service: gives back the ports of one protocol, so that whoever starts the next one finds them
    /// free, and takes no new forward. Connections that were made stay.</summary>
    public void End(IpProtocol protocol)
    {
        lock (_lock)
        {
            _isEnding = true;
            Forward[] ending = Array.FindAll([.. _forwards.Values], forward => forward.Info.Bound.Protocol == protocol);
            foreach (Forward forward in ending) _forwards.Remove(forward.Id);
            if (ending.Length > 0) Withdraw(ending);
        }
    }

    public void Dispose()
    {
        End(IpProtocol.Tcp);
        End(IpProtocol.Udp);
    }

    private Errno Watch(Forward forward)
    {
        for (int i = 0; i < forward.Sockets.Length; i++)
        {
            SysResult added = worker.WatchForward(forward.Sockets[i], Edges, forward.TargetOf(i));
            if (!added.IsOk) return added.Errno;
        }
        return Errno.None;
    }

    private void Withdraw(params Forward[] forwards)
    {
        // A worker that is over knows no forward any more; one that is stuck must not find other sockets by these numbers.
        bool isForgotten = worker.Ask((w, _) => Array.ForEach(forwards, w.Inbound.Remove), WorkerPatience) || worker.HasEnded;
        if (!isForgotten) return;
        foreach (Forward forward in forwards) ForwardSockets.Close(forward.Sockets);
    }
}
