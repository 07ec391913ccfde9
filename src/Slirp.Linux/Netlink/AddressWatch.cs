using Slirp.Linux.Abi;
using Slirp.Linux.Native;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>Tells that addresses came or went in the network namespace it was opened in (rtnetlink(7), RTMGRP_IPV4_IFADDR and
/// RTMGRP_IPV6_IFADDR); which ones is to be asked of a <see cref="RouteSocket"/>.</summary>
/// <remarks>Needs no right whatever: the kernel lets anybody listen. A notice that was lost because nobody read in time is
/// itself told (ENOBUFS), so the answer "something happened" is always right.</remarks>
public sealed class AddressWatch : IDisposable
{
    private const int NETLINK_ROUTE = 0;
    private const uint RTMGRP_IPV4_IFADDR = 0x10, RTMGRP_IPV6_IFADDR = 0x100;

    private readonly OwnedFd _owned;

    private AddressWatch(OwnedFd socket) => _owned = socket;

    /// <summary>For the network namespace of the calling thread.</summary>
    public static unsafe AddressWatch Open()
    {
        int type = (int)SocketType.SOCK_RAW | (int)(OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK); // SOCK_ flags are the same bits
        OwnedFd socket = Libc.Result(Libc.socket((int)SocketFamily.AF_NETLINK, type, NETLINK_ROUTE))
            .OwnedOrThrow("socket", "AF_NETLINK");
        var name = new sockaddr_nl
        {
            nl_family = (ushort)SocketFamily.AF_NETLINK,
            nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        };
        SysResult bound = LibcNoTransition.Result(LibcNoTransition.bind(socket.Value, &name, (uint)sizeof(sockaddr_nl)));
        if (bound.IsOk) return new AddressWatch(socket);
        socket.Dispose();
        throw new LinuxException("bind", "AF_NETLINK, groups of addresses", bound.Errno);
    }

    /// <summary>Readable (EPOLLIN) when there is something to take.</summary>
    public NetlinkFd Fd => _owned.AsNetlink;

    /// <returns>True if an address has come, gone or changed since the last call.</returns>
    public bool TakeEvents()
    {
        Span<byte> notice = stackalloc byte[1024]; // what does not fit is cut off: that it came is enough
        for (bool happened = false; ; happened = true)
        {
            SysResult read = Descriptor.Read(Fd, notice);
            if (!read.IsOk && !read.Is(Errno.ENOBUFS)) return happened;
        }
    }

    public void Dispose() => _owned.Dispose();
}
