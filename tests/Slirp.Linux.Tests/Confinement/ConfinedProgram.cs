using System.Globalization;
using System.Runtime.InteropServices;
using Slirp.Linux.Confinement;
using Slirp.Linux.Events;
using Slirp.Linux.Native;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Tests.Confinement;

/// <summary>Parts that give up rights for good, and so run in a process of their own; each prints what it found.</summary>
internal static class ConfinedProgram
{
    internal static int Seccomp()
    {
        using var before = new EarlyThread(() => Libc.Call(Syscalls.unshare, 0x40000000).Errno);
        GiveUp(privileges => privileges.NoNewPrivileges());
        SeccompFilter filter = RuntimeCalls.AddNetwork(RuntimeCalls.AddRuntime(new SeccompFilter())).Allow(Syscalls.pidfd_open)
            .AllowIfOneOf(Syscalls.getpriority, 0, [0, 2], Errno.EXDEV)
            .Refuse(Syscalls.execve, Errno.EPERM);
        _ = filter.InstallOnAllThreads(Errno.ENOSYS).OrThrow("seccomp", "all threads");
        Console.WriteLine($"early {before.Answer()}");
        Work();
        Console.WriteLine($"work done");
        Console.WriteLine($"execve {Libc.Call(Syscalls.execve, 0, 0, 0).Errno}");
        Console.WriteLine($"socket {Socket.Open(SocketFamily.AF_UNIX, SocketType.SOCK_STREAM).Errno}");
        Console.WriteLine($"unnamed {Libc.Call(Syscalls.ptrace).Errno}");
        Console.WriteLine($"clone {Libc.Call(Syscalls.clone, 0x10000000 | 17).Errno}");
        Console.WriteLine($"one of {Priority(0)} {Priority(1)} {Priority(2)} {Priority(3)}");
        Console.WriteLine($"limit {Libc.Call(Syscalls.prlimit64, 0, 7, 1, 0).Errno}");
        return 0;
    }

    /// <summary>Tries a call that <see cref="RuntimeCalls.Fatal"/> names; does not return.</summary>
    internal static int Fatal()
    {
        GiveUp(privileges => privileges.NoNewPrivileges());
        SeccompFilter filter = RuntimeCalls.AddRuntime(new SeccompFilter()).Kill(RuntimeCalls.Fatal);
        _ = filter.InstallOnAllThreads(Errno.EPERM).OrThrow("seccomp", "all threads");
        Console.WriteLine("behind the filter");
        Console.Out.Flush();
        _ = Libc.Call(Syscalls.execve, 0, 0, 0);
        Console.WriteLine("still there");
        return 0;
    }

    internal static int Restricted(string allowed, string denied)
    {
        using var early = new EarlyThread(() => Try(denied, OpenFlags.O_RDONLY));
        using (Landlock landlock = Landlock.Begin(LandlockPorts.LANDLOCK_ACCESS_NET_CONNECT_TCP))
        {
            _ = landlock.AllowPath(allowed, Landlock.Read).OrThrow("landlock_add_rule", allowed);
            _ = landlock.AllowPath($"{allowed}/file", Landlock.AllFiles).OrThrow("landlock_add_rule", "a file");
            Console.WriteLine($"missing {landlock.AllowPath($"{allowed}/none", Landlock.Read).Errno}");
            _ = landlock.AllowPort(9, LandlockPorts.LANDLOCK_ACCESS_NET_CONNECT_TCP).OrThrow("landlock_add_rule", "port 9");
            GiveUp(privileges => privileges.NoNewPrivileges().Within(landlock));
        }
        Errno read = Errno.None, write = Errno.None, outside = Errno.None;
        var later = new Thread(() =>
        {
            read = Try($"{allowed}/file", OpenFlags.O_RDONLY);
            write = Try($"{allowed}/other", OpenFlags.O_WRONLY | OpenFlags.O_CREAT);
            outside = Try(denied, OpenFlags.O_RDONLY);
        });
        later.Start();
        later.Join();
        Console.WriteLine($"read {read} write {write} outside {outside} early {early.Answer()}");
        Console.WriteLine($"port 9 {Connect(9)} port 10 {Connect(10)}");
        return 0;
    }

