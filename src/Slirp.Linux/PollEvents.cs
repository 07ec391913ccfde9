namespace Slirp.Linux;

/// <summary>poll(2).</summary>
[Flags]
public enum PollEvents : short
{
    None = 0,
    POLLIN = 0x1,
    POLLPRI = 0x2,
    POLLOUT = 0x4,
    POLLERR = 0x8,
    POLLHUP = 0x10,
    POLLNVAL = 0x20,
    POLLRDHUP = 0x2000,
}
