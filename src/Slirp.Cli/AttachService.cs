using Slirp.Cli.Options;
using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Host;
using Slirp.Linux;
using Slirp.Linux.Confinement;
using Slirp.Linux.Events;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Tap;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary><c>slirpnet [OPTION]... PID|PATH|FD [TAPNAME]</c>: attach, configure, serve until something ends it.</summary>
internal sealed class AttachService(AttachOptions options, Log log)
{
    private readonly TargetOptions _target = options.Target;
    private readonly NetworkOptions _network = options.Network;
    private IReadOnlyList<FlowKey> _orphans = [];

    /// <returns>The exit status.</returns>
    /// <exception cref="LinuxException">A step of the set-up was refused.</exception>
    public int Run()
    {
        if (options.Confinement.EnableSandbox) EnterUserNamespace();
        using HostAddressWatch? addresses = HostSide.Open(_network, log);
        // Before the namespace is entered: should the process end meanwhile, its number could become another's.
        using ProcessWatch? process = WatchProcess();
        using NamespacePathWatch? path = WatchPath(process);
        using TapDevice tap = OpenTap(out NetworkPlan plan);
        StandardStreams.OutputInBackground(StartReport.Compose(plan, Carried(_network), options.Lifecycle, GuestNetwork.OffloadsOf(tap), addresses?.Outbound ?? default));
        var supervision = new SupervisorOptions { Target = process, NamespacePath = path, HostAddresses = addresses };
        EndReason reason = ServiceRunner.Serve(tap, plan, _network, options.Lifecycle, options.Confinement, supervision, _orphans, log, static () => { });
        log.Info("do_slirp is exiting");
        return reason == EndReason.LinkLost ? CommandLineReport.Failure : 0;
    }

    /// <summary>A root directory of its own needs CAP_SYS_ADMIN. Who has not got it finds it in the target's user namespace,
    /// as slirp4netns does.</summary>
    private void EnterUserNamespace()
    {
        if (NarrowRoot.IsPermitted || _target.UsernsToEnter is not string path) return;
        if (UserNamespaceEntry.WasTried) return;
        SysResult result = UserNamespaceEntry.BeginAnew(path);
        log.Debug($"sandbox: {path} cannot be entered: {result.Errno.Describe()}");
    }

    private ProcessWatch? WatchProcess()
    {
        if (!_target.ExitWithTarget || ProcessOf(_target.Target) is not int pid) return null;
        try
        {
            ProcessWatch watch = ProcessWatch.Open(pid);
            // A path has procfs's number, which may be another PID namespace's.
            if (_target.Target is not AttachTarget.ByPath || watch.ShownPid == pid) return watch;
            watch.Dispose();
            return null;
        }
        catch (LinuxException e) when (e.Errno != Errno.ESRCH || _target.Target is AttachTarget.ByPath)
        {
            log.Debug($"{e.Message}; looking at /proc/{pid} by the clock instead");
            return null;
        }
    }

    /// <summary>Whose end is the end of the target. A path may be a process's own (/proc/PID/ns/net), or seen from it
    /// (/proc/PID/root/...).</summary>
    private static int? ProcessOf(AttachTarget target)
    {
        if (target is AttachTarget.ByPid process) return process.Pid;
        string[] parts = target is AttachTarget.ByPath given ? Path.GetFullPath(given.Path).Split('/', 4) : [];
        return parts is ["", "proc", string number, _] && DecimalNumber.TryParse(number, out int pid) && pid > 0 ? pid : null;
    }

    private static bool IsNamespaceOf(int pid, string path) =>
        Path.GetFullPath(path).StartsWith($"/proc/{pid}/ns/", StringComparison.Ordinal);

    /// <summary>A thread's number does for a target, and a kernel or a caller's filter may have no pidfd_open: then procfs tells.</summary>
    private NamespacePathWatch? WatchPath(ProcessWatch? process) => _target switch
    {
        { Target: AttachTarget.ByPath target } when process is not null && IsNamespaceOf(process.Pid, target.Path) => null,
        { ExitWithTarget: true, Target: AttachTarget.ByPath target } => new NamespacePathWatch(target.Path),
        { ExitWithTarget: true, Target: AttachTarget.ByPid target } when process is null => new NamespacePathWatch($"/proc/{target.Pid}/ns"),
        _ => null,
    };

