namespace Slirp.Cli.Options;

internal sealed class TargetOptionGroup(PathCheck pathCheck) : IOptionGroup
{
    private string? _netnsType;
    private string? _targetType;
    private string? _usernsPath;
    private bool _exitWithTarget = true;

    public bool Configure { get; private set; }

    public bool TryTake(OptionId id, string value, out UsageFailure? failure)
    {
        failure = null;
        switch (id)
        {
            case OptionId.Configure:
                Configure = true;
                return true;
            case OptionId.NetnsType:
                _netnsType = value;
                return true;
            case OptionId.TargetType:
                _targetType = value;
                return true;
            case OptionId.UsernsPath:
                _usernsPath = value;
                if (pathCheck(value) is not null)
                    failure = UsageFailure.WithUsage($"userns path doesn't exist: {value}");
                return true;
            case OptionId.NoExitWithTarget:
                _exitWithTarget = false;
                return true;
            default:
                return false;
        }
    }

    /// <summary>Reads the positionals in the light of the options.</summary>
    public TargetOptions? Finish(List<string> positionals, List<string> warnings, ref UsageFailure? failure)
    {
        if (failure is not null) return null;
        AttachTarget? target = (_targetType ?? "netns") switch
        {
            "netns" => FinishNetns(positionals, warnings, ref failure),
            "bess" => FinishBess(positionals, ref failure),
            _ => Fail("--target-type must be either \"netns\" or \"bess\"", ref failure),
        };
        string? tapName = target is null or AttachTarget.Bess || positionals.Count < 2 ? null : positionals[1];
        if (tapName is not null) failure ??= RefuseTapName(tapName);
        return target is null || failure is not null
            ? null
            : new TargetOptions(target, tapName, Configure, _usernsPath, _exitWithTarget);
    }

    private AttachTarget? FinishNetns(List<string> positionals, List<string> warnings, ref UsageFailure? failure)
    {
        NetnsType? type = ParseNetnsType(_netnsType ?? "pid");
        if (type is null)
            return Fail($"unknown --netns-type \"{_netnsType}\": must be pid, path or tapfd", ref failure);
        if (positionals.Count < (type == NetnsType.TapFd ? 1 : 2))
        {
            failure = new UsageFailure(null, ShowUsage: true);
            return null;
        }
        if (positionals.Count > 2) warnings.Add("WARNING: too many arguments");
        return type switch
        {
            NetnsType.Pid => ParsePid(positionals[0], ref failure),
            NetnsType.Path => ParsePath(positionals[0], ref failure),
            _ => ParseTapFd(positionals[0], ref failure),
        };
    }

    private AttachTarget? FinishBess(List<string> positionals, ref UsageFailure? failure)
    {
        if (positionals.Count > 1) return Fail("too many arguments", ref failure);
        if (positionals.Count == 0)
        {
            failure = new UsageFailure(null, ShowUsage: true);
            return null;
        }
        string? conflict = Configure ? "--configure"
            : _netnsType is not null ? "--netns-type"
            : _usernsPath is not null ? "--userns-path"
            : null;
        return conflict is null
            ? new AttachTarget.Bess(positionals[0])
            : Fail($"{conflict} conflicts with --target-type=bess", ref failure);
    }

    private static NetnsType? ParseNetnsType(string word) => word switch
    {
        "pid" => NetnsType.Pid,
        "path" => NetnsType.Path,
        "tapfd" => NetnsType.TapFd,
        _ => null,
    };

    private static AttachTarget? ParsePid(string text, ref UsageFailure? failure) =>
        DecimalNumber.TryParse(text, out int pid) && pid > 0
            ? new AttachTarget.ByPid(pid)
            : Fail("PID must be a positive integer", ref failure);

    private AttachTarget? ParsePath(string path, ref UsageFailure? failure) =>
        pathCheck(path) is string problem
            ? Fail($"existing path expected when --netns-type=path: {problem}", ref failure)
            : new AttachTarget.ByPath(path);

    private static AttachTarget? ParseTapFd(string text, ref UsageFailure? failure) =>
        DecimalNumber.TryParse(text, out int fd) && fd >= 0
            ? new AttachTarget.ByTapFd(fd)
            : Fail("TAPFD must a file descriptor", ref failure);

    /// <summary>slirp4netns cuts a long name off without a word, and its caller then configures an interface that does
    /// not exist. Nobody who works today passes such a name, so refusing it takes nothing away.</summary>
    private static UsageFailure? RefuseTapName(string name)
    {
        if (InterfaceName.IsTooLong(name))
            return UsageFailure.MessageOnly($"TAPNAME \"{name}\" is too long: an interface name has at most 15 bytes");
        return InterfaceName.IsValid(name)
            ? null
            : UsageFailure.MessageOnly($"TAPNAME \"{name}\" is not an interface name");
    }

    private static AttachTarget? Fail(string message, ref UsageFailure? failure)
    {
        failure = UsageFailure.WithUsage(message);
        return null;
    }
}
