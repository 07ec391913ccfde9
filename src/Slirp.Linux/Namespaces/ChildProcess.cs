using Slirp.Linux.Events;
using Slirp.Linux.Native;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Linux.Namespaces;

/// <summary>A running clone of this process. Disposing ends the clone if it still runs, and reaps it:
/// no zombie is left on any path.</summary>
internal sealed unsafe class ChildProcess : IDisposable
{
    // A child that greets at all does so within a millisecond or two; see ChildRunner for the one that never does.
    private const int HelloTimeoutMilliseconds = 2000;
    private const int Attempts = 5;

    private OwnedFd? _pidFd; // null on a kernel before 5.2, and once taken
    private int? _waitStatus;

    private ChildProcess(ChildProgram program, int pid)
    {
        Pid = pid;
        int descriptor = program.Report.PidFd;
        _pidFd = descriptor >= 0 ? OwnedFd.FromKernel(descriptor) : null;
    }

    internal int Pid { get; }

    /// <summary>Its number in procfs, which may be mounted for another PID namespace.</summary>
    internal int ShownPid => _pidFd is null ? Pid : ProcessWatch.ShownBy(_pidFd.Value, Pid);

    /// <summary>Appends what every program begins with.</summary>
    internal static void AddBeginning(ChildProgram program, ChildChannel channel)
    {
        int step = program.Step("write", "the channel to the parent process");
        _ = channel.AddSend(program, step, ChildMessage.Hello);
        channel.AddCloseParentEnd(program, step);
    }

    /// <summary>Starts the program; it runs when this returns. Both arguments are borrowed for the child's life.</summary>
    internal static ChildProcess Start(ChildProgram program, ChildChannel channel, int helloTimeoutMilliseconds = HelloTimeoutMilliseconds)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            int pid = ChildRunner.Start(program);
            if (pid < 0) throw new LinuxException("clone", "this process", (Errno)(-pid), "a limit on processes or memory was reached");
            var child = new ChildProcess(program, pid);
            if (channel.Receive(helloTimeoutMilliseconds, out ChildMessage hello, out _) == ChildChannel.Outcome.Message
                && hello == ChildMessage.Hello)
            {
                channel.CloseChildEnd();
                return child;
            }
            child.Dispose();
            // It may have run after all: its words are not the next one's.
            while (channel.Receive(0, out _, out OwnedFd? late) == ChildChannel.Outcome.Message) late?.Dispose();
        }
        throw new LinuxException("clone", "this process", Errno.ETIMEDOUT, "the child process never ran");
    }

    /// <summary>The child's process descriptor, or one opened now where the kernel did not give one at the start.</summary>
    internal OwnedFd TakePidFd()
    {
        OwnedFd descriptor = _pidFd ?? Libc.Call(Syscalls.pidfd_open, Pid).OwnedOrThrow("pidfd_open", $"process {Pid}");
        _pidFd = null;
        return descriptor;
    }

    /// <summary>Waits for the end and keeps the status, as waitpid(2) gives it.</summary>
    internal int Reap()
    {
        if (_waitStatus is int known) return known;
        int status = 0;
        SysResult result;
        do result = Libc.Result(Libc.waitpid(Pid, &status, Libc.__WALL)); // status is on this stack
        while (result.Is(Errno.EINTR));
        _ = result.OrThrow("waitpid", $"process {Pid}");
        _waitStatus = status;
        return status;
    }

    internal void KillAndReap()
    {
        if (_waitStatus is not null) return;
        _ = Libc.kill(Pid, SIGKILL); // ours and not yet reaped: the number is still its own
        SysResult result;
        do result = Libc.Result(Libc.waitpid(Pid, null, Libc.__WALL));
        while (result.Is(Errno.EINTR));
        _waitStatus = SIGKILL;
    }

    public void Dispose()
    {
        KillAndReap();
        _pidFd?.Dispose();
    }
}
