using System.Diagnostics;

namespace Slirp.Linux.Tests.Support;

/// <summary>Runs this assembly's <c>Main</c> as a process of its own: as another user, or through a shell line.</summary>
public static class HelperProcess
{
    private static readonly Lazy<string> Copy = new(CopyForEverybody);

    /// <summary>The runtime's host.</summary>
    public static string Dotnet { get; } =
        Environment.ProcessPath!.EndsWith("/dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet";

    private static string[] Self => [Dotnet, Copy.Value];

    public static (int Status, string Output) RunAsNobody(params string[] arguments) =>
        Run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", .. Self, .. arguments]);

    public static (int Status, string Output) RunAsRoot(params string[] arguments) => Run([.. Self, .. arguments]);

    /// <summary>As root of a user and a network namespace of its own.</summary>
    public static (int Status, string Output) RunInOwnNetwork(params string[] arguments) => Run(["unshare", "-r", "-n", .. Self, .. arguments]);

    /// <summary>The prefix holds shell words before the command, the suffix those after it: redirections.</summary>
    public static (int Status, string Output) RunThroughShell(string prefix, string suffix, params string[] arguments) =>
        Run(["sh", "-c", $"{prefix} {LineOf(arguments)} {suffix}"]);

    // The clone may be where other users may not look, below /root for one.
    private static string CopyForEverybody()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("slirpnet-helper-");
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
        File.SetUnixFileMode(folder.FullName, (UnixFileMode)0b111_101_101);
        foreach (string file in Directory.GetFiles(AppContext.BaseDirectory))
        {
            string copy = Path.Combine(folder.FullName, Path.GetFileName(file));
            File.Copy(file, copy);
            File.SetUnixFileMode(copy, (UnixFileMode)0b111_101_101);
        }
        return Path.Combine(folder.FullName, Path.GetFileName(typeof(HelperProcess).Assembly.Location));
    }

    /// <summary>The command, for a shell.</summary>
    public static string LineOf(params string[] arguments) => string.Join(' ', Self.Concat(arguments).Select(word => $"'{word}'"));

    public static (int Status, string Output) Run(params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = "/nonexistent"; // another user may not read ours
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["SHELL"] = "/bin/sh"; // script(1) starts it
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }
}
