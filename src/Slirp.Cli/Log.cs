using Slirp.Cli.Options;

namespace Slirp.Cli;

/// <summary>Lines on standard error, as much as --log-level wants.</summary>
internal sealed class Log(LogLevel level)
{
    /// <summary>For the last lines; more would be waiting for a reader who is not there.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private volatile BackgroundWriter? _background;
    private volatile bool _isEnding;

    public void Error(string line) => Write(LogLevel.Error, line);

    public void Warning(string line) => Write(LogLevel.Warning, "WARNING: " + line);

    public void Info(string line) => Write(LogLevel.Info, line);

    public void Debug(string line) => Write(LogLevel.Debug, line);

    /// <summary>From the beginning of <paramref name="service"/> on no line is written by whoever says it; if nobody reads them
    /// at its end, nothing is said after it.</summary>
    public T While<T>(Func<T> service)
    {
        BackgroundWriter background = _background ?? WriteInBackground();
        try
        {
            return service();
        }
        finally
        {
            _isEnding = true;
            if (background.TryFinish(Patience)) _background = null;
        }
    }

    private void Write(LogLevel of, string line)
    {
        if (of > level) return;
        if (_background is { } background) background.Write(line);
        else if (_isEnding) StandardStreams.ErrorAtOnce(line + "\n");
        else if (StandardStreams.IsErrorReady) StandardStreams.Error(line + "\n");
        else WriteInBackground().Write(line); // before the service begins, that is for who does not read only
    }

    private BackgroundWriter WriteInBackground()
    {
        var background = new BackgroundWriter(static line => StandardStreams.Error(line + "\n"));
        background.Start();
        return _background = background;
    }
}
