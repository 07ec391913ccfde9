using System.Diagnostics;
using Xunit;

namespace Slirp.Linux.Tests.Support;

/// <summary>A test that makes user and network namespaces; skipped, with the reason, where the machine refuses them.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NamespaceFactAttribute : FactAttribute
{
    private static readonly string? Refusal =
        File.Exists("/dev/net/tun") ? Probe("no user namespaces here", "unshare", "-r", "-n", "true") : "no /dev/net/tun";

    public NamespaceFactAttribute() => Skip = Refusal;

    /// <returns>Why the command fails here, or null.</returns>
    internal static string? Probe(string meaning, params string[] command)
    {
        try
        {
            using Process? process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true });
            if (process is null) return $"{command[0]}(1) did not start";
            string words = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : $"{meaning}: {words.Trim()}";
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return $"{command[0]}(1) is missing: {e.Message}";
        }
    }
}

/// <summary>As <see cref="NamespaceFactAttribute"/>, for a test that changes to other users as well.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootNamespaceFactAttribute : FactAttribute
{
    private static readonly string? Refusal = new NamespaceFactAttribute().Skip
        ?? (Environment.IsPrivilegedProcess ? ProbeAsNobody() : "needs root, to become another user");

    public RootNamespaceFactAttribute() => Skip = Refusal;

    private static string? ProbeAsNobody() => NamespaceFactAttribute.Probe(
        "the user nobody has no user namespaces here, or may not execute dotnet",
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-r", "-n", "sh", "-c", "command -v \"$0\" >/dev/null", HelperProcess.Dotnet);
}
