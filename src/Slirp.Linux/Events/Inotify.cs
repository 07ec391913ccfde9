using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Events;

/// <summary>inotify(7).</summary>
[Flags]
public enum InotifyMask : uint
{
    None = 0,
    IN_MODIFY = 0x2,
    IN_ATTRIB = 0x4,
    IN_CLOSE_WRITE = 0x8,
    IN_MOVED_FROM = 0x40,
    IN_MOVED_TO = 0x80,
    IN_CREATE = 0x100,
    IN_DELETE = 0x200,
    IN_DELETE_SELF = 0x400,
    IN_MOVE_SELF = 0x800,
    IN_UNMOUNT = 0x2000,

    /// <summary>Events were lost: look at everything again. Comes with watch -1.</summary>
    IN_Q_OVERFLOW = 0x4000,

    /// <summary>The watch is gone, by <see cref="Inotify.Remove"/> or with what it watched.</summary>
    IN_IGNORED = 0x8000,
    IN_ONLYDIR = 0x01000000,
    IN_DONT_FOLLOW = 0x02000000,

    /// <summary>Linux 4.18: EEXIST for what is watched already.</summary>
    IN_MASK_CREATE = 0x10000000,
    IN_EXCL_UNLINK = 0x04000000,
    IN_ISDIR = 0x40000000,
}

/// <summary>Watches files and directories for changes (inotify(7)). One thread reads.</summary>
/// <remarks>A file that is replaced by rename, or reached through a symbolic link that is turned, changes nothing in the
/// old file: watch its directory as well, and the directory of every link on the way. A user may have few
/// instances (fs.inotify.max_user_instances, often 128): <see cref="TryOpen"/> can fail and the caller must do
/// without.</remarks>
public sealed unsafe class Inotify : IDisposable
{
    private readonly OwnedFd _owned;

    private Inotify(OwnedFd owned) => _owned = owned;

    public InotifyFd Fd => new(_owned.Value);

    /// <returns>EMFILE when the user's instances are used up.</returns>
    public static SysResult TryOpen(out Inotify? inotify)
    {
        int flags = (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // IN_CLOEXEC and IN_NONBLOCK are the same bits
        SysResult opened = Libc.Result(Libc.inotify_init1(flags));
        inotify = opened.IsOk ? new Inotify(OwnedFd.FromKernel(opened.Raw)) : null;
        return opened;
    }

    /// <summary>Adds a watch; a path that leads to what is watched already changes that watch's mask and gives its number.</summary>
    /// <returns>The watch's number, or among others ENOENT, EACCES, ENOSPC (the user's watches are used up).</returns>
    public SysResult Add(string path, InotifyMask mask)
    {
        byte[] name = CString.Encode(path);
        fixed (byte* p = name) // pinned for the call
            return Libc.Result(Libc.inotify_add_watch(_owned.Value, p, (uint)mask));
    }

    public SysResult Remove(int watch) => Libc.Result(Libc.inotify_rm_watch(_owned.Value, watch));

    /// <summary>Reads what has happened, for <see cref="Parse"/>.</summary>
    /// <param name="buffer">At least 272 octets, which hold any one event.</param>
    /// <returns>Octets read, or EAGAIN.</returns>
    public SysResult Read(Span<byte> buffer) => Descriptor.Read(Fd, buffer);

    /// <summary>The events in what <see cref="Read"/> gave.</summary>
    public static InotifyReader Parse(ReadOnlySpan<byte> read) => new(read);

    public void Dispose() => _owned.Dispose();
}

/// <summary>Walks the events of one read; valid only while its octets are.</summary>
public ref struct InotifyReader
{
    private ReadOnlySpan<byte> _rest;

    internal InotifyReader(ReadOnlySpan<byte> read) => _rest = read;

    /// <summary>The watch that <see cref="Inotify.Add"/> returned.</summary>
    public int Watch { get; private set; }
    public InotifyMask Mask { get; private set; }

    /// <summary>The entry of a watched directory that it is about, without closing zero; empty for the watched file itself.</summary>
    public ReadOnlySpan<byte> Name { get; private set; }

    public bool Next()
    {
        int size = Unsafe.SizeOf<inotify_event>();
        if (_rest.Length < size) return false;
        var header = MemoryMarshal.Read<inotify_event>(_rest);
        if (header.len > _rest.Length - size) return false;
        ReadOnlySpan<byte> name = _rest.Slice(size, (int)header.len);
        int end = name.IndexOf((byte)0);
        Watch = header.wd;
        Mask = (InotifyMask)header.mask;
        Name = end < 0 ? name : name[..end];
        _rest = _rest[(size + (int)header.len)..];
        return true;
    }
}
