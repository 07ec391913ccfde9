using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>A NETLINK_ROUTE socket (rtnetlink(7)).</summary>
/// <remarks>One that was born inside a namespace configures that namespace from outside. The kernel wants CAP_NET_ADMIN,
/// there, of whoever opened it and of whoever sends.</remarks>
public sealed partial class RouteSocket : NetlinkSocket
{
    private const int NETLINK_ROUTE = 0, NETLINK_GET_STRICT_CHK = 12;

    /// <param name="socket">A NETLINK_ROUTE socket; owned from here on.</param>
    public RouteSocket(OwnedFd socket) : base(socket)
    {
    }

    /// <summary>For the network namespace of the calling thread.</summary>
    public static RouteSocket Open()
    {
        int type = (int)SocketType.SOCK_RAW | (int)OpenFlags.O_CLOEXEC; // SOCK_CLOEXEC is the same bit
        return new RouteSocket(Libc.Result(Libc.socket((int)SocketFamily.AF_NETLINK, type, NETLINK_ROUTE))
            .OwnedOrThrow("socket", "AF_NETLINK"));
    }

    /// <summary>Sends a request that changes something and waits for its acknowledgement.</summary>
    /// <param name="unless">This answer is none: what was asked for is so already.</param>
    private void Change(NetlinkRequest request, string step, string subject, string? remedy = null, Errno unless = Errno.None)
    {
        int nothing = 0;
        SysResult result = Converse(request, ref nothing, static (ref _, _, _) => { }, out string? detail);
        if (!result.IsOk && result.Errno != unless) throw new LinuxException(step, subject, result.Errno, remedy ?? RemedyFor(result.Errno), detail);
    }

    private static string? RemedyFor(Errno errno) => errno switch
    {
        Errno.EPERM => "CAP_NET_ADMIN in the user namespace that owns this network namespace is needed",
        _ => null,
    };
}
