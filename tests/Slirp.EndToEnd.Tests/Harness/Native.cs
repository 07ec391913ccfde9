using System.Runtime.InteropServices;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>The few calls of libc that the harness needs and .NET does not offer.</summary>
internal static class Native
{
    public const int Interrupted = 4; // EINTR
    public const int CloneNewNet = 0x40000000;
    public const int OpenReadWrite = 2;
    public const int OpenCloseOnExec = 0x80000;
    public const int DuplicateCloseOnExec = 1030; // F_DUPFD_CLOEXEC
    public const short SpawnSetSignalDefaults = 0x04;
    public const short SpawnSetSignalMask = 0x08;
    public const int OpaqueSize = 512; // more than glibc's largest of posix_spawnattr_t, file actions and sigset_t

    [DllImport("libc", SetLastError = true)]
    public static extern int setpriority(int which, uint who, int nice);

    [DllImport("libc", SetLastError = true)]
    public static extern int pipe2(int[] descriptors, int flags);

    [DllImport("libc", SetLastError = true)]
    public static extern int fcntl(int descriptor, int command, int argument);

    [DllImport("libc", SetLastError = true)]
    public static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", SetLastError = true)]
    public static extern int close(int descriptor);

    [DllImport("libc", SetLastError = true)]
    public static extern int ioctl(int descriptor, nuint request, byte[] argument);

    [DllImport("libc", SetLastError = true)]
    public static extern int setns(int descriptor, int kind);

    [DllImport("libc", SetLastError = true)]
    public static extern int kill(int pid, int signal);

    [DllImport("libc", SetLastError = true)]
    public static extern int waitpid(int pid, out int status, int options);

    [DllImport("libc", SetLastError = true)]
    public static extern int socket(int family, int type, int protocol);

    [DllImport("libc", SetLastError = true)]
    public static extern int bind(int socket, byte[] address, int length);

    [DllImport("libc", SetLastError = true)]
    public static extern int setsockopt(int socket, int level, int option, ref int value, int length);

    [DllImport("libc", SetLastError = true)]
    public static extern int setsockopt(int socket, int level, int option, long[] value, int length);

    [DllImport("libc", SetLastError = true)]
    public static extern uint if_nametoindex([MarshalAs(UnmanagedType.LPUTF8Str)] string name);

    public static nint send(int socket, ReadOnlySpan<byte> octets, nint length, int flags) =>
        send(socket, in MemoryMarshal.GetReference(octets), length, flags);

    public static nint recv(int socket, Span<byte> octets, nint length, int flags) =>
        recv(socket, ref MemoryMarshal.GetReference(octets), length, flags);

    /// <param name="limit">Soft and hard.</param>
    [DllImport("libc", SetLastError = true)]
    public static extern int setrlimit(int resource, ulong[] limit);

    [DllImport("libc", SetLastError = true)]
    public static extern int getrlimit(int resource, ulong[] limit);

    [DllImport("libc")]
    public static extern int gettid();

    [DllImport("libc")]
    public static extern uint geteuid();

    [DllImport("libc", SetLastError = true)]
    public static extern nint syscall(nint number, nint first, nint second, nint third);

    [DllImport("libc")]
    public static extern int posix_spawn_file_actions_init(IntPtr actions);

    [DllImport("libc")]
    public static extern int posix_spawn_file_actions_adddup2(IntPtr actions, int descriptor, int becomes);

    [DllImport("libc")]
    public static extern int posix_spawn_file_actions_addclose(IntPtr actions, int descriptor);

    [DllImport("libc")]
    public static extern int posix_spawn_file_actions_addclosefrom_np(IntPtr actions, int lowest);

    [DllImport("libc")]
    public static extern int posix_spawn_file_actions_destroy(IntPtr actions);

    [DllImport("libc")]
    public static extern int posix_spawnattr_init(IntPtr attributes);

    [DllImport("libc")]
    public static extern int posix_spawnattr_setflags(IntPtr attributes, short flags);

    [DllImport("libc")]
    public static extern int posix_spawnattr_setsigdefault(IntPtr attributes, IntPtr signals);

    [DllImport("libc")]
    public static extern int posix_spawnattr_setsigmask(IntPtr attributes, IntPtr signals);

    [DllImport("libc")]
    public static extern int sigfillset(IntPtr signals);

    [DllImport("libc")]
    public static extern int sigemptyset(IntPtr signals);

    [DllImport("libc")]
    public static extern int posix_spawnp(
        out int pid,
        [MarshalAs(UnmanagedType.LPUTF8Str)] string file,
        IntPtr actions,
        IntPtr attributes,
        [MarshalAs(UnmanagedType.LPArray, ArraySubType = UnmanagedType.LPStr)] string?[] argv,
        [MarshalAs(UnmanagedType.LPArray, ArraySubType = UnmanagedType.LPStr)] string?[] environment);

    [DllImport("libc", SetLastError = true)]
    private static extern nint send(int socket, in byte octets, nint length, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern nint recv(int socket, ref byte octets, nint length, int flags);
}
