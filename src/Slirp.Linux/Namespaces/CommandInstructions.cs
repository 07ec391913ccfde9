using System.Globalization;
using Slirp.Linux.Abi;
using Slirp.Linux.Events;
using Slirp.Linux.Native;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Linux.Namespaces;

/// <summary>The instructions by which a clone becomes a command in namespaces of its own (see ChildRunner).</summary>
internal static unsafe class CommandInstructions
{
    internal const string Place = "/sys", FileName = "resolv.conf";

    private const int TreeRegister = 1, FileRegister = 2;
    private const int ReadableByAll = 0b110_100_100, MNT_DETACH = 2;
    private const int PR_SET_PDEATHSIG = 1, SIG_SETMASK = 2, RLIMIT_NOFILE = 7;
    private const int CLOSE_RANGE_CLOEXEC = 4, FD_CLOEXEC = 1;
    private const long OPEN_TREE_CLONE = 1, AT_RECURSIVE = 0x8000, MOVE_MOUNT_F_EMPTY_PATH = 4;
    private const long MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_BIND = 0x1000, MS_REC = 0x4000, MS_SLAVE = 0x80000;

    /// <summary>Appends: unshare, have the parent write the maps, become 0 in them.</summary>
    internal static void AddNamespaces(ChildProgram program, ChildChannel channel)
    {
        int unshare = program.Step("unshare(CLONE_NEWUSER|CLONE_NEWNET|CLONE_NEWNS)", "a child process", RemedyForUnshare);
        int talk = program.Step("read", "the channel to the parent process");
        int become = program.Step("setresuid", "0 in the new user namespace");
        _ = program.Add(unshare, Syscalls.unshare, ChildRunner.CLONE_NEWUSER | ChildRunner.CLONE_NEWNET | ChildRunner.CLONE_NEWNS);
        _ = channel.AddSend(program, talk, ChildMessage.NeedsMaps);
        channel.AddWait(program, talk);
        _ = program.Add(become, Syscalls.setresgid, 0, 0, 0);
        _ = program.Add(become, Syscalls.setresuid, 0, 0, 0);
    }

    /// <summary>Appends the mounts; none is essential.</summary>
    /// <returns>The steps whose errors are warnings.</returns>
    internal static List<int> AddMounts(ChildProgram program, CommandRequest request)
    {
        var optional = new List<int>();
        int slave = program.Step("mount(MS_SLAVE)", "/");
        optional.Add(slave);
        program.IgnoreError(program.Add(slave, Syscalls.mount, program.String("none"), program.String("/"), 0, MS_REC | MS_SLAVE, 0));
        if (request.ResolvConf is byte[] resolv) optional.Add(AddResolvConf(program, resolv));
        if (request.MountSys) optional.Add(AddSys(program));
        return optional;
    }

    /// <summary>Appends what stands between the parent's word and the command's first instruction.</summary>
    internal static void AddExecute(ChildProgram program, ChildChannel channel, CommandRequest request, string path, List<byte[]> environment)
    {
        int talk = program.Step("read", "the channel to the parent process");
        int guard = program.Step("prctl(PR_SET_PDEATHSIG)", "the child process");
        _ = channel.AddSend(program, talk, ChildMessage.Ready);
        program.IgnoreError(program.Add(guard, Syscalls.prctl, PR_SET_PDEATHSIG, SIGKILL)); // after the last change of user, which clears it
        channel.AddWait(program, talk); // and if the parent died before the guard stood, this fails
        if (request.DescriptorSoftLimit is ulong soft) AddDescriptorLimit(program, soft);
        AddDefaultSignals(program);
        AddCloseOnExec(program, request.Descriptors);
        AddExecve(program, request.Command, path, environment);
    }

