namespace Slirp.Cli.Options;

/// <summary>Whether a path can be found, as access(2) with F_OK tells.</summary>
/// <returns>Null if it can; else why not, in strerror(3)'s words.</returns>
public delegate string? PathCheck(string path);

public static class PathChecks
{
    /// <summary>Asks the file system.</summary>
    public static string? Exists(string path)
    {
        if (File.Exists(path) || Directory.Exists(path)) return null;
        try
        {
            _ = File.GetAttributes(path);
            // The entry is there and cannot be followed: /proc/PID/ns links of another user's process are such.
            bool isProcLink = path.StartsWith("/proc/", StringComparison.Ordinal);
            return isProcLink ? "Permission denied" : "No such file or directory";
        }
        catch (UnauthorizedAccessException)
        {
            return "Permission denied";
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            return "No such file or directory";
        }
    }
}
