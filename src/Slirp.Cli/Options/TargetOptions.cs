namespace Slirp.Cli.Options;

/// <summary>What --netns-type says the first positional is.</summary>
public enum NetnsType
{
    Pid,
    Path,
    TapFd,
}

/// <summary>The thing that gets a network.</summary>
public abstract record AttachTarget
{
    /// <summary>The network namespace of a process.</summary>
    public sealed record ByPid(int Pid) : AttachTarget;

    /// <summary>A network namespace bound to a path that existed when the command line was read.</summary>
    public sealed record ByPath(string Path) : AttachTarget;

    /// <summary>A descriptor that is attached to a TAP already.</summary>
    public sealed record ByTapFd(int Fd) : AttachTarget;

    /// <summary>The UNIX socket of a BESS daemon's port.</summary>
    public sealed record Bess(string Path) : AttachTarget;
}

/// <param name="TapName">Null if none was given, which only a descriptor and BESS allow.</param>
/// <param name="Configure">Bring the interface up, with address and route.</param>
/// <param name="UsernsPath">As given, and it existed; see <see cref="UsernsToEnter"/>.</param>
/// <param name="ExitWithTarget">End when the process or namespace named as the target does.</param>
public sealed record TargetOptions(
    AttachTarget Target, string? TapName, bool Configure, string? UsernsPath, bool ExitWithTarget)
{
    /// <summary>The user namespace to join before the network namespace: the one named, else that of the process named,
    /// else none.</summary>
    public string? UsernsToEnter =>
        UsernsPath ?? (Target is AttachTarget.ByPid process ? $"/proc/{process.Pid}/ns/user" : null);
}
