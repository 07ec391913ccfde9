namespace Slirp.Linux.Sockets;

/// <summary>Levels of socket options and of control messages.</summary>
internal enum SocketLevel
{
    IPPROTO_IP = 0,
    SOL_SOCKET = 1,
    IPPROTO_TCP = 6,
    IPPROTO_UDP = 17,
    IPPROTO_IPV6 = 41,
}

/// <summary>Types of SOL_SOCKET control messages.</summary>
internal enum SocketControl
{
    SCM_RIGHTS = 1,
    SCM_CREDENTIALS = 2,
}
