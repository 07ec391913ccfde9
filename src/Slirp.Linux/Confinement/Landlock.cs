using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Confinement;

/// <summary>Rights to files (landlock(7)). Those above the first group need a later ABI and are left out before it.</summary>
[Flags]
public enum LandlockFiles : ulong
{
    None = 0,
    LANDLOCK_ACCESS_FS_EXECUTE = 1 << 0,
    LANDLOCK_ACCESS_FS_WRITE_FILE = 1 << 1,
    LANDLOCK_ACCESS_FS_READ_FILE = 1 << 2,
    LANDLOCK_ACCESS_FS_READ_DIR = 1 << 3,
    LANDLOCK_ACCESS_FS_REMOVE_DIR = 1 << 4,
    LANDLOCK_ACCESS_FS_REMOVE_FILE = 1 << 5,
    LANDLOCK_ACCESS_FS_MAKE_CHAR = 1 << 6,
    LANDLOCK_ACCESS_FS_MAKE_DIR = 1 << 7,
    LANDLOCK_ACCESS_FS_MAKE_REG = 1 << 8,
    LANDLOCK_ACCESS_FS_MAKE_SOCK = 1 << 9,
    LANDLOCK_ACCESS_FS_MAKE_FIFO = 1 << 10,
    LANDLOCK_ACCESS_FS_MAKE_BLOCK = 1 << 11,
    LANDLOCK_ACCESS_FS_MAKE_SYM = 1 << 12,

    /// <summary>ABI 2. Denied by ABI 1 always.</summary>
    LANDLOCK_ACCESS_FS_REFER = 1 << 13,

    /// <summary>ABI 3.</summary>
    LANDLOCK_ACCESS_FS_TRUNCATE = 1 << 14,

    /// <summary>ABI 5.</summary>
    LANDLOCK_ACCESS_FS_IOCTL_DEV = 1 << 15,
}

/// <summary>Rights to TCP ports; ABI 4.</summary>
[Flags]
public enum LandlockPorts : ulong
{
    None = 0,
    LANDLOCK_ACCESS_NET_BIND_TCP = 1 << 0,
    LANDLOCK_ACCESS_NET_CONNECT_TCP = 1 << 1,
}

/// <summary>What may not reach beyond the domain; ABI 6.</summary>
[Flags]
public enum LandlockScopes : ulong
{
    None = 0,
    LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0,
    LANDLOCK_SCOPE_SIGNAL = 1 << 1,
}

/// <summary>A set of rules that denies every right it handles but those it grants (landlock(7)); for the threads
/// that <see cref="Privileges"/> applies it to, and those that they start. What is open already stays usable.</summary>
public sealed unsafe class Landlock : IDisposable
{
    private const uint LANDLOCK_CREATE_RULESET_VERSION = 1, LANDLOCK_CREATE_RULESET_ERRATA = 2;
    private const int SignalErratum = 1 << 1; // the second: signals among the threads of one process
    private const int LANDLOCK_RULE_PATH_BENEATH = 1, LANDLOCK_RULE_NET_PORT = 2;
    private const LandlockFiles OfFilesOnly = LandlockFiles.LANDLOCK_ACCESS_FS_EXECUTE | LandlockFiles.LANDLOCK_ACCESS_FS_WRITE_FILE
        | LandlockFiles.LANDLOCK_ACCESS_FS_READ_FILE | LandlockFiles.LANDLOCK_ACCESS_FS_TRUNCATE | LandlockFiles.LANDLOCK_ACCESS_FS_IOCTL_DEV;

    private readonly OwnedFd _ruleset;
    private readonly LandlockFiles _files;
    private readonly LandlockPorts _ports;

    private Landlock(OwnedFd ruleset, LandlockFiles files, LandlockPorts ports)
    {
        _ruleset = ruleset;
        _files = files;
        _ports = ports;
    }

    /// <summary>Reading a file or a directory.</summary>
    public const LandlockFiles Read = LandlockFiles.LANDLOCK_ACCESS_FS_READ_FILE | LandlockFiles.LANDLOCK_ACCESS_FS_READ_DIR;

