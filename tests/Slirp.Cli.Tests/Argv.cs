using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

/// <summary>Command lines as tests write them: one string, words separated by single spaces.</summary>
internal static class Argv
{
    public const string Stamp = "1.2.3+0123456789abcdef0123456789abcdef01234567";

    public static readonly ProgramName Program = new("slirpnet");

    /// <summary>The only paths there are begin with /exists.</summary>
    public static string? PathCheck(string path) =>
        path.StartsWith("/exists", StringComparison.Ordinal) ? null : "No such file or directory";

    public static string[] Words(string line) => line.Length == 0 ? [] : line.Split(' ');

    public static CommandLine Read(params string[] words) => CommandLine.Parse(Program, words, PathCheck);

    public static CommandLine ReadLine(string line) => Read(Words(line));

    public static AttachOptions Attach(params string[] words) =>
        Assert.IsType<AttachCommand>(Read(words).Command).Options;

    public static AttachOptions AttachLine(string line) => Attach(Words(line));

    /// <summary>The options before a target that is in order.</summary>
    public static AttachOptions WithTarget(params string[] options) => Attach([.. options, "42", "tap0"]);

    public static RunOptions RunLine(string line) => Assert.IsType<RunCommand>(ReadLine(line).Command).Options;

    public static UsageFailure Refused(params string[] words) => Assert.IsType<UsageFailure>(Read(words).Command);

    public static CommandLineReport Report(params string[] words) =>
        CommandLineReport.Of(Program, Read(words), Stamp);

    public static string[] Lines(string text) => text.Split('\n');
}
