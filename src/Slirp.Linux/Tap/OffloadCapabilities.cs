namespace Slirp.Linux.Tap;

/// <summary>What the kernel may leave to us in frames from the guest, and so, by the same header, we to it.</summary>
/// <remarks>All of them need IFF_VNET_HDR, and all but <see cref="Csum"/> need Csum.</remarks>
[Flags]
public enum OffloadCapabilities
{
    None = 0,

    /// <summary>The L4 checksum of a frame may be unfinished.</summary>
    Csum = 1,

    /// <summary>One frame may hold many segments of TCP over IPv4.</summary>
    Tso4 = 2,

    /// <summary>One frame may hold many segments of TCP over IPv6.</summary>
    Tso6 = 4,

    /// <summary>Such a frame may carry ECN's CWR; needs Tso4 or Tso6.</summary>
    TsoEcn = 8,

    /// <summary>One frame may hold many UDP datagrams of one size, over IPv4 and IPv6 (Linux 6.2).</summary>
    Uso = 16,

    All = Csum | Tso4 | Tso6 | TsoEcn | Uso,
}
