using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>A root directory that holds only what was named, read-only, for every thread of this process.</summary>
/// <remarks>
/// <para><b>Model.</b> The calling thread takes a mount namespace of its own, mounts a small tmpfs over a directory that
/// exists everywhere, binds what was named into it, and makes it the root (pivot_root(2)); the old one is let go. The
/// other threads then follow into that namespace. What is open already stays usable.</para>
/// <para><b>Kernel assumptions.</b> CAP_SYS_ADMIN over this process's own user namespace, and mount_setattr(2): Linux 5.12.
/// Mounts that are read-only stay below a bind, and later changes of the host's mounts below what was bound are followed.</para>
/// </remarks>
public static unsafe class NarrowRoot
{
    private const int CLONE_FS = 0x200, CLONE_NEWNS = 0x20000;
    private const long MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_BIND = 0x1000, MS_REC = 0x4000, MS_SLAVE = 0x80000;
    private const int MNT_DETACH = 2, AT_RECURSIVE = 0x8000;
    private const ulong MOUNT_ATTR_RDONLY = 1;
    private static readonly string[] Sites = ["/tmp", "/mnt", "/var", "/dev"];

    /// <summary>Whether this process may do it at all.</summary>
    public static bool IsPermitted => Privileges.Has(Capability.CAP_SYS_ADMIN) && ThreadBroadcast.IsSupported;

    /// <param name="visible">Absolute paths of directories; those that do not exist are left out.</param>
    /// <exception cref="LinuxException">A step was refused; the process sees what it saw before.</exception>
    public static void Enter(IEnumerable<string> visible, ThreadBroadcast others)
    {
        _ = Libc.Call(Syscalls.unshare, CLONE_NEWNS).OrThrow("unshare(CLONE_NEWNS)", "this process");
        Mount("none", "/", null, MS_REC | MS_SLAVE, null, "mount(MS_SLAVE)");
        using OwnedFd mountNamespace = Descriptor.OpenFile("/proc/thread-self/ns/mnt", OpenFlags.O_RDONLY)
            .OwnedOrThrow("open", "/proc/thread-self/ns/mnt");
        string site = Array.Find(Sites, Directory.Exists) ?? throw new LinuxException("mount", "a new root", Errno.ENOENT);
        using (var sources = new Sources(visible)) // opened first: the new root may cover them
        {
            Mount("tmpfs", site, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755", "mount(tmpfs)");
            foreach ((string path, OwnedFd source) in sources.All)
            {
                string target = site + path;
                _ = Directory.CreateDirectory(target);
                Mount($"/proc/self/fd/{source.Value}", target, null, MS_BIND | MS_REC, null, "mount(MS_BIND)");
                SetReadOnly(target, AT_RECURSIVE);
            }
        }
        SetReadOnly(site, 0);
        Pivot(site);
        _ = others.Make(
        [
            new PreparedCall(Syscalls.unshare, CLONE_FS), // a thread that shares its root with others may not change it
            new PreparedCall(Syscalls.setns, mountNamespace.Value, CLONE_NEWNS),
        ]).OrThrow("setns(CLONE_NEWNS)", "the runtime's own threads");
    }

    private static void Pivot(string site)
    {
        fixed (byte* root = CString.Encode(site), here = CString.Encode("."), top = CString.Encode("/")) // pinned for the calls
        {
            _ = Libc.Call(Syscalls.chdir, (nint)root).OrThrow("chdir", site);
            _ = Libc.Call(Syscalls.pivot_root, (nint)here, (nint)here).OrThrow("pivot_root", site); // the old root now lies on the new
            _ = Libc.Call(Syscalls.umount2, (nint)here, MNT_DETACH).OrThrow("umount2", "the old root");
            _ = Libc.Call(Syscalls.chdir, (nint)top).OrThrow("chdir", "/");
        }
    }

    private static void SetReadOnly(string path, int flags)
    {
        var attributes = new mount_attr { attr_set = MOUNT_ATTR_RDONLY };
        fixed (byte* p = CString.Encode(path)) // pinned for the call, attributes are on this stack
            _ = Libc.Call(Syscalls.mount_setattr, Descriptor.AT_FDCWD, (nint)p, flags, (nint)(&attributes), sizeof(mount_attr)).OrThrow("mount_setattr", path);
    }

    private static void Mount(string source, string target, string? type, long flags, string? data, string step)
    {
        fixed (byte* s = CString.Encode(source), t = CString.Encode(target), y = type is null ? null : CString.Encode(type),
            d = data is null ? null : CString.Encode(data)) // pinned for the call
            _ = Libc.Call(Syscalls.mount, (nint)s, (nint)t, (nint)y, (nint)flags, (nint)d).OrThrow(step, target);
    }

    /// <summary>What is to be bound, held open by descriptors.</summary>
    private sealed class Sources : IDisposable
    {
        internal List<(string Path, OwnedFd Source)> All { get; } = [];

        internal Sources(IEnumerable<string> visible)
        {
            // Shorter paths first; what lies below one that is there already comes with it.
            foreach (string path in visible.Order(StringComparer.Ordinal))
            {
                if (All.Exists(one => path == one.Path || path.StartsWith(one.Path.TrimEnd('/') + "/", StringComparison.Ordinal))) continue;
                SysResult opened = Descriptor.OpenFile(path, OpenFlags.O_PATH | ArchitectureOpenFlags.O_DIRECTORY);
                if (opened.IsOk) All.Add((path, OwnedFd.FromKernel(opened.Raw)));
            }
        }

        public void Dispose()
        {
            foreach ((_, OwnedFd source) in All) source.Dispose();
        }
    }
}
