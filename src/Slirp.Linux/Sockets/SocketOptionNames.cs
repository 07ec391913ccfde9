namespace Slirp.Linux.Sockets;

/// <summary>socket(7), level SOL_SOCKET.</summary>
public enum SocketOption
{
    SO_REUSEADDR = 2,
    SO_TYPE = 3,
    SO_ERROR = 4,
    SO_BROADCAST = 6,
    SO_SNDBUF = 7,
    SO_RCVBUF = 8,
    SO_KEEPALIVE = 9,
    SO_OOBINLINE = 10,
    SO_LINGER = 13,
    SO_REUSEPORT = 15,
    SO_PASSCRED = 16,
    SO_PEERCRED = 17,
    SO_RCVLOWAT = 18,
    SO_BINDTODEVICE = 25,
    SO_ACCEPTCONN = 30,
    SO_SNDBUFFORCE = 32,
    SO_RCVBUFFORCE = 33,
    SO_MARK = 36,
    SO_PROTOCOL = 38,
    SO_DOMAIN = 39,
    SO_INCOMING_CPU = 49,
}

/// <summary>ip(7), level IPPROTO_IP; also the types of its control messages.</summary>
public enum IpOption
{
    IP_TOS = 1,
    IP_TTL = 2,
    IP_PKTINFO = 8,
    IP_MTU_DISCOVER = 10,
    IP_RECVERR = 11,
    IP_RECVTTL = 12,
    IP_RECVTOS = 13,
    IP_MTU = 14,
    IP_FREEBIND = 15,
    IP_BIND_ADDRESS_NO_PORT = 24,
    IP_MULTICAST_TTL = 33,
    IP_MULTICAST_LOOP = 34,
    IP_MULTICAST_ALL = 49,
    IP_LOCAL_PORT_RANGE = 51,
}

/// <summary>ipv6(7), level IPPROTO_IPV6; also the types of its control messages.</summary>
public enum Ipv6Option
{
    IPV6_UNICAST_HOPS = 16,
    IPV6_MULTICAST_HOPS = 18,
    IPV6_MULTICAST_LOOP = 19,
    IPV6_MTU_DISCOVER = 23,
    IPV6_MTU = 24,
    IPV6_RECVERR = 25,
    IPV6_V6ONLY = 26,
    IPV6_RECVPKTINFO = 49,
    IPV6_PKTINFO = 50,
    IPV6_RECVHOPLIMIT = 51,
    IPV6_HOPLIMIT = 52,
    IPV6_DONTFRAG = 62,
    IPV6_RECVTCLASS = 66,
    IPV6_TCLASS = 67,
    IPV6_FREEBIND = 78,
}

/// <summary>tcp(7).</summary>
public enum TcpOption
{
    TCP_NODELAY = 1,
    TCP_MAXSEG = 2,
    TCP_CORK = 3,
    TCP_KEEPIDLE = 4,
    TCP_KEEPINTVL = 5,
    TCP_KEEPCNT = 6,
    TCP_SYNCNT = 7,
    TCP_INFO = 11,
    TCP_QUICKACK = 12,
    TCP_USER_TIMEOUT = 18,
    TCP_FASTOPEN_CONNECT = 30,
}

/// <summary>udp(7).</summary>
public enum UdpOption
{
    UDP_SEGMENT = 103,
    UDP_GRO = 104,
}

/// <summary>Values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER, numbered alike.</summary>
public enum PathMtuDiscovery
{
    IP_PMTUDISC_DONT = 0,
    IP_PMTUDISC_WANT = 1,
    IP_PMTUDISC_DO = 2,
    IP_PMTUDISC_PROBE = 3,
    IP_PMTUDISC_INTERFACE = 4,
    IP_PMTUDISC_OMIT = 5,
}
