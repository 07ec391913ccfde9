using System.Text;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Services.Dns;

namespace Slirp.Host;

/// <summary>Follows resolv.conf through every way in which it is changed: written in place, replaced by rename, its
/// symbolic link turned, or the file at the link's end replaced.</summary>
/// <remarks>
/// <para><b>Model.</b> The path is a chain: a link, the link it leads to, and at the end a file that may not exist. The
/// directory of every member of the chain is watched for that member's name, so is that of every link on the way to one,
/// and so is the file itself, which may be mounted from elsewhere; after any event the chain is walked anew as the kernel
/// walks it (path_resolution(7)), watches are set for it, and the file is read. Each is set before what it is for is looked at.
/// Only a different content is reported, and what could not be read for want of descriptors or memory is none.</para>
/// <para><b>Limits.</b> Links beyond <see cref="MaxLinks"/> are not followed. A directory that does not exist is watched
/// for in the nearest ancestor that does; one above the file's own that is renamed is not noticed. Without inotify
/// (instances or watches used up), or when the file could not be read for a moment, the caller asks by the clock
/// (<see cref="NeedsClock"/>).</para>
/// </remarks>
public sealed class ResolverWatch : IDisposable
{
    public const string DefaultPath = "/etc/resolv.conf";

    private const int MaxLinks = 40; // the kernel's own limit
    private const InotifyMask Changes =
        InotifyMask.IN_MODIFY | InotifyMask.IN_ATTRIB | InotifyMask.IN_CLOSE_WRITE | InotifyMask.IN_MOVED_FROM
        | InotifyMask.IN_MOVED_TO | InotifyMask.IN_CREATE | InotifyMask.IN_DELETE | InotifyMask.IN_DELETE_SELF
        | InotifyMask.IN_MOVE_SELF;

    private readonly string _path;
    private readonly Inotify? _inotify;
    private readonly Dictionary<int, HashSet<string>> _watched = []; // names that matter, by watch
    private bool _isOutOfReach, _isBlind, _isBehind;
    private long _emptySince; // monotonic nanoseconds; 0 if it is not
    private bool _leadsOut; // the chain's last link points to a directory that cannot be seen
    private readonly HashSet<string> _directories = [];
    private readonly byte[] _file = new byte[ResolverConfiguration.MaxOctets + 1];

    public ResolverWatch(string path = DefaultPath)
    {
        _path = path;
        _ = Inotify.TryOpen(out _inotify);
        WatchChain();
        Current = Read() ?? ResolverConfiguration.Empty;
    }

    /// <summary>What to wait for, or null where the kernel grants no inotify instance.</summary>
    public InotifyFd? Fd => _inotify?.Fd;

    public ResolverConfiguration Current { get; private set; }

    /// <summary>Not every change is told, or the last one could not be taken in: to be asked again in a moment.</summary>
    public bool NeedsClock => _inotify is null || _isBlind || _isBehind || IsInDoubt;

    /// <summary>The file names nobody, as it does while somebody rewrites it: that is believed when it lasts.</summary>
    public bool IsInDoubt => _emptySince != 0;

    /// <summary>For so long (ns).</summary>
    public const long DoubtNanoseconds = 300_000_000;

    /// <summary>The directories of the chain's members, as they are named: what must stay readable if this process gives up its
    /// rights to files. Links on the way are watched and followed without such a right.</summary>
    public IReadOnlyCollection<string> Directories => _directories;

    /// <summary>Takes in what happened.</summary>
    /// <returns>True if <see cref="Current"/> is another one now.</returns>
    public bool TryUpdate()
    {
        if (!TakeEvents() && !NeedsClock) return false;
        WatchChain();
        ResolverConfiguration? read = Read();
        if (_isBehind) return false;
        if (read is null)
        {
            _emptySince = 0; // what was there last stays, empty or not: nothing is waited for
            return OutOfReach();
        }
        _isOutOfReach = false;
        if (IsDoubtful(read)) return false;
        if (read.IsSameAs(Current)) return false;
        Current = read;
        return true;
    }

    public void Dispose() => _inotify?.Dispose();

    private bool IsDoubtful(ResolverConfiguration read)
    {
        long now = MonotonicClock.Nanoseconds, since = _emptySince;
        _emptySince = 0;
        if (read.Servers.Count > 0 || Current.Servers.Count == 0 || since != 0 && now - since >= DoubtNanoseconds) return false;
        _emptySince = since != 0 ? since : now;
        return true;
    }

    /// <returns>False if nothing that happened concerns the chain.</returns>
    private bool TakeEvents()
    {
        if (_inotify is null) return true;
        Span<byte> buffer = stackalloc byte[4096];
        bool concerned = false;
        while (true)
        {
            SysResult read = _inotify.Read(buffer);
            if (!read.IsOk || read.Raw == 0) return concerned;
            InotifyReader events = Inotify.Parse(buffer[..read.Raw]);
            while (events.Next())
                concerned |= events.Name.IsEmpty || !_watched.TryGetValue(events.Watch, out HashSet<string>? names)
                    || names.Contains(Encoding.UTF8.GetString(events.Name));
        }
    }