    /// <summary>What every thread of this process holds in the end, and how many kinds of that there are.</summary>
    internal static int Capabilities()
    {
        using var early = new EarlyThread(() => Errno.None);
        string[] tasks = Directory.GetDirectories("/proc/self/task");
        GiveUp(privileges => privileges.NoNewPrivileges().KeepCapabilities(Capability.CAP_NET_BIND_SERVICE));
        var kinds = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            if (!TryReadLines($"{task}/status", out string[] lines)) continue; // a thread that has just ended
            kinds.Add(string.Join(' ', lines.Where(line => line.StartsWith("Cap", StringComparison.Ordinal)
                || line.StartsWith("NoNewPrivs", StringComparison.Ordinal))));
        }
        Console.WriteLine($"several threads {tasks.Length > 2}, early {early.Answer()}");
        foreach (string kind in kinds) Console.WriteLine(kind.Replace('\t', ' '));
        return 0;
    }

    private static bool TryReadLines(string path, out string[] lines)
    {
        try
        {
            lines = File.ReadAllLines(path);
            return true;
        }
        catch (IOException)
        {
            lines = [];
            return false;
        }
    }

    /// <summary>Begins anew in a user namespace, and tells from there where it is.</summary>
    internal static int BeginAnew(string path, string argument)
    {
        if (!UserNamespaceEntry.WasTried)
            return (int)UserNamespaceEntry.BeginAnew(path).Errno;
        bool isInside = File.ResolveLinkTarget("/proc/self/ns/user", false)!.Name == File.ResolveLinkTarget(path, false)!.Name;
        Console.WriteLine($"inside {isInside} as {Libc.geteuid()}, CAP_SYS_ADMIN {Privileges.Has(Capability.CAP_SYS_ADMIN)}, told \"{argument}\"");
        return 0;
    }

    /// <summary>What can be seen of the host's files afterwards, by this thread and by one that was there before.</summary>
    internal static int NarrowedRoot(string visible)
    {
        using var early = new EarlyThread(() => Try("/proc/self/status", OpenFlags.O_RDONLY));
        using (ThreadBroadcast others = ThreadBroadcast.Open())
            NarrowRoot.Enter([visible, "/nonexistent", AppContext.BaseDirectory, RuntimeEnvironment.GetRuntimeDirectory()], others);
        Console.WriteLine($"others {Try("/etc/passwd", OpenFlags.O_RDONLY)} {Try("/proc/self/status", OpenFlags.O_RDONLY)}");
        Console.WriteLine($"visible {Try(visible + "/file", OpenFlags.O_RDONLY)}");
        Console.WriteLine($"write {Try(visible + "/other", OpenFlags.O_WRONLY | OpenFlags.O_CREAT)} {Try("/other", OpenFlags.O_WRONLY | OpenFlags.O_CREAT)}");
        Console.WriteLine($"early {early.Answer()}");
        return 0;
    }

    private static void GiveUp(Func<Privileges, Privileges> what)
    {
        using ThreadBroadcast others = ThreadBroadcast.Open();
        using var privileges = new Privileges();
        _ = what(privileges).GiveUp(others).OrThrow("giving up", "privileges");
    }

    private static Errno Priority(int which) => Libc.Call(Syscalls.getpriority, which).Errno;

    /// <summary>What the runtime does in its life: threads, collections, exceptions, timers, files, sockets, epoll.</summary>
    private static void Work()
    {
        var threads = new Thread[4];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(() => { for (int n = 0; n < 20_000; n++) _ = new byte[2000].Length; });
            threads[i].Start();
        }
        foreach (Thread thread in threads) thread.Join();
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        try
        {
            throw new InvalidOperationException(File.ReadAllText("/proc/self/status"));
        }
        catch (InvalidOperationException) { }
        Task.Delay(1).GetAwaiter().GetResult();
        using var epoll = new Epoll();
        using var wakeup = new Wakeup();
        _ = epoll.Add(wakeup.Fd, EpollEvents.EPOLLIN, 1).OrThrow("epoll_ctl", "add");
        wakeup.Signal();
        _ = epoll.Wait(new EpollEvent[4], -1).OrThrow("epoll_wait", "one event");
        _ = epoll.WaitNanoseconds(new EpollEvent[4], 1000).OrThrow("epoll_pwait2", "one event");
        using OwnedFd socket = Socket.Open(SocketFamily.AF_INET6, SocketType.SOCK_DGRAM).OwnedOrThrow("socket", "udp");
        _ = Socket.SendMessage(socket.AsSocket, SocketAddress.Ipv6Loopback(9), [1], default).OrThrow("sendmsg", "udp");
        using ProcessWatch watch = ProcessWatch.Open(Environment.ProcessId);
        _ = Inotify.TryOpen(out Inotify? inotify);
        inotify?.Dispose();
    }

    private static Errno Try(string path, OpenFlags flags)
    {
        SysResult opened = Descriptor.OpenFile(path, flags, 0b110_000_000);
        if (opened.IsOk) Descriptor.Close(new RawFd(opened.Raw));
        return opened.Errno;
    }

    private static string Connect(ushort port)
    {
        using OwnedFd socket = Socket.Open(SocketFamily.AF_INET, SocketType.SOCK_STREAM).OwnedOrThrow("socket", "tcp");
        return Socket.Connect(socket.AsSocket, SocketAddress.Ipv4Loopback(port)).Is(Errno.EACCES) ? "denied" : "tried";
    }

    /// <summary>A thread that was there before, and answers after.</summary>
    private sealed class EarlyThread : IDisposable
    {
        private readonly ManualResetEventSlim _go = new();
        private readonly Thread _thread;
        private Errno _answer;

        internal EarlyThread(Func<Errno> question)
        {
            _thread = new Thread(() => { _go.Wait(); _answer = question(); });
            _thread.Start();
        }

        internal string Answer()
        {
            _go.Set();
            _thread.Join();
            return string.Create(CultureInfo.InvariantCulture, $"{_answer}");
        }

        public void Dispose() => _go.Dispose();
    }
}
