using Slirp.Linux.Events;
using Slirp.Linux.Native;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Linux.Namespaces;

/// <summary>A command in user, network and mount namespaces of its own, made here: no second program is needed.</summary>
/// <remarks>
/// <para>Model. <see cref="Start"/> leaves a clone of this process waiting inside the namespaces, its TAP and netlink
/// descriptors passed out; the caller configures the network through them and then calls <see cref="Go"/>, by which the
/// clone becomes the command. The command keeps this process's terminal, process group, working directory, environment,
/// descriptors 0, 1 and 2 and those that the request names; signals are at their defaults, but for a hang-up that this
/// process was started to ignore (nohup(1)).</para>
/// <para>Limits. The kernel kills the command when the thread that called <see cref="Start"/> ends, so call it from a
/// thread that lives as long as the process.</para>
/// </remarks>
public sealed class NamespaceCommand : IDisposable
{
    private readonly ChildProgram _program;
    private readonly ChildChannel _channel;
    private readonly ChildProcess _child;
    private readonly ResolvConfKeeper? _keeper;

    private NamespaceCommand(ChildProgram program, ChildChannel channel, ChildProcess child, ProcessWatch process,
        OwnedFd[] tapQueues, OwnedFd netlink, ResolvConfKeeper? keeper, IReadOnlyList<NamespaceWarning> warnings)
    {
        _keeper = keeper;
        _program = program;
        _channel = channel;
        _child = child;
        Process = process;
        TapQueues = tapQueues;
        Netlink = netlink;
        Warnings = warnings;
    }

    public int Pid => _child.Pid;

    /// <summary>Readable from the command's end on; signals go through it.</summary>
    public ProcessWatch Process { get; }

    /// <summary>For <c>TapDevice.FromAttached</c>, which takes them over.</summary>
    public OwnedFd[] TapQueues { get; }

    /// <summary>A NETLINK_ROUTE socket of the new network namespace.</summary>
    public OwnedFd Netlink { get; }

    public IReadOnlyList<NamespaceWarning> Warnings { get; }

    /// <exception cref="LinuxException">Names the step that was refused; a command that cannot be found is refused here.</exception>
    public static NamespaceCommand Start(CommandRequest request)
    {
        string path = CommandLookup.Find(request.Command[0], Environment.GetEnvironmentVariable("PATH"));
        List<byte[]> environment = CommandLookup.Environment(File.ReadAllBytes("/proc/self/environ"), request.Environment);
        LetChildrenLeaveTheirStatus();
        var program = new ChildProgram();
        ChildChannel? channel = null;
        ChildProcess? child = null;
        ResolvConfKeeper? keeper = null;
        using var born = new BornDescriptors();
        try
        {
            channel = new ChildChannel();
            List<int> optional = Compose(program, channel, request, path, environment);
            child = ChildProcess.Start(program, channel);
            ExpectWord(ChildMessage.NeedsMaps, born.Collect(channel), program, child);
            IdMaps.Write(child.ShownPid);
            _ = channel.Send(ChildMessage.Go);
            ExpectWord(ChildMessage.Ready, born.Collect(channel), program, child);
            List<NamespaceWarning> warnings = [.. NamespaceAttach.WarningsOf(program, optional)];
            keeper = Keep(request, child, warnings);
            OwnedFd netlink = born.TakeNetlink() ?? throw Ended();
            return new NamespaceCommand(program, channel, child, ProcessWatch.FromOwned(child.Pid, child.TakePidFd()),
                born.TakeQueues(), netlink, keeper, warnings);
        }
        catch
        {
            keeper?.Dispose();
            child?.Dispose();
            channel?.Dispose();
            program.Dispose();
            throw;
        }
    }

    /// <summary>Lets the clone become the command; returns once it has.</summary>
    /// <exception cref="LinuxException">The kernel would not execute it: <see cref="ExitStatusFor"/> gives the status to end with.</exception>
    public void Go()
    {
        _ = _channel.Send(ChildMessage.Go);
        // The channel closes at execve. A clone that was killed instead shows in its status.
        if (_channel.Receive(-1, out _, out _) == ChildChannel.Outcome.ChildGone) return;
        _ = _child.Reap();
        throw _program.Report.FailedErrno != 0 ? _program.FailureOf() : Ended();
    }

    /// <summary>Kills it. By its descriptor, since behind the walls kill(2) is refused; and one that has not begun takes
    /// no other signal.</summary>
    public void End() => _ = Process.Signal(SIGKILL);

    /// <summary>Waits for the command's end, without delay if <see cref="Process"/> is readable.</summary>
    /// <returns>Its exit status, or 128 and the number of the signal that ended it.</returns>
    public int WaitForExit()
    {
        int status = _child.Reap();
        int signal = status & 0x7f;
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal;
    }

