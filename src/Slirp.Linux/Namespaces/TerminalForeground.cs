using System.Globalization;
using System.Text;

namespace Slirp.Linux.Namespaces;

/// <summary>Tells whether this process is in the foreground process group of its controlling terminal: what is typed there
/// (SIGINT, SIGQUIT) has then gone to every process of the group.</summary>
/// <remarks>Asked of an open /proc/self/stat, so it answers where no file can be opened any more.</remarks>
public sealed unsafe class TerminalForeground : IDisposable
{
    private const int StatCapacity = 1024; // some fifty numbers and a name of 15 octets

    private readonly OwnedFd _stat;

    /// <exception cref="LinuxException">There is no /proc, or no descriptor left.</exception>
    public TerminalForeground() =>
        _stat = Descriptor.OpenFile("/proc/self/stat", OpenFlags.O_RDONLY).OwnedOrThrow("open", "/proc/self/stat");

    public bool IsOurs
    {
        get
        {
            byte* buffer = stackalloc byte[StatCapacity];
            SysResult read = Native.Libc.Call(Syscalls.pread64, _stat.Value, (nint)buffer, StatCapacity, 0); // on this stack
            return read.IsOk && IsInForeground(Encoding.UTF8.GetString(buffer, read.Raw));
        }
    }

    public void Dispose() => _stat.Dispose();

    /// <param name="stat">As proc_pid_stat(5) has it. The name, which comes second, may hold blanks and parentheses.</param>
    internal static bool IsInForeground(string stat)
    {
        const int pgrp = 2, tpgid = 5; // counted from the state, the field after the name
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > tpgid
            && int.TryParse(fields[pgrp], NumberStyles.None, CultureInfo.InvariantCulture, out int own) // tpgid is -1 without a terminal
            && int.TryParse(fields[tpgid], NumberStyles.None, CultureInfo.InvariantCulture, out int foreground)
            && own == foreground;
    }
}
