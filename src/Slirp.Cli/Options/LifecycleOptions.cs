namespace Slirp.Cli.Options;

/// <summary>How the process and whoever spawned it stay in touch.</summary>
/// <param name="ExitFd">A descriptor whose hang-up ends the process.</param>
/// <param name="ReadyFd">A descriptor that gets one octet "1" when everything answers.</param>
/// <param name="ApiSocket">Path of the UNIX socket of the JSON API, short enough for sockaddr_un.</param>
public sealed record LifecycleOptions(int? ExitFd, int? ReadyFd, string? ApiSocket, LogLevel LogLevel)
{
    public static LifecycleOptions Default { get; } = new(null, null, null, LogLevel.Info);
}
