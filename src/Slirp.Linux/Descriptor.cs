using System.Runtime.InteropServices;
using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>What can be done to a descriptor of any kind (fcntl(2), read(2), write(2), poll(2)).</summary>
public static class Descriptor
{
    internal const int AT_FDCWD = -100;

    /// <summary>A copy with close-on-exec, numbered <paramref name="lowest"/> or above.</summary>
    public static SysResult Duplicate(int descriptor, int lowest) =>
        Libc.Result(Libc.fcntl(descriptor, Fcntl.F_DUPFD_CLOEXEC, lowest));

    /// <summary>False for a number that names no open descriptor.</summary>
    public static bool IsOpen(int descriptor) => Libc.fcntl(descriptor, Fcntl.F_GETFD, 0) >= 0;

    public static SysResult SetNonBlocking<T>(T descriptor) where T : struct, IDescriptor
    {
        SysResult flags = Libc.Result(Libc.fcntl(descriptor.Value, Fcntl.F_GETFL, 0));
        if (!flags.IsOk || ((OpenFlags)flags.Raw & OpenFlags.O_NONBLOCK) != 0) return flags;
        return Libc.Result(Libc.fcntl(descriptor.Value, Fcntl.F_SETFL, flags.Raw | (int)OpenFlags.O_NONBLOCK));
    }

    public static SysResult SetCloseOnExec<T>(T descriptor) where T : struct, IDescriptor =>
        Libc.Result(Libc.fcntl(descriptor.Value, Fcntl.F_SETFD, 1));

    /// <summary>May block, as the descriptor allows. EINTR is retried here. 0 is end of file.</summary>
    public static unsafe SysResult Read<T>(T descriptor, Span<byte> buffer) where T : struct, IDescriptor
    {
        fixed (byte* p = buffer) // pinned for the call: it may block while the collector moves things
        {
            while (true)
            {
                nint n = Libc.read(descriptor.Value, p, (nuint)buffer.Length);
                if (n >= 0) return new SysResult((int)n);
                var errno = (Errno)Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return SysResult.Failure(errno);
            }
        }
    }

