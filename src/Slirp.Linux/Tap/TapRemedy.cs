namespace Slirp.Linux.Tap;

/// <summary>What to do about each way in which a TAP device can be refused.</summary>
internal static class TapRemedy
{
    internal static string? ForOpen(Errno errno) => errno switch
    {
        Errno.ENOENT or Errno.ENODEV or Errno.ENXIO => "the kernel has no TUN/TAP here: load it with 'modprobe tun', or make the device node available",
        Errno.EACCES or Errno.EPERM => "this user may not open it: give access to /dev/net/tun (mode 0666 is usual)",
        _ => null,
    };

    internal static string? ForSetInterface(Errno errno, string name) => errno switch
    {
        Errno.EBUSY => $"the name is in use: another program is attached to {name}",
        Errno.EPERM => $"no right to make or attach {name} in this network namespace: CAP_NET_ADMIN in the user namespace that owns it is needed",
        Errno.EINVAL => $"{name} exists and is no TAP device",
        Errno.E2BIG => $"{name} has no free queue",
        _ => null,
    };

    internal static string? ForGetInterface(Errno errno) => errno switch
    {
        Errno.EBADF => "no such descriptor is open",
        Errno.ENOTTY or Errno.EINVAL => "it is no TUN/TAP device",
        Errno.EBADFD => "it is open on /dev/net/tun but not attached to an interface (TUNSETIFF), or the interface is gone",
        _ => null,
    };
}
