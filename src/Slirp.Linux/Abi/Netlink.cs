using System.Runtime.InteropServices;

namespace Slirp.Linux.Abi;

internal struct sockaddr_nl
{
    public ushort nl_family;
    public ushort nl_pad;
    public uint nl_pid;
    public uint nl_groups;
}

internal struct nlmsghdr
{
    public uint nlmsg_len;
    public ushort nlmsg_type;
    public ushort nlmsg_flags;
    public uint nlmsg_seq;
    public uint nlmsg_pid;
}

internal struct nlmsgerr
{
    public int error;
    public nlmsghdr msg;
}

internal struct rtattr
{
    public ushort rta_len;
    public ushort rta_type;
}

internal struct ifinfomsg
{
    public byte ifi_family;
    public ushort ifi_type;
    public int ifi_index;
    public uint ifi_flags;
    public uint ifi_change;
}

internal struct ifaddrmsg
{
    public byte ifa_family;
    public byte ifa_prefixlen;
    public byte ifa_flags;
    public byte ifa_scope;
    public uint ifa_index;
}

internal struct rtmsg
{
    public byte rtm_family;
    public byte rtm_dst_len;
    public byte rtm_src_len;
    public byte rtm_tos;
    public byte rtm_table;
    public byte rtm_protocol;
    public byte rtm_scope;
    public byte rtm_type;
    public uint rtm_flags;
}

/// <summary>Ports and addresses in network order.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal unsafe struct inet_diag_sockid
{
    public ushort idiag_sport;
    public ushort idiag_dport;
    public fixed byte idiag_src[16]; // IPv4 has the first four
    public fixed byte idiag_dst[16];
    public uint idiag_if;
    public ulong idiag_cookie;
}

[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct inet_diag_req_v2
{
    public byte sdiag_family;
    public byte sdiag_protocol;
    public byte idiag_ext;
    public byte pad;
    public uint idiag_states;
    public inet_diag_sockid id;
}

[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct inet_diag_msg
{
    public byte idiag_family;
    public byte idiag_state;
    public byte idiag_timer;
    public byte idiag_retrans;
    public inet_diag_sockid id;
    public uint idiag_expires;
    public uint idiag_rqueue;
    public uint idiag_wqueue;
    public uint idiag_uid;
    public uint idiag_inode;
}
