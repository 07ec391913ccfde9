using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>Watches one process until its end, by a descriptor that can mean no other (pidfd_open(2), Linux 5.3).</summary>
public sealed class ProcessWatch : IDisposable
{
    private readonly OwnedFd _owned;

    private ProcessWatch(int pid, OwnedFd owned)
    {
        Pid = pid;
        _owned = owned;
    }

    public int Pid { get; }

    /// <summary>Readable (EPOLLIN) from the process's end on, reaped or not.</summary>
    public PidFd Fd => _owned.AsPid;

    /// <exception cref="LinuxException">ESRCH: there is no such process. ENOSYS: the kernel is older than 5.3. EINVAL or ENOENT:
    /// the number is a thread's.</exception>
    public static ProcessWatch Open(int pid)
    {
        SysResult opened = Libc.Call(Syscalls.pidfd_open, pid);
        return new ProcessWatch(pid, opened.OwnedOrThrow("pidfd_open", $"process {pid}", opened.Errno switch
        {
            Errno.ESRCH => "there is no such process",
            Errno.EINVAL or Errno.ENOENT => "it is a thread and not a process",
            _ => null,
        }));
    }

    /// <summary>Takes a descriptor that came with the process (clone).</summary>
    internal static ProcessWatch FromOwned(int pid, OwnedFd descriptor) => new(pid, descriptor);

    /// <summary>Its number in procfs, which may be mounted for another PID namespace.</summary>
    public int ShownPid => ShownBy(Fd.Value, Pid);

    /// <summary>What procfs shows for the process of a descriptor (proc_pid_fdinfo(5)).</summary>
    internal static int ShownBy(int descriptor, int otherwise)
    {
        const string name = "Pid:\t";
        string? line = Array.Find(File.ReadAllLines($"/proc/self/fdinfo/{descriptor}"), line => line.StartsWith(name, StringComparison.Ordinal));
        return int.TryParse(line?[name.Length..], out int shown) && shown > 0 ? shown : otherwise;
    }

    public bool HasEnded
    {
        get
        {
            SysResult result = Descriptor.Poll(Fd, PollEvents.POLLIN, 0, out _);
            return result.IsOk && result.Raw > 0;
        }
    }

    /// <summary>Sends a signal to that process and to no later one with its number. ESRCH: it has ended.</summary>
    public SysResult Signal(int signal) => Libc.Call(Syscalls.pidfd_send_signal, Fd.Value, signal);

    public void Dispose() => _owned.Dispose();
}
