namespace Slirp.Cli.Options;

/// <summary>The name the program was called by, which messages begin with and which may be slirp4netns.</summary>
/// <param name="Argv0">As the caller gave it, directories included.</param>
public readonly record struct ProgramName(string Argv0)
{
    public const string Own = "slirpnet";

    public const string Predecessor = "slirp4netns";

    /// <param name="commandLine">As Environment.GetCommandLineArgs tells: ahead of time compiled, the first word is
    /// what the caller put there, which may be nothing at all (execve(2) allows an empty list).</param>
    public static ProgramName From(IReadOnlyList<string> commandLine) =>
        new(commandLine.Count > 0 && commandLine[0].Length > 0 ? commandLine[0] : Own);

    /// <summary>True for any path that ends in "/slirp4netns", and for the bare word.</summary>
    public bool IsPredecessor => Argv0[(Argv0.LastIndexOf('/') + 1)..] == Predecessor;

    /// <summary>slirp4netns has no sub-command: a first argument "run" is a positional like any other.</summary>
    public bool HasRun => !IsPredecessor;
}
