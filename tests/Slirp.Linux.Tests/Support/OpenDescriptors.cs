using Xunit;

namespace Slirp.Linux.Tests.Support;

/// <summary>What this process has open, to be compared with what it had open before.</summary>
/// <remarks>By number and by what it leads to, not by count: the collector closes what earlier tests left behind whenever
/// it likes, so that there may be fewer at any time. Only one that was not there before is a leak; what the runtime opens
/// for itself, assemblies and what it asks of the system, is none.</remarks>
internal static class OpenDescriptors
{
    public static HashSet<string> Now()
    {
        var open = new HashSet<string>();
        foreach (string path in Directory.GetFiles("/proc/self/fd"))
        {
            // The one that lists the folder is gone when it is asked about.
            if (LinkTarget(path) is { } target && !IsRuntimes(target)) open.Add($"{Path.GetFileName(path)} -> {target}");
        }
        return open;
    }

    public static void AssertNoneAddedTo(HashSet<string> before)
    {
        HashSet<string> added = Now();
        added.ExceptWith(before);
        Assert.Empty(added);
    }

    private static bool IsRuntimes(string target) =>
        Path.GetExtension(target) is ".dll" or ".so" or ".pdb" || target.StartsWith("/sys/", StringComparison.Ordinal)
        || target.StartsWith("/dev/urandom", StringComparison.Ordinal);

    private static string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
