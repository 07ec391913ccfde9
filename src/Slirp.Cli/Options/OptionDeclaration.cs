namespace Slirp.Cli.Options;

/// <summary>Which command lines know an option.</summary>
[Flags]
public enum OptionScope
{
    None = 0,
    Attach = 1,
    Run = 2,
    Both = Attach | Run,
}

/// <summary>One option as getopt_long is told of it.</summary>
/// <param name="Name">The long form, without its two hyphens.</param>
/// <param name="Letter">The letter behind one hyphen, if it has one.</param>
/// <param name="TakesValue">A value is then required; an optional one does not exist here.</param>
public sealed record OptionDeclaration(OptionId Id, string Name, char? Letter = null, bool TakesValue = false)
{
    public OptionScope Scope { get; init; } = OptionScope.Both;

    /// <summary>True for what slirp4netns does not have: such an option never makes an abbreviation ambiguous that
    /// slirp4netns understands.</summary>
    public bool IsExtension { get; init; }

    /// <summary>For a deprecated spelling: the name to use instead. Not shown in the help.</summary>
    public string? ReplacedBy { get; init; }
}
