namespace Slirp.Linux.Abi;

/// <summary>The sigaction that the kernel takes (not the C library's): the same on x86-64 and arm64.</summary>
internal struct kernel_sigaction
{
    public nint sa_handler;
    public ulong sa_flags;
    public nint sa_restorer;
    public ulong sa_mask;
}
