using System.Reflection;

namespace Slirp.Cli.Options;

/// <summary>The answer to --version, in the form that runc made customary and machines read.</summary>
/// <remarks>Docker takes the text behind "version" on any line that has that word, and what follows "commit:"; so the
/// word must not occur on a second line. slirp4netns' own tests read SLIRP_CONFIG_VERSION_MAX to learn whether outbound
/// addresses (2) and the switch for DNS (3) are there. They are, and so 4, what callers know from slirp4netns, is true
/// of what can be asked for, although no libslirp is inside.</remarks>
public static class VersionText
{
    private const int CommitLength = 40;

    /// <summary>The version and commit that the build stamped on this assembly: "0.1.0+COMMIT".</summary>
    public static string Stamp => typeof(VersionText).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    /// <param name="stamp">See <see cref="Stamp"/>; a build outside a repository has no commit, shown as zeros.</param>
    public static string Compose(ProgramName program, string stamp)
    {
        int plus = stamp.IndexOf('+', StringComparison.Ordinal);
        string version = plus < 0 ? stamp : stamp[..plus];
        string commit = plus < 0 ? "" : stamp[(plus + 1)..];
        if (!IsCommit(commit)) commit = new string('0', CommitLength);
        string name = program.IsPredecessor ? ProgramName.Predecessor : ProgramName.Own;
        return $"""
            {name} version {version}
            commit: {commit}
            libslirp: none, this is slirpnet with a network stack of its own
            SLIRP_CONFIG_VERSION_MAX: 4
            libseccomp: none, filters are made by slirpnet itself

            """;
    }

    private static bool IsCommit(string text)
    {
        if (text.Length != CommitLength) return false;
        foreach (char c in text)
            if (!char.IsAsciiHexDigitLower(c)) return false;
        return true;
    }
}
