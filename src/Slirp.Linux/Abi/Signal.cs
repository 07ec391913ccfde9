using System.Runtime.InteropServices;

namespace Slirp.Linux.Abi;

/// <summary>signalfd_siginfo: only its number and sender are read here.</summary>
[StructLayout(LayoutKind.Sequential, Size = 128)]
internal struct signalfd_siginfo
{
    public uint ssi_signo;
    public int ssi_errno;
    public int ssi_code;
    public uint ssi_pid;
    public uint ssi_uid;
}

/// <summary>The sigaction that the kernel takes (not the C library's): the same on x86-64 and arm64.</summary>
internal struct kernel_sigaction
{
    public nint sa_handler;
    public ulong sa_flags;
    public nint sa_restorer;
    public ulong sa_mask;
}
