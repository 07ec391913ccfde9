using System.Collections.Immutable;

namespace Slirp.Cli.Options;

/// <summary>One pass over the arguments: hands each option to the group that owns it.</summary>
internal sealed class OptionWalk(bool isRun, ImmutableArray<IOptionGroup> groups)
{
    private readonly ImmutableArray<GivenOption>.Builder _given = ImmutableArray.CreateBuilder<GivenOption>();

    public List<string> Positionals { get; } = [];

    public List<string> Warnings { get; } = [];

    /// <returns>What ends the walk early (help, version, a mistake), or null at the end of the line.</returns>
    public CliCommand? Through(GetOptLong items)
    {
        while (items.TryNext(out GetOptItem item))
        {
            switch (item.Kind)
            {
                case GetOptKind.Positional:
                    Positionals.Add(item.Text);
                    break;
                case GetOptKind.Error:
                    return UsageFailure.WithUsage(item.Text);
                default:
                    if (Take(item.Option!, item.Text) is CliCommand end) return end;
                    break;
            }
        }
        return null;
    }

    public CommandLine Ends(CliCommand command) => new(isRun, command, [.. Warnings], _given.ToImmutable());

    private CliCommand? Take(OptionDeclaration option, string value)
    {
        if (option.Id == OptionId.Help) return new HelpCommand();
        if (option.Id == OptionId.Version) return new VersionCommand();
        if (option.ReplacedBy is string better)
            Warnings.Add($"WARNING: --{option.Name} is deprecated, please use --{better} instead.");
        _given.Add(new GivenOption(option.ReplacedBy ?? option.Name, value));
        foreach (IOptionGroup group in groups)
            if (group.TryTake(option.Id, value, out UsageFailure? failure)) return failure;
        return null; // --configure with run, which configures anyway
    }
}
