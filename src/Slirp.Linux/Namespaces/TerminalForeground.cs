using System.Globalization;
using System.Text;

namespace Slirp.Linux.Namespaces;

/// <summary>Tells which process group is in the foreground of this process's controlling terminal: what is typed there
/// (SIGINT, SIGQUIT) goes to every process of that group.</summary>
/// <remarks>Asked of an open /proc/self/stat, so it answers where no file can be opened any more.</remarks>
public sealed unsafe class TerminalForeground : IDisposable
{
    private const int StatCapacity = 1024; // some fifty numbers and a name of 15 octets

    private readonly OwnedFd _stat;

    /// <exception cref="LinuxException">There is no /proc, or no descriptor left.</exception>
    public TerminalForeground() =>
        _stat = Descriptor.OpenFile("/proc/self/stat", OpenFlags.O_RDONLY).OwnedOrThrow("open", "/proc/self/stat");

    /// <summary>Whether it is this process's own.</summary>
    public bool IsOurs => IsInForeground(ReadStat());

    /// <summary>Whether it is this process's own or that one.</summary>
    public bool IsOursOr(int group)
    {
        string stat = ReadStat();
        return IsInForeground(stat) || IsInForeground(stat, group);
    }

    public void Dispose() => _stat.Dispose();

    /// <param name="stat">As proc_pid_stat(5) has it. The name, which comes second, may hold blanks and parentheses.</param>
    /// <param name="group">The group that is asked for; else the process's own.</param>
    internal static bool IsInForeground(string stat, int? group = null)
    {
        const int pgrp = 2, tpgid = 5; // counted from the state, the field after the name
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > tpgid
            && int.TryParse(fields[pgrp], NumberStyles.None, CultureInfo.InvariantCulture, out int own) // tpgid is -1 without a terminal
            && int.TryParse(fields[tpgid], NumberStyles.None, CultureInfo.InvariantCulture, out int foreground)
            && (group ?? own) == foreground;
    }

    private string ReadStat()
    {
        byte* buffer = stackalloc byte[StatCapacity];
        SysResult read = Native.Libc.Call(Syscalls.pread64, _stat.Value, (nint)buffer, StatCapacity, 0); // on this stack
        return read.IsOk ? Encoding.UTF8.GetString(buffer, read.Raw) : "";
    }
}
