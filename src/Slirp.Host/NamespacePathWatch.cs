using Slirp.Linux;
using Slirp.Linux.Events;

namespace Slirp.Host;

/// <summary>Notices that the path a network namespace was bound to is gone: its user deleted it.</summary>
/// <remarks>Our own TAP descriptor keeps the namespace alive, so its death cannot be waited for. A path in procfs, where
/// inotify sees nothing, is looked at by the clock.</remarks>
public sealed class NamespacePathWatch : IDisposable
{
    private readonly string _name;
    private readonly OwnedFd? _directory; // the path as this process saw it at the start, whatever becomes of its root
    private readonly Inotify? _inotify;

    public NamespacePathWatch(string path)
    {
        string full = Path.GetFullPath(path);
        string directory = Path.GetDirectoryName(full) ?? "/";
        _name = Path.GetFileName(full);
        SysResult opened = Descriptor.OpenFile(directory, OpenFlags.O_PATH | ArchitectureOpenFlags.O_DIRECTORY);
        if (opened.IsOk) _directory = OwnedFd.FromKernel(opened.Raw);
        if (full.StartsWith("/proc/", StringComparison.Ordinal) || !Inotify.TryOpen(out _inotify).IsOk) return;
        const InotifyMask gone = InotifyMask.IN_DELETE | InotifyMask.IN_MOVED_FROM | InotifyMask.IN_DELETE_SELF
            | InotifyMask.IN_MOVE_SELF | InotifyMask.IN_UNMOUNT;
        if (_inotify!.Add(directory, gone).IsOk) return;
        _inotify.Dispose();
        _inotify = null;
    }

    /// <summary>What to wait for, or null if the path must be looked at by the clock.</summary>
    public InotifyFd? Fd => _inotify?.Fd;

    public bool IsGone()
    {
        if (_inotify is not null)
        {
            Span<byte> buffer = stackalloc byte[4096];
            while (_inotify.Read(buffer).Raw > 0)
            {
            }
        }
        // Whatever else hinders the look says nothing: in procfs, behind our walls, a namespace may not be looked at (EACCES),
        // and one whose process has ended is not there.
        return _directory is not null && Descriptor.Find(_directory.AsRaw, _name).Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ESRCH;
    }

    public void Dispose()
    {
        _inotify?.Dispose();
        _directory?.Dispose();
    }
}
