using System.Diagnostics;

namespace Slirp.Linux.Tests.Support;

/// <summary>Runs this assembly's <c>Main</c> as a process of its own: as another user, or through a shell line.</summary>
public static class HelperProcess
{
    private static string[] Self => [Environment.ProcessPath!.EndsWith("/dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet", typeof(HelperProcess).Assembly.Location];

    public static (int Status, string Output) RunAsNobody(params string[] arguments) =>
        Run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", .. Self, .. arguments]);

    public static (int Status, string Output) RunAsRoot(params string[] arguments) => Run([.. Self, .. arguments]);

    /// <summary>As root of a user and a network namespace of its own.</summary>
    public static (int Status, string Output) RunInOwnNetwork(params string[] arguments) => Run(["unshare", "-r", "-n", .. Self, .. arguments]);

    /// <summary>The prefix holds shell words before the command, the suffix those after it: redirections.</summary>
    public static (int Status, string Output) RunThroughShell(string prefix, string suffix, params string[] arguments) =>
        Run(["sh", "-c", $"{prefix} {LineOf(arguments)} {suffix}"]);

    /// <summary>The command, for a shell.</summary>
    public static string LineOf(params string[] arguments) => string.Join(' ', Self.Concat(arguments).Select(word => $"'{word}'"));

    public static (int Status, string Output) Run(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = "/nonexistent"; // another user may not read ours
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}
