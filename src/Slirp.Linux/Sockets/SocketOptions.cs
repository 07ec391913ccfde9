using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Sockets;

/// <summary>getsockopt(2) and setsockopt(2), an overload per level so that an option cannot go to the wrong one.</summary>
public static unsafe class SocketOptions
{
    public static SysResult Set(SocketFd socket, SocketOption option, int value) => Set(socket, SocketLevel.SOL_SOCKET, (int)option, value);
    public static SysResult Set(SocketFd socket, IpOption option, int value) => Set(socket, SocketLevel.IPPROTO_IP, (int)option, value);
    public static SysResult Set(SocketFd socket, Ipv6Option option, int value) => Set(socket, SocketLevel.IPPROTO_IPV6, (int)option, value);
    public static SysResult Set(SocketFd socket, TcpOption option, int value) => Set(socket, SocketLevel.IPPROTO_TCP, (int)option, value);
    public static SysResult Set(SocketFd socket, UdpOption option, int value) => Set(socket, SocketLevel.IPPROTO_UDP, (int)option, value);

    public static SysResult Get(SocketFd socket, SocketOption option, out int value) => Get(socket, SocketLevel.SOL_SOCKET, (int)option, out value);
    public static SysResult Get(SocketFd socket, IpOption option, out int value) => Get(socket, SocketLevel.IPPROTO_IP, (int)option, out value);
    public static SysResult Get(SocketFd socket, Ipv6Option option, out int value) => Get(socket, SocketLevel.IPPROTO_IPV6, (int)option, out value);
    public static SysResult Get(SocketFd socket, TcpOption option, out int value) => Get(socket, SocketLevel.IPPROTO_TCP, (int)option, out value);
    public static SysResult Get(SocketFd socket, UdpOption option, out int value) => Get(socket, SocketLevel.IPPROTO_UDP, (int)option, out value);

    /// <summary>Takes the socket's pending error (SO_ERROR), which reading clears.</summary>
    /// <returns>None if there is none; the call's own errno if the descriptor is no socket.</returns>
    public static Errno TakeError(SocketFd socket)
    {
        SysResult result = Get(socket, SocketOption.SO_ERROR, out int pending);
        return result.IsOk ? (Errno)pending : result.Errno;
    }

    /// <summary>The state of a TCP socket: the first octet of TCP_INFO (tcp(7)).</summary>
    public static TcpSocketState GetTcpState(SocketFd socket)
    {
        var state = TcpSocketState.None;
        uint length = sizeof(TcpSocketState);
        _ = LibcNoTransition.getsockopt(socket.Value, (int)SocketLevel.IPPROTO_TCP, (int)TcpOption.TCP_INFO, &state, &length);
        return state;
    }

    /// <summary>Makes the next close a reset: what is unsent is thrown away (SO_LINGER with zero seconds).</summary>
    public static SysResult SetResetOnClose(SocketFd socket)
    {
        var value = new linger { l_onoff = 1, l_linger = 0 };
        return LibcNoTransition.Result(LibcNoTransition.setsockopt(
            socket.Value, (int)SocketLevel.SOL_SOCKET, (int)SocketOption.SO_LINGER, &value, (uint)sizeof(linger)));
    }

    /// <summary>Asks for extended errors of the family (IP_RECVERR or IPV6_RECVERR).</summary>
    public static SysResult SetReceiveErrors(SocketFd socket, bool ipv6, bool on) =>
        ipv6 ? Set(socket, Ipv6Option.IPV6_RECVERR, on ? 1 : 0) : Set(socket, IpOption.IP_RECVERR, on ? 1 : 0);

    /// <summary>Asks for the destination address of each datagram (IP_PKTINFO or IPV6_RECVPKTINFO).</summary>
    public static SysResult SetReceivePacketInfo(SocketFd socket, bool ipv6, bool on) =>
        ipv6 ? Set(socket, Ipv6Option.IPV6_RECVPKTINFO, on ? 1 : 0) : Set(socket, IpOption.IP_PKTINFO, on ? 1 : 0);

    public static SysResult SetPathMtuDiscovery(SocketFd socket, bool ipv6, PathMtuDiscovery mode) =>
        ipv6 ? Set(socket, Ipv6Option.IPV6_MTU_DISCOVER, (int)mode) : Set(socket, IpOption.IP_MTU_DISCOVER, (int)mode);

    public static SysResult SetHopLimit(SocketFd socket, bool ipv6, int hops) =>
        ipv6 ? Set(socket, Ipv6Option.IPV6_UNICAST_HOPS, hops) : Set(socket, IpOption.IP_TTL, hops);

    /// <summary>The path MTU that the kernel knows for a connected socket, IP header included.</summary>
    public static SysResult GetPathMtu(SocketFd socket, bool ipv6, out int mtu) =>
        ipv6 ? Get(socket, Ipv6Option.IPV6_MTU, out mtu) : Get(socket, IpOption.IP_MTU, out mtu);

    /// <summary>Sends and receives through one interface only (SO_BINDTODEVICE); since Linux 5.7 without privilege for a
    /// socket that has none yet.</summary>
    public static SysResult BindToDevice(SocketFd socket, string interfaceName)
    {
        byte[] name = CString.Encode(interfaceName);
        fixed (byte* p = name) // pinned for the call
            return LibcNoTransition.Result(LibcNoTransition.setsockopt(
                socket.Value, (int)SocketLevel.SOL_SOCKET, (int)SocketOption.SO_BINDTODEVICE, p, (uint)name.Length));
    }

    private static SysResult Set(SocketFd socket, SocketLevel level, int option, int value) =>
        LibcNoTransition.Result(LibcNoTransition.setsockopt(socket.Value, (int)level, option, &value, sizeof(int)));

    private static SysResult Get(SocketFd socket, SocketLevel level, int option, out int value)
    {
        int answer = 0;
        uint length = sizeof(int);
        SysResult result = LibcNoTransition.Result(
            LibcNoTransition.getsockopt(socket.Value, (int)level, option, &answer, &length));
        value = answer;
        return result;
    }
}
