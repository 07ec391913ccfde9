using Slirp.Core;
using Slirp.Core.Flows;
using Slirp.Core.World;
using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Sockets;

namespace Slirp.Host;

// What other threads may ask of a worker.
public sealed partial class Worker
{
    private const int EndedCheckMilliseconds = 20; // between looks at whether an answer can still come

    private volatile LoopState _state;

    private enum LoopState
    {
        NotStarted,
        Running,
        Ended,
    }

    /// <summary>The loop is over and has closed what it held.</summary>
    public bool HasEnded => _state == LoopState.Ended;

    /// <summary>How much is open: told from another thread, so each number may be a moment old.</summary>
    public WorkerStatus Status => new(_tcp.Flows.Count, _udp.Mappings.Count, _icmp.Mappings.Count, Inbound.Count);

    internal InboundForwards Inbound { get; }

    /// <summary>Connections that the guest has had through another process on this TAP, which is no more.</summary>
    public void ResetOrphans(IReadOnlyList<FlowKey> connections) => Post((worker, _) => worker._tcp.ResetOrphans(connections));

    /// <summary>Registers a forward's socket, after the worker was told of the forward.</summary>
    internal SysResult WatchForward(SocketFd socket, EpollEvents events, EventTarget target) =>
        _epoll.Add(socket, events, target.Packed);

    /// <summary>Has the loop's thread do something and waits until it has, which is at once before the loop starts.</summary>
    /// <returns>False if the loop is over or has not come to it in time; then it will not do it any more.</returns>
    internal bool Ask(Action<Worker, Instant> message, TimeSpan patience)
    {
        if (_state == LoopState.NotStarted)
        {
            message(this, Now());
            return true;
        }
        if (HasEnded) return false;
        using var done = new ManualResetEventSlim();
        var turn = new Lock(); // whoever takes it first decides whether it is done
        bool isAbandoned = false;
        Post((worker, now) =>
        {
            lock (turn)
            {
                if (isAbandoned) return;
                message(worker, now);
                done.Set();
            }
        });
        long giveUpAt = MonotonicClock.Nanoseconds + patience.Ticks * 100;
        while (!done.Wait(EndedCheckMilliseconds))
            if (HasEnded || MonotonicClock.Nanoseconds >= giveUpAt) break;
        lock (turn)
        {
            isAbandoned = !done.IsSet;
            return !isAbandoned;
        }
    }
}
