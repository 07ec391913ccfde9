using System.Diagnostics;
using Xunit;

namespace Slirp.Linux.Tests.Support;

/// <summary>A test that makes user and network namespaces; skipped, with the reason, where the machine refuses them.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NamespaceFactAttribute : FactAttribute
{
    private static readonly string? Refusal = Probe();

    public NamespaceFactAttribute() => Skip = Refusal;

    private static string? Probe()
    {
        if (!File.Exists("/dev/net/tun")) return "no /dev/net/tun";
        try
        {
            using Process? unshare = Process.Start(new ProcessStartInfo("unshare", ["-r", "-n", "true"]) { RedirectStandardError = true });
            if (unshare is null) return "unshare(1) did not start";
            string words = unshare.StandardError.ReadToEnd();
            unshare.WaitForExit();
            return unshare.ExitCode == 0 ? null : $"no user namespaces here: {words.Trim()}";
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return $"unshare(1) is missing: {e.Message}";
        }
    }
}

/// <summary>As <see cref="NamespaceFactAttribute"/>, for a test that changes to other users as well.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootNamespaceFactAttribute : FactAttribute
{
    public RootNamespaceFactAttribute()
    {
        Skip = new NamespaceFactAttribute().Skip ?? (Environment.IsPrivilegedProcess ? null : "needs root, to become another user");
    }
}
