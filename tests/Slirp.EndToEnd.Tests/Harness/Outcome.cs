namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What came of a command that ran to its end.</summary>
internal sealed record Outcome(string Words, int Status, string Stdout, string Stderr)
{
    /// <summary>Its output, or a failure that quotes all it said.</summary>
    public string Succeeded() => Status == 0 ? Stdout : throw new EndToEndException(ToString());

    public override string ToString() => $"{Words}: status {Status}\n--- stdout\n{Stdout}\n--- stderr\n{Stderr}";
}
