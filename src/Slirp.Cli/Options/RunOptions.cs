using System.Collections.Immutable;

namespace Slirp.Cli.Options;

/// <summary><c>slirpnet run [OPTION]... [--] [CMD [ARG]...]</c>: a command in namespaces made for it.</summary>
/// <param name="Command">The command and its arguments, untouched; empty for the user's shell.</param>
public sealed record RunOptions(
    ImmutableArray<string> Command,
    NetworkOptions Network,
    LifecycleOptions Lifecycle,
    ConfinementOptions Confinement)
{
    /// <summary>What the interface is called inside.</summary>
    public const string TapName = "tap0";
}