    /// <summary>The file may not be read, as when a link was turned to a directory that confinement has closed: what was
    /// read last stays in force, which is said once.</summary>
    private bool OutOfReach()
    {
        if (_isOutOfReach) return false;
        _isOutOfReach = true;
        string warning = $"{_path} cannot be read where it is now: the resolvers read before stay in use until it can, or until a new start";
        Current = Current with { Warnings = [warning] };
        return true;
    }

    private void WatchChain()
    {
        var old = new HashSet<int>(_watched.Keys);
        _watched.Clear();
        _directories.Clear();
        _isBlind = false;
        string at = "/", named = "/", path = _path;
        int links = 0;
        while (true)
        {
            string name = Path.GetFileName(path), directory = path[..^name.Length];
            named = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory, named));
            bool isThere = TryWalk(ref at, directory, ref links);
            _leadsOut = links > 0 && !isThere;
            if (isThere && name is "" or "." or "..") break; // a directory
            AddReadable(ref named, at);
            if (!isThere) break;
            Watch(at, name);
            if (LinkTarget(Path.Combine(at, name)) is not string target)
            {
                WatchFile(Path.Combine(at, name));
                break;
            }
            if (++links > MaxLinks) break;
            path = target;
        }
        foreach (int watch in old)
            if (!_watched.ContainsKey(watch)) _ = _inotify!.Remove(watch);
    }

    /// <param name="at">Where the walk begins, and how far it got: a directory whose path leads through no link.</param>
    private bool TryWalk(ref string at, string path, ref int links)
    {
        if (path.StartsWith('/')) at = "/";
        foreach (string name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (name == ".") continue;
            if (name == "..") at = Path.GetDirectoryName(at) ?? "/";
            else if (!TryEnter(ref at, name, ref links)) return false;
        }
        return true;
    }

    private bool TryEnter(ref string at, string name, ref int links)
    {
        string entry = Path.Combine(at, name);
        if (LinkTarget(entry) is not null || !Directory.Exists(entry))
        {
            Watch(at, name);
            if (LinkTarget(entry) is string target) return ++links <= MaxLinks && TryWalk(ref at, target, ref links);
            if (!Directory.Exists(entry)) return false;
        }
        at = entry;
        return true;
    }

    /// <summary>A directory is readable by the name that the chain has for it, which is the one that a narrow root has, too.
    /// Where the text of that name leads elsewhere than the walk (".." behind a link), it is readable by its own.</summary>
    private void AddReadable(ref string named, string at)
    {
        while (!Directory.Exists(named)) named = Path.GetDirectoryName(named) ?? "/";
        if (!IsSame(named, at)) named = at;
        _ = _directories.Add(named);
    }

    private static bool IsSame(string one, string other) =>
        one == other || TryIdentify(one, out FileIdentity first) && TryIdentify(other, out FileIdentity second) && first == second;

    /// <remarks>The last step is to itself, so that a link is followed; with an absolute path no directory has to be open.</remarks>
    private static bool TryIdentify(string directory, out FileIdentity identity) =>
        Descriptor.Identify(new RawFd(-1), directory + "/.", out identity).IsOk;

    private void Watch(string directory, string name)
    {
        if (_inotify is null) return;
        SysResult added = _inotify.Add(directory, Changes | InotifyMask.IN_ONLYDIR);
        _isBlind |= !added.IsOk;
        if (!added.IsOk) return;
        if (!_watched.TryGetValue(added.Raw, out HashSet<string>? names)) _watched[added.Raw] = names = [];
        names.Add(name);
    }

    /// <summary>What is mounted there changes without a word to the directory.</summary>
    private void WatchFile(string path)
    {
        if (_inotify is null) return;
        SysResult added = _inotify.Add(path, Changes | InotifyMask.IN_DONT_FOLLOW);
        if (added.IsOk) _watched.TryAdd(added.Raw, []); // its events have no name
        else if (added.Errno is not (Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES)) _isBlind = true;
    }

    /// <returns>Null if it is no link, or may not be read.</returns>
    internal static string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <returns>Null if the file may not be read, or lies in a directory that cannot be seen; no servers if it is not there.</returns>
    private ResolverConfiguration? Read()
    {
        // O_NONBLOCK: a FIFO in its place must not stop us; it reads as empty.
        SysResult opened = Descriptor.OpenFile(_path, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK | OpenFlags.O_NOCTTY);
        _isBehind = IsMomentary(opened.Errno);
        if (opened.Errno is Errno.EACCES or Errno.EPERM || opened.Is(Errno.ENOENT) && _leadsOut) return null;
        if (!opened.IsOk) return ResolverConfiguration.Empty;
        using OwnedFd file = OwnedFd.FromKernel(opened.Raw);
        int length = 0;
        while (length < _file.Length)
        {
            SysResult read = Descriptor.Read(file.AsRaw, _file.AsSpan(length));
            _isBehind = IsMomentary(read.Errno);
            if (!read.IsOk || read.Raw == 0) break;
            length += read.Raw;
        }
        return ResolverConfiguration.Parse(_file.AsSpan(0, length));
    }

    /// <summary>Says nothing about the file. What is no file at all (EISDIR, ENXIO, EAGAIN of a FIFO) names nobody.</summary>
    private static bool IsMomentary(Errno errno) =>
        errno is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.EIO or Errno.EINTR or Errno.ESTALE or Errno.ETIMEDOUT;
}
