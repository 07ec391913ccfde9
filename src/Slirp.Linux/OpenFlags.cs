using System.Runtime.InteropServices;

namespace Slirp.Linux;

/// <summary>open(2) flags that are the same on x86-64 and arm64.</summary>
[Flags]
public enum OpenFlags
{
    O_RDONLY = 0,
    O_WRONLY = 1,
    O_RDWR = 2,
    O_CREAT = 0x40,
    O_EXCL = 0x80,
    O_NOCTTY = 0x100,
    O_TRUNC = 0x200,
    O_APPEND = 0x400,
    O_NONBLOCK = 0x800,
    O_CLOEXEC = 0x80000,
    O_PATH = 0x200000,
}

/// <summary>open(2) flags whose numbers differ between x86-64 and arm64.</summary>
public static class ArchitectureOpenFlags
{
    private static readonly bool IsArm64 = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public static OpenFlags O_DIRECTORY => (OpenFlags)(IsArm64 ? 0x4000 : 0x10000);
    public static OpenFlags O_NOFOLLOW => (OpenFlags)(IsArm64 ? 0x8000 : 0x20000);
}
