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
        return _directory is null || !Descriptor.Exists(_directory.AsRaw, _name);
    }

    public void Dispose()
    {
        _inotify?.Dispose();
        _directory?.Dispose();
    }
}
