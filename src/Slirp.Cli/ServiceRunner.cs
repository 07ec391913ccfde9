using Slirp.Cli.Options;
using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Host;
using Slirp.Host.Control;
using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Linux.Tap;

namespace Slirp.Cli;

/// <summary>What attaching and running have in common: a worker on a TAP, under a supervisor, until something ends it.</summary>
internal static class ServiceRunner
{
    /// <param name="orphans">Connections of the guest that another process has left behind on this TAP.</param>
    /// <param name="ready">Called once everything answers.</param>
    /// <exception cref="ForwardException">A published port cannot be had.</exception>
    public static EndReason Serve(
        TapDevice tap, NetworkPlan plan, NetworkOptions network, LifecycleOptions lifecycle, ConfinementOptions confinement,
        SupervisorOptions supervision, IReadOnlyList<FlowKey> orphans, Log log, Action ready)
    {
        using var resolver = new ResolverWatch();
        foreach (string warning in resolver.Current.Warnings) log.Warning(warning);
        using var worker = new Worker(tap.Queue(0), tap.HasVnetHeader, new WorkerOptions
        {
            Plan = plan,
            Offloads = GuestNetwork.OffloadsOf(tap),
            Resolvers = resolver.Current,
            HostAddresses = supervision.HostAddresses?.Current ?? HostAddresses.None,
            Outbound = supervision.HostAddresses?.Outbound ?? default,
            Warn = log.Warning,
        });
        worker.ResetOrphans(orphans);
        using var forwards = new ForwardTable(worker, plan);
        PublishedPorts.Bind(forwards, network.Publish, plan, log);
        using ServiceManager? manager = ServiceManager.FromEnvironment(Environment.GetEnvironmentVariable, Environment.ProcessId, log.Warning);
        supervision = supervision with { ExitFd = lifecycle.ExitFd, Manager = manager, Forwards = forwards, Log = log.Info, Warn = log.Warning };
        // It takes the signals, so it outlives the control socket: none of them can end us while that has a path.
        using var supervisor = new Supervisor(worker, resolver, supervision);
        var walls = new List<string>();
        using ControlServer? control = lifecycle.ApiSocket is string path
            ? ControlServer.Open(path, forwards, plan, new StatusReport(worker, GuestNetwork.OffloadsOf(tap), walls).Write,
                new ControlOptions { Warn = log.Warning })
            : null;
        walls.AddRange(Confinement.Enter(new ConfinementRequest
        {
            Readable = resolver.Directories,
            ApiDirectory = lifecycle.ApiSocket is string socket ? ControlServer.DirectoryOf(socket) : null,
            NarrowRoot = confinement.EnableSandbox,
            HasCommand = supervision.OnSignal is not null,
            MayListen = control is not null,
        }, log));
        EndReason reason = log.While(() => supervisor.Run(() =>
        {
            control?.Start();
            ready();
            TellReady(lifecycle);
            manager?.Ready();
        }));
        if (reason == EndReason.LinkLost)
            log.Error($"read on {tap.Name}: {worker.LinkError.Describe()}; the interface was deleted or its namespace is gone");
        return reason;
    }

    /// <summary>One octet and then the end: every caller of slirp4netns waits for one or the other. A descriptor that is
    /// no good is the caller's affair, and one that takes nothing keeps a thread and not us.</summary>
    private static void TellReady(LifecycleOptions lifecycle)
    {
        if (lifecycle.ReadyFd is not int fd) return;
        bool isFull = Descriptor.Poll(new RawFd(fd), PollEvents.POLLOUT, 0, out PollEvents ready).IsOk && ready == PollEvents.None;
        if (isFull) new Thread(() => TellReady(fd, lifecycle.ExitFd)) { IsBackground = true }.Start();
        else TellReady(fd, lifecycle.ExitFd);
    }

    private static void TellReady(int fd, int? exitFd)
    {
        _ = Descriptor.Write(new RawFd(fd), "1"u8);
        if (fd > 2 && fd != exitFd) Descriptor.Close(new RawFd(fd));
    }
}
