using Slirp.Linux.Abi;
using Slirp.Linux.Events;
using Slirp.Linux.Native;

namespace Slirp.Linux.Namespaces;

// Theory of operation: a resolv.conf that stays where it was put.
//
// The command's file is mounted over the machine's. Where somebody on the machine replaces that (NetworkManager, resolved and
// DHCP clients write another file and rename it), the kernel takes the mount away with the name it lay on, in every mount
// namespace; and where /etc/resolv.conf is a link that is turned, the mount lies where nobody looks any more. Then the
// command would read the machine's file, whose 127.0.0.53 is not there for it.
//
// Model. A clone of this process in the command's namespaces waits for either and mounts the file again. The file is in a mount
// namespace of its own that is made from the command's: there it is mounted for good, where nobody replaces anything, so that
// there is always something to copy from. What it does is a list of system calls (ChildProgram):
//
//     bind:    copy the mount, in our namespace
//     place:   move the copy to where /etc/resolv.conf leads, in the command's (nothing there: bind in a second). Pause.
//              It is a link: go to "link".
//     plain:   is the copy still mounted? No: bind. Wait. Again.
//     link:    is the copy still mounted? No: bind. Is the link the one that was marked? No: mark it, place. Wait. Again.
//
// - "Mounted" is told by open_tree(2), which copies what is mounted in the caller's namespace only (else EINVAL).
// - "The one that was marked" is told by inotify: IN_MASK_CREATE refuses (EEXIST) an inode that is watched already.
// - It waits for changes of the mount table (proc_pid_mounts(5): EPOLLPRI) and of names in /etc (inotify). Its own moves are such
//   changes too, so no wait but the pause keeps it from going round at full speed where a file system plays tricks on it.
//
// What the command mounts there lies on top, until the host replaces its file: the kernel takes both away. What the command takes away
// comes back. The mount and its file go with the command's namespaces; the clone ends with this process. It holds no descriptor but its
// own, and none of this process's rights: it is in the command's network too, and cannot be traced by the command (not dumpable), whose
// root has every right over it otherwise.
//
// Kernel assumptions: open_tree and move_mount (5.2). Without them the file is there until it is replaced.
internal sealed unsafe class ResolvConfKeeper : IDisposable
{
    private const int UserRegister = 0, ThereRegister = 1, HereRegister = 2, FolderRegister = 3, FileRegister = 4,
        EventsRegister = 5, MountsRegister = 6, PollRegister = 7, CopyRegister = 8, ProbeRegister = 9, NetworkRegister = 10;

    private const int PR_SET_PDEATHSIG = 1, PR_SET_DUMPABLE = 4, EPOLL_CTL_ADD = 1, Forever = -1, RetryMilliseconds = 1000;
    private const int CLOCK_MONOTONIC = 1, PauseNanoseconds = 20_000_000;
    private const int AT_EMPTY_PATH = 0x1000, NameLength = 64, EventsLength = 4096;
    private const long OPEN_TREE_CLONE = 1, MOVE_MOUNT_F_EMPTY_PATH = 4, MOVE_MOUNT_T_SYMLINKS = 0x10;
    private const string Name = "/etc/resolv.conf";
    private const InotifyMask Gone = InotifyMask.IN_DELETE_SELF | InotifyMask.IN_DONT_FOLLOW;

    private readonly ChildProgram _program = new();
    private readonly ChildChannel _channel = new();
    private readonly ChildProcess _child;
    private readonly ProcessWatch _process;