    /// <summary>Takes the status of every other child that has ended: processes that were left to this one, as the first of its
    /// PID namespace.</summary>
    public unsafe void ReapOthers()
    {
        const int P_ALL = 0, WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x01000000, pidOffset = 16; // of siginfo_t, on 64 bits
        byte* information = stackalloc byte[128];
        while (true)
        {
            *(int*)(information + pidOffset) = 0;
            SysResult found = Libc.Call(Syscalls.waitid, P_ALL, 0, (nint)information, WEXITED | WNOHANG | WNOWAIT); // on this stack
            int pid = *(int*)(information + pidOffset);
            if (!found.IsOk || pid == 0 || pid == Pid) return; // with the command all others end
            _ = Libc.waitpid(pid, null, 0);
        }
    }

    /// <returns>True if it has been stopped by SIGSTOP since the last call and nobody has continued it: a shell that
    /// suspends itself. What is typed at the terminal to stop it (SIGTSTP) reaches this process too.</returns>
    public unsafe bool TakeStop()
    {
        const int P_PID = 1, WNOHANG = 1, WSTOPPED = 2, pidOffset = 16, statusOffset = 24; // of siginfo_t, on 64 bits
        byte* information = stackalloc byte[128];
        *(int*)(information + pidOffset) = 0;
        SysResult found = Libc.Call(Syscalls.waitid, P_PID, Pid, (nint)information, WSTOPPED | WNOHANG); // on this stack
        return found.IsOk && *(int*)(information + pidOffset) == Pid && *(int*)(information + statusOffset) == SIGSTOP;
    }

    /// <summary>Whether it has made a process group of its own, as shells do that control jobs. One in our group that is stopped by
    /// somebody is continued by him, and its network must not wait for anybody else.</summary>
    public bool IsShell => Libc.Call(Syscalls.getpgid, Pid) is { IsOk: true } group && group.Raw != Libc.Call(Syscalls.getpgid, 0).Raw;

    /// <summary>Stops this process as the command is stopped, and continues the command when somebody continues this process.</summary>
    public void StopAlong()
    {
        // kill(2) is behind the walls, and a signal to one thread stops all.
        int thread = Libc.Call(Syscalls.gettid).Raw;
        _ = Libc.Call(Syscalls.tgkill, Environment.ProcessId, thread, SIGSTOP);
        _ = Process.Signal(SIGCONT);
    }

    /// <summary>What a shell would say: 127 for a program that is not there, 126 for one that cannot be executed.</summary>
    public static int ExitStatusFor(LinuxException failure) =>
        failure.Step == "execve" && failure.Errno is Errno.ENOENT or Errno.ENOTDIR ? 127 : 126;

    /// <summary>Ends the command if it still runs, begun or not.</summary>
    public void Dispose()
    {
        End();
        _keeper?.Dispose();
        _child.Dispose();
        Process.Dispose();
        foreach (OwnedFd queue in TapQueues) queue.Dispose();
        Netlink.Dispose();
        _channel.Dispose();
        _program.Dispose();
    }

    private static ResolvConfKeeper? Keep(CommandRequest request, ChildProcess child, List<NamespaceWarning> warnings)
    {
        if (request.ResolvConf is not byte[] content) return null;
        try
        {
            return new ResolvConfKeeper(child.ShownPid, content);
        }
        catch (LinuxException e)
        {
            warnings.Add(new NamespaceWarning(e.Step, "/etc/resolv.conf, to keep it", e.Errno));
            return null;
        }
    }

    private static List<int> Compose(
        ChildProgram program, ChildChannel channel, CommandRequest request, string path, List<byte[]> environment)
    {
        ChildProcess.AddBeginning(program, channel);
        CommandInstructions.AddNamespaces(program, channel);
        List<int> optional = CommandInstructions.AddMounts(program, request);
        BirthInstructions.AddTap(program, channel, request.TapName, request.QueueCount, request.VnetHeader);
        BirthInstructions.AddNetlink(program, channel);
        optional.AddRange(BirthInstructions.AddSysctls(program, request.Sysctls));
        CommandInstructions.AddExecute(program, channel, request, path, environment);
        program.End(channel);
        return optional;
    }

    private static void ExpectWord(ChildMessage expected, ChildMessage said, ChildProgram program, ChildProcess child)
    {
        if (said == expected) return;
        _ = child.Reap();
        throw program.Report.FailedErrno != 0 ? program.FailureOf() : Ended();
    }

    private static LinuxException Ended() => new("clone", "this process", Errno.ECHILD, "the child process was ended by somebody");

    /// <summary>Where the caller ignores SIGCHLD, and this process inherited that, the kernel would throw the command's
    /// status away: the default is set, which differs in nothing else.</summary>
    private static void LetChildrenLeaveTheirStatus()
    {
        if (SignalDisposition.IsIgnored(SIGCHLD)) SignalDisposition.SetDefault(SIGCHLD);
    }
}
