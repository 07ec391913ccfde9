using System.Collections.Immutable;

namespace Slirp.Cli.Options;

/// <param name="Name">A long option ("api-socket"), or one of its values ("target-type=bess").</param>
/// <param name="Reason">Completes "--NAME is not supported: ".</param>
public readonly record struct UnsupportedOption(string Name, string Reason);

/// <summary>The options that are read but that this version cannot do: refused by name before anything is touched,
/// because a network without the isolation or the forward that was asked for is worse than none.</summary>
public static class Unsupported
{
    public static ImmutableArray<UnsupportedOption> Options { get; } =
    [
        new("target-type=bess", "only network namespaces get a network from this version"),
    ];

    /// <returns>Null if everything on the line can be done.</returns>
    public static UsageFailure? Refusal(CommandLine line) => Refusal(line, Options);

    public static UsageFailure? Refusal(CommandLine line, ImmutableArray<UnsupportedOption> unsupported)
    {
        foreach (GivenOption given in line.Given)
            foreach (UnsupportedOption option in unsupported)
                if (option.Name == given.Name || option.Name == $"{given.Name}={given.Value}")
                    return UsageFailure.MessageOnly($"--{option.Name} is not supported: {option.Reason}");
        return null;
    }
}
