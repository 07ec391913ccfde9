namespace Slirp.Cli.Options;

/// <summary><c>slirpnet [OPTION]... PID|PATH|FD [TAPNAME]</c>: a network for a namespace that exists.</summary>
public sealed record AttachOptions(
    TargetOptions Target, NetworkOptions Network, LifecycleOptions Lifecycle, ConfinementOptions Confinement);