    /// <summary>May block, as the descriptor allows, and may write less than given. EINTR is retried here.</summary>
    public static unsafe SysResult Write<T>(T descriptor, ReadOnlySpan<byte> buffer) where T : struct, IDescriptor
    {
        fixed (byte* p = buffer) // pinned for the call, as above
        {
            while (true)
            {
                nint n = Libc.write(descriptor.Value, p, (nuint)buffer.Length);
                if (n >= 0) return new SysResult((int)n);
                var errno = (Errno)Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR) return SysResult.Failure(errno);
            }
        }
    }

    /// <summary>Waits for one descriptor (poll(2)).</summary>
    /// <param name="descriptor">What to wait for; a number that is not open answers at once with POLLNVAL.</param>
    /// <param name="events">What to wait for besides POLLERR and POLLHUP, which are always reported.</param>
    /// <param name="timeoutMilliseconds">-1 waits without end.</param>
    /// <param name="ready">What came; none on a time-out.</param>
    /// <returns>1 when ready, 0 on a time-out. EINTR starts the whole wait again.</returns>
    public static unsafe SysResult Poll<T>(T descriptor, PollEvents events, int timeoutMilliseconds, out PollEvents ready)
        where T : struct, IDescriptor
    {
        var entry = new Abi.pollfd { fd = descriptor.Value, events = (short)events };
        SysResult result;
        do result = Libc.Result(Libc.poll(&entry, 1, timeoutMilliseconds)); // entry is on this stack
        while (result.Is(Errno.EINTR));
        ready = (PollEvents)entry.revents;
        return result;
    }

    /// <summary>Opens /dev/null on each of 0, 1 and 2 that is closed, so that no later descriptor lands there.</summary>
    public static unsafe void EnsureStandardOpen()
    {
        fixed (byte* path = "/dev/null\0"u8)
        {
            for (int number = 0; number <= 2; number++)
                if (!IsOpen(number)) _ = Libc.open(path, (int)OpenFlags.O_RDWR, 0); // takes the lowest free number: this one
        }
    }

    /// <summary>Closes a descriptor that no <see cref="OwnedFd"/> holds. Never retried.</summary>
    public static void Close<T>(T descriptor) where T : struct, IDescriptor => _ = Libc.close(descriptor.Value);

    /// <summary>A pipe, close-on-exec at both ends.</summary>
    public static unsafe void OpenPipe(out OwnedFd readEnd, out OwnedFd writeEnd, bool nonBlocking = false)
    {
        int* ends = stackalloc int[2];
        int flags = (int)(OpenFlags.O_CLOEXEC | (nonBlocking ? OpenFlags.O_NONBLOCK : 0));
        _ = Libc.Result(Libc.pipe2(ends, flags)).OrThrow("pipe2", "a new pipe");
        readEnd = OwnedFd.FromKernel(ends[0]);
        writeEnd = OwnedFd.FromKernel(ends[1]);
    }

    /// <summary>Which file an entry of an open directory is (statx(2)), links not followed.</summary>
    /// <returns>ENOENT if there is none; other errors do not say.</returns>
    public static unsafe SysResult Identify<T>(T directory, string name, out FileIdentity identity) where T : struct, IDescriptor
    {
        const int AT_SYMLINK_NOFOLLOW = 0x100, STATX_INO = 0x100;
        Abi.statx found;
        SysResult result;
        fixed (byte* p = CString.Encode(name)) // pinned for the call; found is on this stack
            result = Libc.Call(Syscalls.statx, directory.Value, (nint)p, AT_SYMLINK_NOFOLLOW, STATX_INO, (nint)(&found));
        identity = result.IsOk ? new FileIdentity((ulong)found.stx_dev_major << 32 | found.stx_dev_minor, found.stx_ino) : default;
        return result;
    }

    /// <summary>Removes an entry of an open directory (unlinkat(2)).</summary>
    public static unsafe SysResult Unlink<T>(T directory, string name) where T : struct, IDescriptor
    {
        fixed (byte* p = CString.Encode(name)) // pinned for the call
            return Libc.Call(Syscalls.unlinkat, directory.Value, (nint)p, 0);
    }

    /// <summary>The descriptor that a path goes through (/proc/self/fd/5, /dev/fd/5/name); null for any other path.</summary>
    public static int? NumberIn(string? path)
    {
        foreach (string prefix in (ReadOnlySpan<string>)["/proc/self/fd/", "/dev/fd/"])
        {
            if (path?.StartsWith(prefix, StringComparison.Ordinal) != true) continue;
            ReadOnlySpan<char> rest = path.AsSpan(prefix.Length);
            int end = rest.IndexOf('/');
            if (int.TryParse(end < 0 ? rest : rest[..end], out int number)) return number;
        }
        return null;
    }

    /// <summary>What this process was started with: whatever is above 2, not close-on-exec, and not in
    /// <paramref name="except"/>. What the runtime and this program open is close-on-exec.</summary>
    public static List<int> Inherited(params ReadOnlySpan<int> except)
    {
        var inherited = new List<int>();
        const string open = "/proc/self/fd";
        if (!Directory.Exists(open)) return inherited; // without procfs nothing is known of them
        foreach (string entry in Directory.GetFiles(open))
        {
            if (!int.TryParse(Path.GetFileName(entry), out int descriptor) || descriptor <= 2 || except.Contains(descriptor)) continue;
            if (Libc.fcntl(descriptor, Fcntl.F_GETFD, 0) == 0) inherited.Add(descriptor);
        }
        return inherited;
    }

    /// <summary>Opens a file by path (open(2)); O_CLOEXEC is always added.</summary>
    public static SysResult OpenFile(string path, OpenFlags flags, int mode = 0) => OpenFile(new RawFd(AT_FDCWD), path, flags, mode);

    /// <summary>Opens a file by a path from an open directory (openat(2)); O_CLOEXEC is always added.</summary>
    public static unsafe SysResult OpenFile<T>(T directory, string path, OpenFlags flags, int mode = 0) where T : struct, IDescriptor
    {
        byte[] name = CString.Encode(path);
        fixed (byte* p = name) // pinned for the call
        {
            SysResult result;
            do result = Libc.Call(Syscalls.openat, directory.Value, (nint)p, (int)(flags | OpenFlags.O_CLOEXEC), mode);
            while (result.Is(Errno.EINTR));
            return result;
        }
    }
}
