namespace Slirp.Cli.Options;

/// <summary>What callers of slirp4netns ask for by name; what is on without being asked is not decided here.</summary>
public sealed record ConfinementOptions(bool EnableSandbox, bool EnableSeccomp)
{
    public static ConfinementOptions Default { get; } = new(EnableSandbox: false, EnableSeccomp: false);
}
