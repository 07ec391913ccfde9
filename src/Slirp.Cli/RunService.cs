using System.Text;
using Slirp.Cli.Options;
using Slirp.Core.Network;
using Slirp.Host;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Tap;
using Slirp.Wire;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Cli;

/// <summary><c>slirpnet run [OPTION]... [--] [CMD [ARG]...]</c>: a command in namespaces of its own, with this network,
/// until the command ends.</summary>
/// <remarks>What is sent to this program is passed on to the command, which has its terminal and its process group. So what
/// is typed there (SIGINT, SIGQUIT) reaches the command without us, and this program only has to survive it.</remarks>
/// <param name="options">What was asked for.</param>
/// <param name="inheritance">The caller's, for the command.</param>
/// <param name="log">Where to report.</param>
internal sealed class RunService(RunOptions options, Inheritance inheritance, Log log)
{
    // Nobody who parses slirp4netns' command line is concerned here, so both families are simply there.
    private readonly NetworkOptions _network = options.Network with { EnableIpv6 = options.Network.Mtu >= NetworkOptionGroup.LeastIpv6Mtu };

    /// <returns>The command's exit status, or 128 and the number of the signal that ended it.</returns>
    /// <exception cref="LinuxException">A step of the set-up was refused.</exception>
    public int Run()
    {
        using HostAddressWatch? addresses = HostSide.Open(_network, log);
        try
        {
            using NamespaceCommand command = Start();
            return Serve(command, addresses);
        }
        catch (LinuxException e) when (e.Step == "execve")
        {
            return Refused(e);
        }
    }

    /// <summary>The command in its namespaces, not executed yet.</summary>
    private NamespaceCommand Start()
    {
        NamespaceCommand command = NamespaceCommand.Start(new CommandRequest
        {
            Command = options.Command.IsEmpty ? [UserShell()] : options.Command,
            TapName = RunOptions.TapName,
            VnetHeader = (_network.NoOffload & Offload.Vnet) == 0,
            Sysctls = GuestInterface.SysctlsFor(_network, RunOptions.TapName, configure: true),
            ResolvConf = _network.DisableDns ? null : Encoding.UTF8.GetBytes(ResolvConfFor(_network)),
            MountSys = true,
            Descriptors = inheritance.Descriptors,
            DescriptorSoftLimit = inheritance.DescriptorSoftLimit,
        });
        // The clone has them. One kept open here as well would keep somebody waiting for its end.
        foreach (int one in inheritance.Descriptors) Descriptor.Close(new RawFd(one));
        return command;
    }

    private int Serve(NamespaceCommand command, HostAddressWatch? addresses)
    {
        foreach (NamespaceWarning warning in command.Warnings) log.Debug(warning.ToString());
        using TapDevice tap = TapDevice.FromAttached(command.TapQueues, GuestNetwork.Wanted(_network.NoOffload));
        using var route = new RouteSocket(command.Netlink);
        GuestInterface.RaiseTransmitQueue(route, route.GetLink(tap.Name));
        LinkInfo link = GuestInterface.Configure(route, tap.Name, _network, log.Warning);
        NetworkPlan plan = GuestNetwork.PlanFor(_network, new MacAddress(link.HardwareAddress));

        using var foreground = new TerminalForeground();
        bool hasBegun = false;
        LinuxException? refused = null;
        var supervision = new SupervisorOptions
        {
            Target = command.Process,
            HostAddresses = addresses,
            Signals = [.. PassedOn, SIGCHLD],
            OnSignal = (signal, origin) => PassOn(command, foreground, signal, origin),
        };
        _ = ServiceRunner.Serve(tap, plan, _network, options.Lifecycle, options.Confinement, supervision, orphans: [], log, () =>
        {
            try
            {
                command.Go();
                hasBegun = true;
            }
            catch (LinuxException e)
            {
                refused = e; // the command has ended with it, so the supervisor returns by itself
            }
        });
        if (refused is null)
        {
            // Exit-fd ended us, or the link did: the command goes with its network.
            if (!hasBegun) command.End();
            else if (!command.Process.HasEnded) Terminate(command.Process);
            return command.WaitForExit();
        }
        return Refused(refused);
    }

    /// <summary>The command cannot be executed: what a shell would say, and its status.</summary>
    private static int Refused(LinuxException refused)
    {
        StandardStreams.ErrorWithin(Log.Patience, $"slirpnet: {refused.Message}\n");
        return NamespaceCommand.ExitStatusFor(refused);
    }

    /// <summary>An interactive shell does not heed SIGTERM, and a command that was stopped does not hear it.</summary>
    private static void Terminate(ProcessWatch command)
    {
        _ = command.Signal(SIGTERM);
        _ = command.Signal(SIGCONT);
        if (Descriptor.Poll(command.Fd, PollEvents.POLLIN, TerminationMilliseconds, out _).Raw == 0) _ = command.Signal(SIGKILL);
    }

    private const int TerminationMilliseconds = 5000; // from SIGTERM to SIGKILL

    private static readonly int[] PassedOn = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM];

    /// <summary>The first process of a container: those whose parents have ended are ours to bury.</summary>
    private static bool IsInit => Environment.ProcessId == 1;

    /// <summary>What was typed the command has had. Where it cannot be told who sent SIGINT or SIGQUIT, it was the terminal
    /// if we are in its foreground.</summary>
    private static bool PassOn(NamespaceCommand command, TerminalForeground foreground, int signal, SignalOrigin origin)
    {
        if (signal == SIGCHLD)
        {
            if (IsInit) command.ReapOthers();
            // A shell that has the terminal and suspends itself: whoever waits there for this process sees it stopped, as with
            // su(1), and can continue both. The first process of a container cannot stop.
            else if (command.TakeStop() && command.IsShell && foreground.IsOursOr(command.Pid)) command.StopAlong();
            return true;
        }
        bool isTyped = signal is SIGINT or SIGQUIT
            && (origin == SignalOrigin.Kernel || (origin == SignalOrigin.Unknown && foreground.IsOurs));
        if (!isTyped) _ = command.Process.Signal(signal);
        return true;
    }

    private static string UserShell() => Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } shell ? shell : "/bin/sh";

    /// <summary>Our forwarder in both families, and the host's search list and options.</summary>
    private static string ResolvConfFor(NetworkOptions network)
    {
        NetworkPlan plan = GuestNetwork.PlanFor(network, default);
        using var host = new ResolverWatch();
        var text = new StringBuilder();
        // First what nothing works without, should there be no room for all of it (ulimit -f).
        text.Append("nameserver ").Append(plan.Dns).Append('\n');
        if (plan.EnableIpv6) text.Append("nameserver ").Append(plan.Dns6).Append('\n');
        IReadOnlyList<string> search = host.Current.SearchDomains;
        if (search.Count > 0) text.Append("search ").AppendJoin(' ', search).Append('\n');
        IReadOnlyList<string> options = host.Current.Options;
        if (options.Count > 0) text.Append("options ").AppendJoin(' ', options).Append('\n');
        return text.ToString();
    }
}
