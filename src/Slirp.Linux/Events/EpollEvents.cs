namespace Slirp.Linux.Events;

/// <summary>epoll_ctl(2).</summary>
[Flags]
public enum EpollEvents : uint
{
    None = 0,
    EPOLLIN = 0x1,
    EPOLLPRI = 0x2,
    EPOLLOUT = 0x4,
    EPOLLERR = 0x8,
    EPOLLHUP = 0x10,
    EPOLLRDHUP = 0x2000,
    EPOLLEXCLUSIVE = 1u << 28,
    EPOLLONESHOT = 1u << 30,
    EPOLLET = 1u << 31,
}
