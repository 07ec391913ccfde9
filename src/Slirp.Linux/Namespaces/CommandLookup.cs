using System.Text;
using Slirp.Linux.Native;

namespace Slirp.Linux.Namespaces;

/// <summary>Finds the program of a command, and puts together the environment it gets.</summary>
internal static class CommandLookup
{
    private const int X_OK = 1;

    /// <summary>As execvp(3) does: a name with '/' is a path; any other is looked up in PATH.</summary>
    /// <exception cref="LinuxException">ENOENT: not found. EACCES: found, and not to be executed.</exception>
    internal static unsafe string Find(string program, string? searchPath)
    {
        if (program.Length == 0) throw new LinuxException("execve", "an empty command", Errno.ENOENT);
        if (program.Contains('/')) return program; // execve itself tells best what is wrong with it
        bool wasSeen = false;
        foreach (string directory in (searchPath ?? "/usr/local/bin:/usr/bin:/bin").Split(':'))
        {
            string candidate = directory.Length == 0 ? $"./{program}" : $"{directory}/{program}"; // empty: here, by POSIX
            if (!File.Exists(candidate)) continue;
            wasSeen = true;
            fixed (byte* p = CString.Encode(candidate)) // pinned for the call
                if (Libc.access(p, X_OK) == 0) return candidate;
        }
        throw wasSeen
            ? new LinuxException("execve", program, Errno.EACCES, "it is not executable")
            : new LinuxException("execve", program, Errno.ENOENT, "no such program in PATH");
    }

    /// <summary>This process's environment octet for octet, with some variables set otherwise.</summary>
    internal static List<byte[]> Environment(ReadOnlySpan<byte> own, IReadOnlyDictionary<string, string> changes)
    {
        var variables = new List<byte[]>();
        while (!own.IsEmpty)
        {
            int end = own.IndexOf((byte)0);
            ReadOnlySpan<byte> variable = end < 0 ? own : own[..end];
            own = end < 0 ? default : own[(end + 1)..];
            int equals = variable.IndexOf((byte)'=');
            if (equals > 0 && changes.ContainsKey(Encoding.UTF8.GetString(variable[..equals]))) continue;
            if (!variable.IsEmpty) variables.Add([.. variable, 0]);
        }
        foreach ((string name, string value) in changes) variables.Add(CString.Encode($"{name}={value}"));
        return variables;
    }
}
