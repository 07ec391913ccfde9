namespace Slirp.Cli.Options;

/// <summary>What a command line asks for.</summary>
public abstract record CliCommand;

public sealed record AttachCommand(AttachOptions Options) : CliCommand;

public sealed record RunCommand(RunOptions Options) : CliCommand;

public sealed record HelpCommand : CliCommand;

public sealed record VersionCommand : CliCommand;

/// <summary>A command line that cannot be obeyed; the exit status is 1.</summary>
/// <param name="Message">For standard error, without its end of line; null when the usage alone says enough.</param>
/// <param name="ShowUsage">Whether the help follows on standard output.</param>
public sealed record UsageFailure(string? Message, bool ShowUsage) : CliCommand
{
    /// <summary>A mistake in how the options are used: the help follows.</summary>
    public static UsageFailure WithUsage(string message) => new(message, ShowUsage: true);

    /// <summary>A value that is no good: the message alone, so that it is not lost above a page of help.</summary>
    public static UsageFailure MessageOnly(string message) => new(message, ShowUsage: false);
}
