using System.Runtime.InteropServices;

namespace Slirp.Linux.Abi;

/// <summary>What statx(2) says of a file, of which only its identity is read here.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct statx
{
    [FieldOffset(0)] public uint stx_mask;
    [FieldOffset(32)] public ulong stx_ino;
    [FieldOffset(136)] public uint stx_dev_major;
    [FieldOffset(140)] public uint stx_dev_minor;
}