    /// <summary>Appends the making of <see cref="FileName"/> in a memory of its own at <see cref="Place"/>, where something is sure to be
    /// mounted over: nobody in other mount namespaces sees it, and it goes with this one.</summary>
    /// <returns>The calls that mount, open and write.</returns>
    internal static (int Mount, int Open, int Write) AddOwnFile(ChildProgram program, int step, int fileRegister, byte[] content)
    {
        nint tmpfs = program.String("tmpfs");
        int mount = program.Add(step, Syscalls.mount, tmpfs, program.String(Place), tmpfs, MS_NOSUID | MS_NODEV | MS_NOEXEC, program.String("mode=755"));
        int open = program.Add(step, Syscalls.openat, Descriptor.AT_FDCWD, program.String($"{Place}/{FileName}"),
            (int)(OpenFlags.O_WRONLY | OpenFlags.O_CREAT | OpenFlags.O_CLOEXEC), ReadableByAll, result: fileRegister);
        ChildProgram.Argument file = ChildProgram.Argument.Register(fileRegister);
        program.IgnoreError(program.Add(step, Syscalls.fchmod, file, ReadableByAll)); // whatever the umask made of it
        int write = program.Add(step, Syscalls.write, file, program.Bytes(content), content.Length);
        program.IgnoreError(program.Add(step, Syscalls.close, file));
        return (mount, open, write);
    }

    private static int AddResolvConf(ChildProgram program, byte[] content)
    {
        int step = program.Step("mount(MS_BIND)", "/etc/resolv.conf");
        (int mount, int open, int write) = AddOwnFile(program, step, FileRegister, content);
        // A bind mount needs something to lie on: a link is followed to its end. Where that is missing, a second layer
        // over /etc holds the file (overlayfs in a user namespace: Linux 5.11); /etc is read-only then.
        int bind = program.Add(step, Syscalls.mount, program.String($"{Place}/{FileName}"), program.String("/etc/resolv.conf"), 0, MS_BIND, 0);
        program.IgnoreError(bind);
        program.IgnoreError(program.Add(step, Syscalls.mount, program.String("overlay"), program.String("/etc"),
            program.String("overlay"), 0, program.String($"lowerdir={Place}:/etc")));
        program.LandSuccess(bind);
        program.LandError(open);
        program.LandError(write); // a limit on the size of files (ulimit -f)
        program.IgnoreError(program.Add(step, Syscalls.umount2, program.String(Place), MNT_DETACH));
        program.LandError(mount);
        return step;
    }