    private TapDevice OpenTap(out NetworkPlan plan)
    {
        OffloadCapabilities wanted = GuestNetwork.Wanted(_network.NoOffload);
        if (_target.Target is AttachTarget.ByTapFd given)
        {
            WarnOfUnused();
            plan = GuestNetwork.PlanFor(_network, MacAddress.Broadcast);
            return TapDevice.FromGiven(OwnGivenDescriptor(given.Fd), wanted);
        }
        string name = _target.TapName!;
        AttachedNamespace attached = Attach(name);
        try
        {
            log.Info($"received tapfd={attached.TapQueues[0].Value}");
            TapDevice tap = TapDevice.FromAttached(attached.TapQueues, wanted);
            _orphans = Orphans(tap, attached);
            using var route = new RouteSocket(attached.Netlink);
            LinkInfo link = route.GetLink(tap.Name);
            GuestInterface.RaiseTransmitQueue(route, link);
            if (_target.Configure) link = GuestInterface.Configure(route, tap.Name, _network, log.Warning);
            plan = GuestNetwork.PlanFor(_network, new MacAddress(link.HardwareAddress));
            return tap;
        }
        catch
        {
            attached.Dispose();
            throw;
        }
    }

    /// <summary>What the report may name: the address of a given TAP's interface is not ours to set.</summary>
    private NetworkOptions Carried(NetworkOptions network) =>
        _target.Target is AttachTarget.ByTapFd ? network with { MacAddress = null } : network;

    private void WarnOfUnused()
    {
        var unused = new List<string>();
        if (_target.Configure) unused.Add("--configure");
        if (_network.MacAddress is not null) unused.Add("--macaddress");
        if (_target.TapName is not null) unused.Add("TAPNAME");
        if (unused.Count > 0)
            log.Warning($"{string.Join(", ", unused)}: left out; a TAP that is given as a descriptor has its name, and is configured by whoever made it");
    }

    /// <summary>On an interface that was there before, the connections that it may have carried for another process.</summary>
    private static List<FlowKey> Orphans(TapDevice tap, AttachedNamespace attached)
    {
        if (attached.Diagnosis is null) return [];
        using var diagnosis = new DiagnosisSocket(attached.Diagnosis);
        var orphans = new List<FlowKey>();
        if ((tap.Flags & TapFlags.IFF_PERSIST) == 0) return orphans;
        foreach (TcpConnectionInfo one in diagnosis.ListTcpConnections())
        {
            var key = new FlowKey(ToEndpoint(one.Local, one.LocalPort), ToEndpoint(one.Remote, one.RemotePort));
            if (!key.Guest.Address.IsLoopback) orphans.Add(key);
        }
        return orphans;
    }

    private static IpEndpoint ToEndpoint(NetAddress address, ushort port) => new(new IpAddress(address.High, address.Low), port);

    private AttachedNamespace Attach(string tapName)
    {
        AttachedNamespace attached = NamespaceAttach.Open(new AttachRequest
        {
            NetworkNamespacePath = _target.Target switch
            {
                AttachTarget.ByPid target => $"/proc/{target.Pid}/ns/net",
                AttachTarget.ByPath target => target.Path,
                _ => throw new InvalidOperationException($"no namespace in {_target.Target}"),
            },
            UserNamespacePath = _target.UsernsToEnter,
            TapName = tapName,
            VnetHeader = (_network.NoOffload & Offload.Vnet) == 0,
            Sysctls = GuestInterface.SysctlsFor(_network, tapName, _target.Configure),
        });
        foreach (NamespaceWarning warning in attached.Warnings) log.Debug(warning.ToString());
        return attached;
    }

    private static OwnedFd OwnGivenDescriptor(int fd)
    {
        if (!Descriptor.IsOpen(fd)) throw new LinuxException("fcntl(F_GETFD)", $"TAPFD {fd}", Errno.EBADF, "pass a descriptor that is open");
        return new OwnedFd(fd);
    }
}
