using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Services.Dns;
using Slirp.Wire;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Host;

/// <summary>What to live with: the supervisor watches each that is given, and ends the service when one ends.</summary>
public sealed record SupervisorOptions
{
    /// <summary>A descriptor whose hang-up ends the service. The complement of its number, where it was not open: that ends
    /// the service at once.</summary>
    public int? ExitFd { get; init; }

    /// <summary>The process that the network is for.</summary>
    public ProcessWatch? Target { get; init; }

    public NamespacePathWatch? NamespacePath { get; init; }

    /// <summary>What is forwarded, to be given back when the end begins.</summary>
    public ForwardTable? Forwards { get; init; }

    /// <summary>The host's addresses, to be followed for the worker.</summary>
    public HostAddressWatch? HostAddresses { get; init; }

    /// <summary>Signals taken; by default those that end the service.</summary>
    public IReadOnlyList<int> Signals { get; init; } = [SIGTERM, SIGINT, SIGHUP, SIGQUIT];

    /// <summary>Called with each signal that would end the service; true if it was for somebody else.</summary>
    public Func<int, SignalOrigin, bool>? OnSignal { get; init; }

    /// <summary>Who is told of our life: that it ends, and where a watchdog is set, that the worker works.</summary>
    public ServiceManager? Manager { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    public Action<string> Warn { get; init; } = static _ => { };
}

/// <summary>The main thread's part: it lets the worker work and waits for what is not traffic: signals, exit-fd, the
/// target's end, changes of resolv.conf and of the host's addresses.</summary>
/// <remarks>It can never delay a frame: the worker has a thread of its own and is reached by messages only. Its
/// descriptors are level-triggered, since nothing here is frequent.</remarks>
public sealed class Supervisor : IDisposable
{
    private const long ClockNanoseconds = 1_000_000_000; // for what cannot be waited for

    private static readonly TimeSpan LastDatagrams = TimeSpan.FromMilliseconds(50);

    private enum Source : ulong
    {
        WorkerEnded,
        ExitFd,
        Target,
        NamespacePath,
        Resolver,
        HostAddresses,
        WorkerBeat,
    }

    private const Source FirstSignal = (Source)0x100; // and the signal's number

    private readonly Worker _worker;
    private readonly ResolverWatch _resolver;
    private readonly SupervisorOptions _options;
    private readonly Epoll _epoll = new();
    private readonly Wakeup _workerEnded = new();
    private readonly SignalWatch _signals;
    private readonly Wakeup _beat = new();
    private bool _isBeatAwaited;
    private long _beatDue = long.MaxValue, _clockDue = long.MaxValue; // monotonic nanoseconds

    public Supervisor(Worker worker, ResolverWatch resolver, SupervisorOptions options)
    {
        (_worker, _resolver, _options) = (worker, resolver, options);
        Watch(_workerEnded.Fd, EpollEvents.EPOLLIN, Source.WorkerEnded);
        Watch(_beat.Fd, EpollEvents.EPOLLIN, Source.WorkerBeat);
        if (options.Target is ProcessWatch target) Watch(target.Fd, EpollEvents.EPOLLIN, Source.Target);
        if (options.NamespacePath?.Fd is InotifyFd path) Watch(path, EpollEvents.EPOLLIN, Source.NamespacePath);
        if (resolver.Fd is InotifyFd file) Watch(file, EpollEvents.EPOLLIN, Source.Resolver);
        if (options.HostAddresses is HostAddressWatch addresses) Watch(addresses.Fd, EpollEvents.EPOLLIN, Source.HostAddresses);
        _signals = new SignalWatch([.. options.Signals]);
        foreach ((int signal, EventFd fd) in _signals.Descriptors) Watch(fd, EpollEvents.EPOLLIN, FirstSignal + (ulong)signal);
    }

    /// <summary>Starts the worker, tells <paramref name="ready"/>, and returns when the service is over and the worker
    /// has closed what it held.</summary>
    public EndReason Run(Action ready)
    {
        if (!TryWatchExitFd()) return EndReason.ExitDescriptor;
        var thread = new Thread(RunWorker) { Name = "worker" };
        Start(thread);
        try
        {
            ready();
            EndReason reason = WaitForEnd();
            _options.Manager?.Stopping();
            return reason;
        }
        finally
        {
            End(thread);
        }
    }

    private void Start(Thread worker)
    {
        _worker.BeginRun();
        try
        {
            worker.Start();
        }
        catch
        {
            _worker.CancelRun();
            throw;
        }
    }

    /// <summary>The worker may be busy for a while with what the guest has sent last. Whoever starts the next service meanwhile
    /// finds the ports free: at once those that connections are made to, and a moment later those that datagrams leave by.</summary>
    private void End(Thread worker)
    {
        _options.Forwards?.End(IpProtocol.Tcp);
        _worker.Stop();
        if (!worker.Join(LastDatagrams)) _options.Forwards?.End(IpProtocol.Udp);
        worker.Join();
    }

    public void Dispose()
    {
        _epoll.Dispose();
        _workerEnded.Dispose();
        _beat.Dispose();
    }

