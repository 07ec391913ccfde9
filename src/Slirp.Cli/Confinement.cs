using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux;
using Slirp.Linux.Confinement;

namespace Slirp.Cli;

/// <summary>What this process must still be able to do behind its walls.</summary>
internal sealed record ConfinementRequest
{
    /// <summary>Directories that resolv.conf is followed in.</summary>
    public required IReadOnlyCollection<string> Readable { get; init; }

    /// <summary>Where the control socket's path is to be removed at the end.</summary>
    public string? ApiDirectory { get; init; }

    /// <summary>Whether a root directory with only what is needed was asked for (--enable-sandbox).</summary>
    public bool NarrowRoot { get; init; }

    /// <summary>Whether this process looks after a command: signals it, and takes its status.</summary>
    public bool HasCommand { get; init; }

    /// <summary>Whether ports may be asked for later, through the control socket.</summary>
    public bool MayListen { get; init; }
}

// Theory of operation
//
// Model. When everything is open and before the first frame is read, this process gives up whatever serving does not
// need: the sight of the host's files, the capabilities it was started with, and most system calls. What a frame or a
// request could ever make it do is then bounded by the kernel and not by the absence of bugs.
//
// The walls, from the outermost:
// - root      (--enable-sandbox) a root directory of /etc, /run and the directories that
//             resolv.conf leads through, read-only; who lacks CAP_SYS_ADMIN has it after UserNamespaceEntry. Where it
//             cannot be had, Landlock gives the same by refusing the rest.
// - nnp       no_new_privs: nothing that is executed gains rights, should anything ever be.
// - caps      no capability but CAP_NET_BIND_SERVICE, for ports below 1024 that are forwarded later.
// - landlock  files: reading below those directories, removing the control socket, nothing else. TCP ports: none can be
//             bound but a free one of the kernel's choice, unless the control socket may ask for one. No abstract UNIX
//             sockets; no signals to others, but for `run`, which passes them on.
// - seccomp   the system calls of the runtime and of the data path; a process that tries execve, ptrace, mount and their
//             kin is killed, any other call fails.
//
// Invariants. Every thread that runs our code stands behind the same walls (the runtime's own too on x86-64: Privileges).
// A wall that the kernel refuses is one warning and the others still
// stand. Nothing is given up before the last step that needs it: descriptors are open, limits raised, ports bound.
// Limits. resolv.conf is followed to where it led at the start and within /etc and /run; beyond, the resolvers read last
// stay in force (ResolverWatch).
// Sources. landlock(7), seccomp(2), capabilities(7), pivot_root(2).

/// <summary>The walls that this process puts up around itself.</summary>
internal static class Confinement
{
    private static readonly string[] AlwaysReadable = ["/etc", "/run"];

    /// <summary>Puts up every wall that the kernel grants.</summary>
    /// <returns>The names of those that stand.</returns>
    public static IReadOnlyList<string> Enter(ConfinementRequest request, Log log)
    {
        var standing = new List<string>();
        using ThreadBroadcast? others = Try("threads", log, ThreadBroadcast.Open);
        if (others is null) return standing;
        HashSet<string> readable = [.. AlwaysReadable, .. request.Readable, .. OwnCode()];
        using Landlock? landlock = Try("landlock", log, () => RulesFor(request, readable));
        if (request.NarrowRoot && EnterNarrowRoot(readable, others, log)) standing.Add("root");
        GiveUp(landlock, others, standing, log);
        if (InstallFilter(request, log)) standing.Add("seccomp");
        return standing;
    }

    /// <summary>A build that is not compiled ahead of time loads its code as it goes.</summary>
    private static string[] OwnCode() =>
        RuntimeFeature.IsDynamicCodeCompiled ? [AppContext.BaseDirectory, RuntimeEnvironment.GetRuntimeDirectory()] : [];

    private static bool EnterNarrowRoot(HashSet<string> readable, ThreadBroadcast others, Log log)
    {
        if (!NarrowRoot.IsPermitted)
        {
            log.Debug("sandbox: without CAP_SYS_ADMIN there is no root directory of its own; Landlock closes the same files");
            return false;
        }
        return Try("sandbox", log, () =>
        {
            NarrowRoot.Enter(readable, others);
            return "";
        }) is not null;
    }

    private static Landlock RulesFor(ConfinementRequest request, HashSet<string> readable)
    {
        LandlockPorts ports = request.MayListen ? LandlockPorts.None : LandlockPorts.LANDLOCK_ACCESS_NET_BIND_TCP;
        LandlockScopes scopes = LandlockScopes.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET;
        if (!request.HasCommand) scopes |= LandlockScopes.LANDLOCK_SCOPE_SIGNAL;
        Landlock landlock = Landlock.Begin(ports, scopes);
        foreach (string directory in readable) _ = landlock.AllowPath(directory, Landlock.Read); // one that is missing grants nothing
        if (request.ApiDirectory is string api) _ = landlock.AllowPath(api, LandlockFiles.LANDLOCK_ACCESS_FS_REMOVE_FILE);
        _ = landlock.AllowPort(0, LandlockPorts.LANDLOCK_ACCESS_NET_BIND_TCP); // any free port, as --outbound-addr binds
        return landlock;
    }

    private static void GiveUp(Landlock? landlock, ThreadBroadcast others, List<string> standing, Log log)
    {
        if (TryGiveUp("no_new_privs", privileges => privileges.NoNewPrivileges(), others, log)) standing.Add("nnp");
        if (TryGiveUp("capabilities", privileges => privileges.KeepCapabilities(Capability.CAP_NET_BIND_SERVICE), others, log)) standing.Add("caps");
        if (landlock is not null && TryGiveUp("landlock", privileges => privileges.Within(landlock), others, log)) standing.Add("landlock");
    }

    private static bool TryGiveUp(string wall, Func<Privileges, Privileges> what, ThreadBroadcast others, Log log)
    {
        using var privileges = new Privileges();
        SysResult result = what(privileges).GiveUp(others);
        if (result.Is(Errno.EOPNOTSUPP)) return true; // here, not in the runtime's own threads: see Privileges
        if (!result.IsOk) log.Warning($"{wall}: {result.Errno.Describe()}; going on without this wall");
        return result.IsOk;
    }

    private static bool InstallFilter(ConfinementRequest request, Log log)
    {
        var filter = new SeccompFilter();
        _ = RuntimeCalls.AddNetwork(RuntimeCalls.AddRuntime(filter));
        if (request.HasCommand) _ = filter.Allow(RuntimeCalls.Command);
        SysResult installed = filter.Kill(RuntimeCalls.Fatal).InstallOnAllThreads(Errno.EPERM);
        if (!installed.IsOk) log.Warning($"seccomp: {installed.Errno.Describe()}; going on without this wall");
        return installed.IsOk;
    }

    private static T? Try<T>(string wall, Log log, Func<T> step) where T : class
    {
        try
        {
            return step();
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            log.Warning($"{wall}: {e.Message}; going on without this wall");
            return null;
        }
    }
}