    /// <summary>Returns once it waits.</summary>
    /// <param name="shownPid">The command's number in procfs; it must be in its namespaces.</param>
    /// <param name="content">The file's.</param>
    /// <exception cref="LinuxException">Names the step that was refused: nothing is kept then.</exception>
    internal ResolvConfKeeper(int shownPid, byte[] content)
    {
        try
        {
            ChildProcess.AddBeginning(_program, _channel);
            AddEntry(shownPid);
            AddFile(content);
            AddWatches();
            AddLoop();
            _program.End(_channel);
            _child = ChildProcess.Start(_program, _channel);
        }
        catch
        {
            _channel.Dispose();
            _program.Dispose();
            throw;
        }
        try
        {
            _process = ProcessWatch.FromOwned(_child.Pid, _child.TakePidFd());
            ChildChannel.Outcome outcome = _channel.Receive(-1, out ChildMessage said, out _);
            if (outcome != ChildChannel.Outcome.Message || said != ChildMessage.Ready) throw _program.FailureOf();
        }
        catch
        {
            _child.Dispose();
            _process?.Dispose();
            _channel.Dispose();
            _program.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        // By its descriptor: behind the walls kill(2) is refused. Where even that is (a caller's filter), the kernel ends it with us.
        SysResult killed = _process.Signal(SignalNumber.SIGKILL);
        if (killed.IsOk || killed.Is(Errno.ESRCH))
        {
            _ = _child.Reap();
            _child.Dispose();
        }
        _process.Dispose();
        _channel.Dispose();
        _program.Dispose();
    }

    private static ChildProgram.Argument Register(int number) => ChildProgram.Argument.Register(number);

    private int Open(int step, string path, OpenFlags flags, int result) =>
        _program.Add(step, Syscalls.openat, Descriptor.AT_FDCWD, _program.String(path), (int)(flags | OpenFlags.O_CLOEXEC), result: result);

    private void AddEntry(int shownPid)
    {
        int step = _program.Step("setns", $"/proc/{shownPid}/ns/user, mnt and net");
        _ = _program.Add(step, Syscalls.prctl, PR_SET_DUMPABLE, 0);
        _channel.AddCloseOthers(_program, step);
        _ = Open(step, $"/proc/{shownPid}/ns/user", OpenFlags.O_RDONLY, UserRegister);
        _ = Open(step, $"/proc/{shownPid}/ns/net", OpenFlags.O_RDONLY, NetworkRegister);
        _ = Open(step, $"/proc/{shownPid}/ns/mnt", OpenFlags.O_RDONLY, ThereRegister);
        _ = _program.Add(step, Syscalls.setns, Register(UserRegister), ChildRunner.CLONE_NEWUSER);
        _ = _program.Add(step, Syscalls.setns, Register(NetworkRegister), ChildRunner.CLONE_NEWNET);
        _ = _program.Add(step, Syscalls.setns, Register(ThereRegister), ChildRunner.CLONE_NEWNS);
        _program.IgnoreError(_program.Add(step, Syscalls.close, Register(UserRegister)));
        _program.IgnoreError(_program.Add(step, Syscalls.close, Register(NetworkRegister)));
        _ = _program.Add(step, Syscalls.prctl, PR_SET_PDEATHSIG, SignalNumber.SIGKILL);
    }

    /// <summary>The file, in a mount namespace of its own.</summary>
    private void AddFile(byte[] content)
    {
        int step = _program.Step("mount(tmpfs)", "a mount namespace for resolv.conf");
        _ = _program.Add(step, Syscalls.unshare, ChildRunner.CLONE_NEWNS);
        _ = Open(step, "/proc/self/ns/mnt", OpenFlags.O_RDONLY, HereRegister);
        _ = CommandInstructions.AddOwnFile(_program, step, FileRegister, content);
        _ = Open(step, CommandInstructions.Place, OpenFlags.O_PATH, FolderRegister);
        // The number stands for the first copy until there is one.
        _ = _program.Add(step, Syscalls.fcntl, Register(FolderRegister), (int)Fcntl.F_DUPFD_CLOEXEC, 0, result: CopyRegister);
    }

    private void AddWatches()
    {
        const InotifyMask changed = InotifyMask.IN_CREATE | InotifyMask.IN_DELETE | InotifyMask.IN_MOVED_TO
            | InotifyMask.IN_MOVED_FROM | InotifyMask.IN_ONLYDIR;
        int step = _program.Step("inotify_add_watch", "/etc and the mount table");
        _ = _program.Add(step, Syscalls.setns, Register(ThereRegister), ChildRunner.CLONE_NEWNS);
        _ = _program.Add(step, Syscalls.inotify_init1, (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK), result: EventsRegister);
        _ = _program.Add(step, Syscalls.inotify_add_watch, Register(EventsRegister), _program.String("/etc"), (long)changed);
        _ = Open(step, "/proc/self/mountinfo", OpenFlags.O_RDONLY, MountsRegister);
        _ = _program.Add(step, Syscalls.epoll_create1, (int)OpenFlags.O_CLOEXEC, result: PollRegister);
        AddEvent(step, EventsRegister, EpollEvents.EPOLLIN);
        AddEvent(step, MountsRegister, EpollEvents.EPOLLPRI);
        _ = _channel.AddSend(_program, step, ChildMessage.Ready);
        _channel.AddClose(_program, step);
    }

    private void AddEvent(int step, int register, EpollEvents events) =>
        _program.Add(step, Syscalls.epoll_ctl, Register(PollRegister), EPOLL_CTL_ADD, Register(register), _program.Value(new EpollEvent(events, 0)));

    private void AddLoop()
    {
        int step = _program.Step("move_mount", Name);
        nint name = _program.String(Name), empty = _program.String("");

        int bind = _program.Here;
        _program.IgnoreError(_program.Add(step, Syscalls.inotify_add_watch, Register(EventsRegister), name, (long)Gone)); // the mark
        _program.IgnoreError(_program.Add(step, Syscalls.close, Register(CopyRegister)));
        _ = _program.Add(step, Syscalls.setns, Register(HereRegister), ChildRunner.CLONE_NEWNS);
        _ = _program.Add(step, Syscalls.open_tree, Register(FolderRegister), _program.String(CommandInstructions.FileName),
            OPEN_TREE_CLONE | (long)OpenFlags.O_CLOEXEC, result: CopyRegister);
        _ = _program.Add(step, Syscalls.setns, Register(ThereRegister), ChildRunner.CLONE_NEWNS);

        int place = _program.Here;
        int move = AddMove(step, name, empty);
        _program.LandError(move);
        var pause = new timespec { tv_nsec = PauseNanoseconds };
        _program.IgnoreError(_program.Add(step, Syscalls.clock_nanosleep, CLOCK_MONOTONIC, 0, _program.Value(pause), 0));
        int look = _program.Add(step, Syscalls.readlinkat, Descriptor.AT_FDCWD, name, _program.Bytes(new byte[NameLength]), NameLength);

        int link = _program.Here;
        AddProbe(step, empty, bind);
        int marked = _program.Add(step, Syscalls.inotify_add_watch, Register(EventsRegister), name, (long)(Gone | InotifyMask.IN_MASK_CREATE));
        _program.Change(marked).OnSuccess = place;
        _program.Change(marked).OnlyErrno = (int)Errno.EEXIST;
        _program.LandError(marked);
        AddWait(step, Forever, link);
        _program.Change(marked).OnOtherError = _program.Here; // no such name now, or no watch to be had
        AddWait(step, RetryMilliseconds, link);

        // No link, by now; where the copy went it may have been one.
        _program.LandError(look);
        int again = AddMove(step, name, empty);
        _program.Change(again).OnSuccess = place;
        _program.LandError(again);
        int plain = _program.Here;
        AddProbe(step, empty, bind);
        AddWait(step, Forever, plain);

        _program.Change(move).OnOtherError = _program.Change(again).OnOtherError = _program.Here;
        AddWait(step, RetryMilliseconds, bind);
    }

    /// <summary>To where the name leads; ELOOP, which is no error, if it lies there already, be it beneath what the command has mounted.</summary>
    private int AddMove(int step, nint name, nint empty)
    {
        int move = _program.Add(step, Syscalls.move_mount, Register(CopyRegister), empty, Descriptor.AT_FDCWD, name,
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS);
        _program.Change(move).OnlyErrno = (int)Errno.ELOOP;
        return move;
    }

    /// <summary>Goes on if the copy is still mounted where it was put.</summary>
    private void AddProbe(int step, nint empty, int otherwise)
    {
        int probe = _program.Add(step, Syscalls.open_tree, Register(CopyRegister), empty,
            AT_EMPTY_PATH | OPEN_TREE_CLONE | (long)OpenFlags.O_CLOEXEC, result: ProbeRegister);
        _program.Change(probe).OnlyErrno = (int)Errno.EINVAL;
        _program.Change(probe).OnError = otherwise;
        _program.IgnoreError(_program.Add(step, Syscalls.close, Register(ProbeRegister)));
    }

    private void AddWait(int step, int milliseconds, int then)
    {
        _ = _program.Add(step, Syscalls.epoll_pwait, Register(PollRegister), _program.Bytes(new byte[sizeof(EpollEvent)]), 1, milliseconds, 0, sizeof(ulong));
        int read = _program.Add(step, Syscalls.read, Register(EventsRegister), _program.Bytes(new byte[EventsLength]), EventsLength);
        _program.Change(read).OnSuccess = then;
        _program.Change(read).OnError = then; // EAGAIN: it was the mount table
    }
}
