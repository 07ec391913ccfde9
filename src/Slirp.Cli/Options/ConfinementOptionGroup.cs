namespace Slirp.Cli.Options;

internal sealed class ConfinementOptionGroup : IOptionGroup
{
    public ConfinementOptions Options { get; private set; } = ConfinementOptions.Default;

    public bool TryTake(OptionId id, string value, out UsageFailure? failure)
    {
        failure = null;
        switch (id)
        {
            case OptionId.EnableSandbox:
                Options = Options with { EnableSandbox = true };
                return true;
            case OptionId.EnableSeccomp:
                Options = Options with { EnableSeccomp = true };
                return true;
            default:
                return false;
        }
    }
}
