namespace Slirp.Cli.Options;

/// <summary>How much is said in operation; each level includes those before it.</summary>
public enum LogLevel
{
    Error,
    Warning,
    Info,
    Debug,
}