    /// <summary>What the running kernel knows; 0 if it has no Landlock or it is switched off.</summary>
    public static int Abi { get; } = Math.Max(0, Libc.Call(Syscalls.landlock_create_ruleset, 0, 0, (nint)LANDLOCK_CREATE_RULESET_VERSION).Raw);

    /// <summary>Every right to files that the running kernel can handle.</summary>
    public static LandlockFiles AllFiles => Abi switch
    {
        <= 0 => LandlockFiles.None,
        1 => (LandlockFiles)0x1fff,
        2 => (LandlockFiles)0x3fff,
        3 or 4 => (LandlockFiles)0x7fff,
        _ => (LandlockFiles)0xffff,
    };

    /// <summary>Whether a scope for signals leaves those within the process alone: until a mend of Linux 6.15 (and of later 6.12s) it cut
    /// threads off from one another, the runtime's collector included.</summary>
    private static bool SparesOwnThreads { get; } =
        Libc.Call(Syscalls.landlock_create_ruleset, 0, 0, (nint)LANDLOCK_CREATE_RULESET_ERRATA) is { IsOk: true } errata
        && (errata.Raw & SignalErratum) != 0;

    /// <summary>Begins a set that handles all rights to files, and these others as far as the kernel knows them.</summary>
    /// <exception cref="LinuxException">ENOSYS or EOPNOTSUPP: no Landlock here.</exception>
    public static Landlock Begin(LandlockPorts ports = LandlockPorts.None, LandlockScopes scopes = LandlockScopes.None)
    {
        if (Abi < 4) ports = LandlockPorts.None;
        if (Abi < 6) scopes = LandlockScopes.None;
        if (!SparesOwnThreads) scopes &= ~LandlockScopes.LANDLOCK_SCOPE_SIGNAL;
        var attributes = new landlock_ruleset_attr
        {
            handled_access_fs = (ulong)AllFiles,
            handled_access_net = (ulong)ports,
            scoped = (ulong)scopes,
        };
        // A kernel takes a longer struct if what it does not know is zero.
        SysResult created = Libc.Call(Syscalls.landlock_create_ruleset, (nint)(&attributes), sizeof(landlock_ruleset_attr), 0);
        return new Landlock(created.OwnedOrThrow("landlock_create_ruleset", "this process", "the kernel has no Landlock, or it is switched off (lsm=)"), AllFiles, ports);
    }

    /// <summary>Grants rights to a file, or to a directory and all below it. Rights that the kernel does not know, and
    /// for a file those of directories, are left out.</summary>
    /// <returns>ENOENT and the like if the path cannot be opened: then nothing is granted.</returns>
    public SysResult AllowPath(string path, LandlockFiles rights)
    {
        SysResult opened = Descriptor.OpenFile(path, OpenFlags.O_PATH);
        if (!opened.IsOk) return opened;
        using OwnedFd beneath = OwnedFd.FromKernel(opened.Raw);
        if (!Directory.Exists($"/proc/self/fd/{beneath.Value}")) rights &= OfFilesOnly;
        rights &= _files;
        if (rights == LandlockFiles.None) return SysResult.Failure(Errno.ENOMSG);
        var rule = new landlock_path_beneath_attr { allowed_access = (ulong)rights, parent_fd = beneath.Value };
        return Libc.Call(Syscalls.landlock_add_rule, _ruleset.Value, LANDLOCK_RULE_PATH_BENEATH, (nint)(&rule));
    }

    /// <summary>Grants rights to a TCP port; nothing to do where ports are not handled.</summary>
    public SysResult AllowPort(ushort port, LandlockPorts rights)
    {
        rights &= _ports;
        if (rights == LandlockPorts.None) return new SysResult(0);
        var rule = new landlock_net_port_attr { allowed_access = (ulong)rights, port = port };
        return Libc.Call(Syscalls.landlock_add_rule, _ruleset.Value, LANDLOCK_RULE_NET_PORT, (nint)(&rule));
    }

    /// <summary>The set's descriptor, for landlock_restrict_self: EPERM without no_new_privs or CAP_SYS_ADMIN, E2BIG after
    /// sixteen of them.</summary>
    internal int Ruleset => _ruleset.Value;

    public void Dispose() => _ruleset.Dispose();
}
