using System.Collections.Immutable;

namespace Slirp.Cli.Options;

/// <param name="Name">The long name without hyphens, that of the replacement for a deprecated spelling.</param>
/// <param name="Value">Empty if the option takes none.</param>
public readonly record struct GivenOption(string Name, string Value);

/// <summary>A command line, read: from an argument list to an immutable record or to a refusal, with no effect on the
/// way but asking whether a path exists.</summary>
/// <remarks>
/// Theory of operation. <see cref="OptionTable"/> declares the options, <see cref="GetOptLong"/> walks the line by it;
/// each item goes to the group that owns its option (target, network, lifecycle, confinement), which refuses bad
/// values; at the end each group hands over its part of the record.
///
/// Invariants: the first mistake on the line is the one reported; a value that slirp4netns checks only after the walk
/// (CIDR, outbound address, MAC) is checked after it here too, behind the positionals; the last value of an option
/// wins, except of --publish and --no-offload, which add up.
///
/// Limits: whether a pid lives, a descriptor is open, an interface has an address or a port is free is found out at run
/// time. Options that this version cannot do are read all the same: see <see cref="Unsupported"/>.
///
/// Sources: getopt_long(3), and the behaviour of Debian's slirp4netns, which a test compares with.
/// </remarks>
/// <param name="IsRun">Whether the sub-command run was meant, also where it is refused or its help asked for.</param>
/// <param name="Warnings">Whole lines for standard output, where slirp4netns puts them.</param>
/// <param name="Given">The options in the order of the line.</param>
public sealed record CommandLine(
    bool IsRun, CliCommand Command, ImmutableArray<string> Warnings, ImmutableArray<GivenOption> Given)
{
    private const string RunWord = "run";

    /// <param name="arguments">Without the program's name.</param>
    public static CommandLine Parse(ProgramName program, IReadOnlyList<string> arguments, PathCheck pathCheck)
    {
        bool isRun = program.HasRun && arguments.Count > 0 && arguments[0] == RunWord;
        return isRun ? ParseRun(program, arguments) : ParseAttach(program, arguments, pathCheck);
    }

    private static CommandLine ParseAttach(ProgramName program, IReadOnlyList<string> arguments, PathCheck pathCheck)
    {
        var target = new TargetOptionGroup(pathCheck);
        var network = new NetworkOptionGroup();
        var lifecycle = new LifecycleOptionGroup();
        var confinement = new ConfinementOptionGroup();
        var walk = new OptionWalk(isRun: false, [target, network, lifecycle, confinement]);
        var items = new GetOptLong(program.Argv0, OptionTable.ForAttach, arguments, stopAtPositional: false);
        if (walk.Through(items) is CliCommand early) return walk.Ends(early);

        UsageFailure? failure = null;
        if (network.MacAddressText is not null && !target.Configure)
            failure = UsageFailure.WithUsage("--macaddr cannot be specified when --configure or -c is not specified");
        TargetOptions? where = target.Finish(walk.Positionals, walk.Warnings, ref failure);
        NetworkOptions what = network.Finish(walk.Warnings, ref failure);
        LifecycleOptions life = lifecycle.Finish(ref failure);
        return failure is null && where is not null
            ? walk.Ends(new AttachCommand(new AttachOptions(where, what, life, confinement.Options)))
            : walk.Ends(failure!);
    }

    private static CommandLine ParseRun(ProgramName program, IReadOnlyList<string> arguments)
    {
        var network = new NetworkOptionGroup();
        var lifecycle = new LifecycleOptionGroup();
        var confinement = new ConfinementOptionGroup();
        var walk = new OptionWalk(isRun: true, [network, lifecycle, confinement]);
        var rest = new List<string>(arguments.Count);
        for (int i = 1; i < arguments.Count; i++) rest.Add(arguments[i]);
        var items = new GetOptLong(program.Argv0, OptionTable.ForRun, rest, stopAtPositional: true);
        if (walk.Through(items) is CliCommand early) return walk.Ends(early);

        UsageFailure? failure = null;
        NetworkOptions what = network.Finish(walk.Warnings, ref failure);
        LifecycleOptions life = lifecycle.Finish(ref failure);
        var command = ImmutableArray.CreateRange(walk.Positionals);
        if (failure is not null) return walk.Ends(failure);
        return walk.Ends(new RunCommand(new RunOptions(command, what, life, confinement.Options)));
    }
}
