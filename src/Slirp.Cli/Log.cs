using Slirp.Cli.Options;

namespace Slirp.Cli;

/// <summary>Lines on standard error, as much as --log-level wants.</summary>
internal sealed class Log(LogLevel level)
{
    public void Error(string line) => Write(LogLevel.Error, line);

    public void Warning(string line) => Write(LogLevel.Warning, "WARNING: " + line);

    public void Info(string line) => Write(LogLevel.Info, line);

    public void Debug(string line) => Write(LogLevel.Debug, line);

    private void Write(LogLevel of, string line)
    {
        if (of <= level) StandardStreams.Error(line + "\n");
    }
}
