using System.Runtime.CompilerServices;

namespace Slirp.Linux.Abi;

internal unsafe struct iovec
{
    public void* iov_base;
    public nuint iov_len;
}

/// <summary>msghdr as glibc has it; musl splits msg_iovlen and msg_controllen into 32 bits and padding, which is the
/// same on a little-endian machine.</summary>
internal unsafe struct msghdr
{
    public void* msg_name;
    public uint msg_namelen;
    public iovec* msg_iov;
    public nuint msg_iovlen;
    public void* msg_control;
    public nuint msg_controllen;
    public int msg_flags;
}

internal struct cmsghdr
{
    public nuint cmsg_len;
    public int cmsg_level;
    public int cmsg_type;
}

internal struct linger
{
    public int l_onoff;
    public int l_linger;
}

internal struct ucred
{
    public int pid;
    public uint uid;
    public uint gid;
}

internal struct sockaddr_in
{
    public ushort sin_family;
    public ushort sin_port; // network order
    public uint sin_addr; // network order
    public ulong sin_zero;
}

internal struct sockaddr_in6
{
    public ushort sin6_family;
    public ushort sin6_port; // network order
    public uint sin6_flowinfo;
    public in6_addr sin6_addr;
    public uint sin6_scope_id;
}

[InlineArray(16)]
internal struct in6_addr
{
    private byte _octet;
}

internal struct sockaddr_un
{
    public ushort sun_family;
    public SunPath sun_path;

    [InlineArray(108)]
    internal struct SunPath
    {
        private byte _octet;
    }
}

internal struct in_pktinfo
{
    public int ipi_ifindex;
    public uint ipi_spec_dst; // network order
    public uint ipi_addr; // network order
}

internal struct in6_pktinfo
{
    public in6_addr ipi6_addr;
    public uint ipi6_ifindex;
}

internal struct sock_extended_err
{
    public uint ee_errno;
    public byte ee_origin;
    public byte ee_type;
    public byte ee_code;
    public byte ee_pad;
    public uint ee_info;
    public uint ee_data;
}
