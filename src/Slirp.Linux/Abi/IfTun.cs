using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Slirp.Linux.Abi;

/// <summary>ifreq: a name, and a union of which one or the other is used here.</summary>
[StructLayout(LayoutKind.Explicit, Size = 40)]
internal struct ifreq
{
    internal const int NameLength = 16; // IFNAMSIZ, the closing zero included

    [FieldOffset(0)] public InterfaceName ifr_name;
    [FieldOffset(16)] public short ifr_flags;
    [FieldOffset(16)] public int ifr_ifindex;

    [InlineArray(NameLength)]
    internal struct InterfaceName
    {
        private byte _octet;
    }
}