    private bool AreAddressesBehind => _options.HostAddresses is { IsBehind: true };

    private bool IsPathUnwatched => _options.NamespacePath is { Fd: null };

    private void RunWorker()
    {
        try
        {
            _worker.Run();
        }
        finally
        {
            _workerEnded.Signal();
        }
    }

    private EndReason WaitForEnd()
    {
        Span<EpollEvent> events = stackalloc EpollEvent[8];
        SetNextBeat();
        while (true)
        {
            AskForBeat();
            SetClock();
            int count = _epoll.WaitNanoseconds(events, Patience()).Raw;
            for (int i = 0; i < count; i++)
            {
                EndReason reason = OnEvent((Source)events[i].Data);
                if (reason != EndReason.None) return reason;
            }
            if (MonotonicClock.Nanoseconds < _clockDue) continue;
            _clockDue = long.MaxValue;
            if (AreAddressesBehind) _ = OnEvent(Source.HostAddresses);
            if (IsPathUnwatched && OnEvent(Source.NamespacePath) is EndReason gone and not EndReason.None) return gone;
            if (_resolver.NeedsClock) _ = OnEvent(Source.Resolver);
        }
    }

    private EndReason OnEvent(Source source)
    {
        switch (source)
        {
            case Source.WorkerEnded:
                return EndReason.LinkLost;
            case Source.ExitFd:
                _options.Log("exitfd event");
                return EndReason.ExitDescriptor;
            case Source.Target:
                return EndReason.TargetEnded;
            case Source.NamespacePath:
                return _options.NamespacePath?.IsGone() == true ? EndReason.NamespaceGone : EndReason.None;
            case Source.Resolver:
                if (_resolver.TryUpdate()) OnResolversChanged(_resolver.Current);
                return EndReason.None;
            case Source.HostAddresses:
                if (_options.HostAddresses is HostAddressWatch addresses && addresses.TryUpdate())
                    _worker.UpdateHostAddresses(addresses.Current, addresses.Outbound);
                return EndReason.None;
            case Source.WorkerBeat:
                _ = _beat.TakeSignal();
                _isBeatAwaited = false;
                _options.Manager?.Alive();
                SetNextBeat();
                return EndReason.None;
            case >= FirstSignal:
                return OnSignal((int)(source - FirstSignal));
            default:
                throw new InvalidOperationException($"event from {source}");
        }
    }

    /// <summary>The beat goes through the worker's loop: one that hangs does not answer, and its watchdog bites.</summary>
    private void AskForBeat()
    {
        if (_isBeatAwaited || MonotonicClock.Nanoseconds < _beatDue) return;
        _isBeatAwaited = true;
        _worker.Post((_, _) => _beat.Signal());
    }

    private void SetNextBeat()
    {
        if (_options.Manager?.WatchdogInterval is TimeSpan interval) _beatDue = MonotonicClock.Nanoseconds + interval.Ticks * 100;
    }

    /// <summary>A look by the clock comes when it is due, however many events come meanwhile.</summary>
    private void SetClock()
    {
        bool isNeeded = IsPathUnwatched || _resolver.NeedsClock || AreAddressesBehind;
        long wait = _resolver.IsInDoubt ? ResolverWatch.DoubtNanoseconds : ClockNanoseconds;
        _clockDue = isNeeded ? Math.Min(_clockDue, MonotonicClock.Nanoseconds + wait) : long.MaxValue;
    }

    /// <returns>Nanoseconds, or -1 if only events are waited for.</returns>
    private long Patience()
    {
        long due = _isBeatAwaited ? _clockDue : Math.Min(_clockDue, _beatDue);
        return due == long.MaxValue ? -1 : Math.Max(0, due - MonotonicClock.Nanoseconds);
    }

    private void OnResolversChanged(ResolverConfiguration resolvers)
    {
        foreach (string warning in resolvers.Warnings) _options.Warn(warning);
        _worker.UpdateResolvers(resolvers);
    }

    /// <returns>False if the descriptor is not open, which means the same as its hang-up.</returns>
    private bool TryWatchExitFd()
    {
        if (_options.ExitFd is not int fd) return true;
        // No event asked for: hang-up and error are always reported, and an octet written to it means nothing.
        SysResult added = _epoll.Add(new RawFd(fd), EpollEvents.None, (ulong)Source.ExitFd);
        if (added.Is(Errno.EPERM)) return true; // a plain file: it cannot hang up
        if (!added.IsOk) _options.Log($"exit-fd {(fd < 0 ? ~fd : fd)}: {added.Errno.Describe()}");
        return added.IsOk;
    }

    private EndReason OnSignal(int signal)
    {
        SignalOrigin origin = _signals.Take(signal);
        bool isOurs = origin != SignalOrigin.None && _options.OnSignal?.Invoke(signal, origin) != true;
        return isOurs ? EndReason.Signal : EndReason.None;
    }

    private void Watch<T>(T descriptor, EpollEvents events, Source source) where T : struct, IDescriptor =>
        _epoll.Add(descriptor, events, (ulong)source).OrThrow("epoll_ctl", $"{source} descriptor {descriptor.Value}");
}
