using System.Runtime.InteropServices;

namespace Slirp.Linux.Abi;

internal struct sock_filter
{
    public ushort code;
    public byte jt;
    public byte jf;
    public uint k;
}

internal unsafe struct sock_fprog
{
    public ushort len;
    public sock_filter* filter;
}

internal struct landlock_ruleset_attr
{
    public ulong handled_access_fs;
    public ulong handled_access_net; // ABI 4
    public ulong scoped; // ABI 6
}

[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct landlock_path_beneath_attr
{
    public ulong allowed_access;
    public int parent_fd;
}

internal struct landlock_net_port_attr
{
    public ulong allowed_access;
    public ulong port;
}

/// <summary>__user_cap_header_struct.</summary>
internal struct __user_cap_header_struct
{
    public uint version;
    public int pid;
}

internal struct __user_cap_data_struct
{
    public uint effective;
    public uint permitted;
    public uint inheritable;
}

internal struct mount_attr
{
    public ulong attr_set;
    public ulong attr_clr;
    public ulong propagation;
    public ulong userns_fd;
}
