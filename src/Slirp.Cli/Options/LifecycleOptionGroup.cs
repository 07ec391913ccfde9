using System.Text;

namespace Slirp.Cli.Options;

internal sealed class LifecycleOptionGroup : IOptionGroup
{
    /// <summary>sizeof(sockaddr_un.sun_path), unix(7); the path needs a terminating zero in it.</summary>
    private const int SunPathLength = 108;

    private LifecycleOptions _options = LifecycleOptions.Default;

    public bool TryTake(OptionId id, string value, out UsageFailure? failure)
    {
        failure = null;
        switch (id)
        {
            case OptionId.ExitFd:
                _options = _options with { ExitFd = ParseFd("exit-fd", value, ref failure) };
                return true;
            case OptionId.ReadyFd:
                _options = _options with { ReadyFd = ParseFd("ready-fd", value, ref failure) };
                return true;
            case OptionId.ApiSocket:
                _options = _options with { ApiSocket = value };
                return true;
            case OptionId.LogLevel:
                _options = _options with { LogLevel = ParseLogLevel(value, ref failure) };
                return true;
            default:
                return false;
        }
    }

    public LifecycleOptions Finish(ref UsageFailure? failure)
    {
        if (_options.ApiSocket is string path)
        {
            if (path.Length == 0) failure ??= UsageFailure.MessageOnly("the specified API socket path is empty");
            if (Encoding.UTF8.GetByteCount(path) >= SunPathLength)
                failure ??= UsageFailure.MessageOnly("the specified API socket path is too long (>= 108)");
        }
        return _options;
    }

    private static int ParseFd(string option, string text, ref UsageFailure? failure)
    {
        if (DecimalNumber.TryParse(text, out int fd) && fd >= 0) return fd;
        failure = UsageFailure.WithUsage($"{option} must be a non-negative integer");
        return -1;
    }

    private static LogLevel ParseLogLevel(string text, ref UsageFailure? failure)
    {
        switch (text)
        {
            case "error": return LogLevel.Error;
            case "warning": return LogLevel.Warning;
            case "info": return LogLevel.Info;
            case "debug": return LogLevel.Debug;
        }
        failure = UsageFailure.MessageOnly($"log-level has to be error, warning, info or debug, not \"{text}\"");
        return LogLevel.Info;
    }
}