    private static int AddSys(ChildProgram program)
    {
        // A new sysfs shows this network namespace's interfaces, and hides what was mounted below the old one: the
        // control groups are taken along.
        int step = program.Step("mount(sysfs)", "/sys");
        int groups = program.Step("move_mount", "/sys/fs/cgroup");
        nint sys = program.String("/sys"), sysfs = program.String("sysfs"), cgroup = program.String("/sys/fs/cgroup");
        int open = program.Add(groups, Syscalls.open_tree, Descriptor.AT_FDCWD, cgroup,
            OPEN_TREE_CLONE | AT_RECURSIVE | (long)OpenFlags.O_CLOEXEC, result: TreeRegister);
        int mount = program.Add(step, Syscalls.mount, sysfs, sys, sysfs, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
        int move = program.Add(groups, Syscalls.move_mount, ChildProgram.Argument.Register(TreeRegister), program.String(""),
            Descriptor.AT_FDCWD, cgroup, MOVE_MOUNT_F_EMPTY_PATH);
        program.LandError(open); // no control groups mounted
        int plain = program.Add(step, Syscalls.mount, sysfs, sys, sysfs, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
        program.IgnoreError(plain);
        program.LandError(mount);
        program.LandSuccess(move);
        program.LandError(move);
        return step;
    }

    private static void AddDescriptorLimit(ChildProgram program, ulong soft)
    {
        var limit = default(rlimit);
        if (!Libc.Call(Syscalls.prlimit64, 0, RLIMIT_NOFILE, 0, (nint)(&limit)).IsOk) return; // limit is on this stack
        limit.rlim_cur = Math.Min(soft, limit.rlim_max);
        int step = program.Step("prlimit64(RLIMIT_NOFILE)", "the child process");
        program.IgnoreError(program.Add(step, Syscalls.prlimit64, 0, RLIMIT_NOFILE, program.Value(limit), 0));
    }

    /// <summary>Only a hang-up stays ignored: that is what nohup(1) is for. What else is ignored is the runtime's doing
    /// (SIGPIPE), or that of a shell which started us in the background (SIGINT, SIGQUIT) and not the command.</summary>
    private static void AddDefaultSignals(ChildProgram program)
    {
        const int last = 64;
        int step = program.Step("rt_sigaction", "the child process");
        nint byDefault = program.Value(default(kernel_sigaction)); // SIG_DFL is 0
        // What a limit on the size of files has left waiting goes when it is ignored.
        nint ignored = program.Value(new kernel_sigaction { sa_handler = SignalDisposition.SIG_IGN });
        program.IgnoreError(program.Add(step, Syscalls.rt_sigaction, SIGXFSZ, ignored, 0, sizeof(ulong)));
        for (int signal = 1; signal <= last; signal++)
        {
            if (signal is SIGKILL or SIGSTOP || signal == SIGHUP && SignalDisposition.IsIgnored(SIGHUP)) continue;
            program.IgnoreError(program.Add(step, Syscalls.rt_sigaction, signal, byDefault, 0, sizeof(ulong)));
        }
        program.IgnoreError(program.Add(step, Syscalls.rt_sigprocmask, SIG_SETMASK, program.Value(0ul), 0, sizeof(ulong)));
    }

    /// <summary>Descriptors from 3 on end at execve but for those that are the command's. close_range can mark them since
    /// Linux 5.11; before it each that is open now is marked by number.</summary>
    private static void AddCloseOnExec(ChildProgram program, IReadOnlyCollection<int> kept)
    {
        int step = program.Step("close_range", "the child process");
        int all = program.Add(step, Syscalls.close_range, 3, uint.MaxValue, CLOSE_RANGE_CLOEXEC);
        program.IgnoreError(all);
        foreach (string entry in Directory.GetFileSystemEntries("/proc/self/fd"))
        {
            if (!int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out int open) || open < 3) continue;
            program.IgnoreError(program.Add(step, Syscalls.fcntl, open, (int)Fcntl.F_SETFD, FD_CLOEXEC));
        }
        program.LandSuccess(all);
        foreach (int one in kept) program.IgnoreError(program.Add(step, Syscalls.fcntl, one, (int)Fcntl.F_SETFD, 0));
    }

    private static void AddExecve(ChildProgram program, IReadOnlyList<string> command, string path, List<byte[]> environment)
    {
        int step = program.Step("execve", path, RemedyForExecve);
        nint variables = program.Strings(environment);
        var arguments = new List<byte[]>();
        foreach (string argument in command) arguments.Add(CString.Encode(argument));
        int direct = program.Add(step, Syscalls.execve, program.String(path), program.Strings(arguments), variables);
        // A file without a first line that names an interpreter is a script of the shell's, as execvp(3) has it.
        program.Change(direct).OnlyErrno = (int)Errno.ENOEXEC;
        program.Change(direct).OnError = ChildInstruction.Next;
        arguments[0] = CString.Encode(path);
        arguments.Insert(0, CString.Encode("sh"));
        _ = program.Add(step, Syscalls.execve, program.String("/bin/sh"), program.Strings(arguments), variables);
    }

    private static string? RemedyForUnshare(Errno errno) => errno switch
    {
        Errno.EPERM => "this machine does not let plain users make namespaces (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, or a container's seccomp filter)",
        Errno.ENOSPC or Errno.EUSERS => "no more namespaces are allowed (user.max_user_namespaces, user.max_net_namespaces)",
        Errno.EINVAL => "the kernel was built without them",
        _ => null,
    };

    private static string? RemedyForExecve(Errno errno) => errno switch
    {
        Errno.ENOENT => "no such program, or its interpreter is missing",
        Errno.EACCES => "it is not executable",
        _ => null,
    };
}
