using Slirp.Linux;
using Slirp.Linux.Events;

namespace Slirp.Host;

/// <summary>Notices that the path a network namespace was bound to is gone: its user deleted it, or what procfs showed there
/// has ended.</summary>
/// <remarks>Our own TAP descriptor keeps the namespace alive, so its death cannot be waited for. A path in procfs, where
/// inotify sees nothing, is looked at by the clock, and so is a link that leads there.</remarks>
public sealed class NamespacePathWatch : IDisposable
{
    private const int MaxLinks = 40; // as the kernel follows

    private readonly List<(OwnedFd Directory, string Name)> _entries = []; // as this process saw them at the start, whatever becomes of its root
    private readonly Inotify? _inotify;
    private readonly bool _wasGone;

    public NamespacePathWatch(string path)
    {
        string entry = Path.GetFullPath(path);
        for (int links = 0; links < MaxLinks; links++)
        {
            string directory = DirectoryOf(entry);
            SysResult opened = Descriptor.OpenFile(directory, OpenFlags.O_PATH | ArchitectureOpenFlags.O_DIRECTORY);
            _wasGone |= opened.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ESRCH;
            if (opened.IsOk) _entries.Add((OwnedFd.FromKernel(opened.Raw), Path.GetFileName(entry)));
            if (IsInProcfs(entry) || ResolverWatch.LinkTarget(entry) is not string target) break;
            entry = Path.GetFullPath(target, directory);
        }
        if (IsInProcfs(entry) || !Inotify.TryOpen(out _inotify).IsOk) return;
        const InotifyMask gone = InotifyMask.IN_DELETE | InotifyMask.IN_MOVED_FROM | InotifyMask.IN_DELETE_SELF
            | InotifyMask.IN_MOVE_SELF | InotifyMask.IN_UNMOUNT;
        if (_inotify!.Add(DirectoryOf(entry), gone).IsOk && _inotify.Add(DirectoryOf(Path.GetFullPath(path)), gone).IsOk) return;
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
        // Whatever else hinders the look says nothing: behind our walls much may not be looked at (EACCES). Of a process that
        // has ended there is nothing in procfs.
        foreach ((OwnedFd directory, string name) in _entries)
            if (Descriptor.Identify(directory.AsRaw, name, out _).Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ESRCH) return true;
        return _wasGone;
    }

    public void Dispose()
    {
        _inotify?.Dispose();
        foreach ((OwnedFd directory, _) in _entries) directory.Dispose();
    }

    private static string DirectoryOf(string entry) => Path.GetDirectoryName(entry) ?? "/";

    private static bool IsInProcfs(string path) => path.StartsWith("/proc/", StringComparison.Ordinal);
}
