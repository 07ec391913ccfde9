using Slirp.Linux;

namespace Slirp.Host.Forwards;

/// <summary>A forward that stands.</summary>
/// <param name="Id">From 1 on, never used again.</param>
/// <param name="Bound">What was asked for, with the port that the kernel chose in place of a 0.</param>
public sealed record ForwardInfo(int Id, ForwardRequest Bound);

/// <summary>The outcome of asking for a forward: it stands, or nothing was bound.</summary>
/// <param name="Info">Null if it does not stand.</param>
/// <param name="Problem">Why not, for people.</param>
/// <param name="Errno">The kernel's reason, where it was the kernel's.</param>
public readonly record struct ForwardResult(ForwardInfo? Info, string? Problem, Errno Errno)
{
    internal static ForwardResult Failed(string problem, Errno errno = Errno.None) => new(null, problem, errno);
}

/// <summary>A forward that was asked for at the start cannot be had.</summary>
public sealed class ForwardException(string message) : Exception(message);
