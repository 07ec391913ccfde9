using Slirp.Core.World;
using Slirp.Linux;

namespace Slirp.Host;

/// <summary>From what the kernel says to what Core distinguishes.</summary>
internal static class ErrnoMapping
{
    public static IoResult ToIoResult(this SysResult result) =>
        result.IsOk ? new IoResult(result.Raw) : IoResult.Failed(result.Errno.ToHostError());

    public static HostError ToHostError(this Errno errno) => errno switch
    {
        Errno.None => HostError.None,
        Errno.EAGAIN => HostError.WouldBlock,
        Errno.EINPROGRESS or Errno.EALREADY => HostError.InProgress,
        Errno.ECONNREFUSED => HostError.ConnectionRefused,
        Errno.ECONNRESET or Errno.ECONNABORTED => HostError.ConnectionReset,
        Errno.EPIPE or Errno.ENOTCONN => HostError.BrokenPipe,
        Errno.EHOSTUNREACH or Errno.EHOSTDOWN or Errno.ENONET => HostError.HostUnreachable,
        Errno.ENETUNREACH or Errno.ENETDOWN => HostError.NetworkUnreachable,
        Errno.ETIMEDOUT => HostError.TimedOut,
        Errno.EACCES or Errno.EPERM => HostError.AccessDenied,
        Errno.EADDRINUSE => HostError.AddressInUse,
        Errno.EADDRNOTAVAIL => HostError.AddressNotAvailable,
        Errno.EMSGSIZE => HostError.MessageTooLong,
        Errno.EMFILE or Errno.ENFILE or Errno.ENOSPC => HostError.NoDescriptors, // ENOSPC: of epoll(7), max_user_watches
        Errno.ENOBUFS or Errno.ENOMEM => HostError.NoBuffers,
        Errno.EAFNOSUPPORT or Errno.EPROTONOSUPPORT or Errno.EOPNOTSUPP => HostError.NotSupported,
        _ => HostError.Other,
    };
}
