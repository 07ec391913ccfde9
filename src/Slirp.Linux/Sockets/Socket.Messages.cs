using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Sockets;

// Datagrams with addresses and control messages. EINTR is retried here.
public static unsafe partial class Socket
{
    /// <summary>Sends one datagram on a connected socket (or a train of them, by <see cref="SendControls.SegmentSize"/>).</summary>
    [SkipLocalsInit]
    public static SysResult SendMessage(SocketFd socket, ReadOnlySpan<byte> payload, in SendControls controls)
    {
        bool ipv6 = controls.Source is SocketAddress source ? !source.IsIpv4 : controls.IsIpv6;
        return SendMessage(socket, null, 0, payload, default, controls, ipv6);
    }

    /// <summary>Sends one datagram to <paramref name="destination"/>.</summary>
    [SkipLocalsInit]
    public static SysResult SendMessage(
        SocketFd socket, in SocketAddress destination, ReadOnlySpan<byte> payload, in SendControls controls)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint nameLength = destination.Encode(name);
        return SendMessage(socket, name, nameLength, payload, default, controls, !destination.IsIpv4);
    }

    /// <summary>Sends one datagram whose payload lies in two pieces.</summary>
    [SkipLocalsInit]
    public static SysResult SendMessage(
        SocketFd socket, in SocketAddress destination, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, in SendControls controls)
    {
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        uint nameLength = destination.Encode(name);
        return SendMessage(socket, name, nameLength, first, second, controls, !destination.IsIpv4);
    }

    /// <summary>Receives one datagram, or with MSG_ERRQUEUE one queued error and the start of the datagram it is about.</summary>
    /// <param name="socket">A non-blocking socket.</param>
    /// <param name="payload">One datagram longer than this is cut, and MSG_TRUNC set.</param>
    /// <param name="flags">MSG_TRUNC makes the result the datagram's real length.</param>
    /// <param name="message">What came with it; meaningful only if the result is not an error.</param>
    [SkipLocalsInit]
    public static SysResult ReceiveMessage(SocketFd socket, Span<byte> payload, MessageFlags flags, out ReceivedMessage message)
    {
        message = default;
        message.TrafficClass = -1;
        message.HopLimit = -1;
        byte* name = stackalloc byte[SocketAddress.MaxSize];
        ulong* control = stackalloc ulong[ControlMessages.ReceiveCapacity / sizeof(ulong)]; // ulong: aligned to eight
        fixed (byte* p = payload) // pinned for the call; all else is on this stack
        {
            var vector = new iovec { iov_base = p, iov_len = (nuint)payload.Length };
            var header = new msghdr { msg_iov = &vector, msg_iovlen = 1, msg_name = name, msg_control = control };
            SysResult result;
            do
            {
                header.msg_namelen = SocketAddress.MaxSize;
                header.msg_controllen = ControlMessages.ReceiveCapacity;
                result = LibcNoTransition.Result(LibcNoTransition.recvmsg(socket.Value, &header, (int)flags));
            }
            while (result.Is(Errno.EINTR));
            if (!result.IsOk) return result;
            message.Flags = (MessageFlags)header.msg_flags;
            message.HasSource = SocketAddress.TryDecode(name, header.msg_namelen, out SocketAddress source);
            message.Source = source;
            if (header.msg_controllen != 0) ControlMessages.Read((byte*)control, header.msg_controllen, ref message);
            return result;
        }
    }

    [SkipLocalsInit]
    private static SysResult SendMessage(SocketFd socket, byte* name, uint nameLength, ReadOnlySpan<byte> first,
        ReadOnlySpan<byte> second, in SendControls controls, bool ipv6)
    {
        ulong* control = stackalloc ulong[ControlMessages.SendCapacity / sizeof(ulong)]; // ulong: aligned to eight
        int controlLength = controls.IsEmpty ? 0 : ControlMessages.Write((byte*)control, controls, ipv6);
        iovec* vectors = stackalloc iovec[2];
        fixed (byte* p0 = first, p1 = second) // pinned for the call; all else is on this stack
        {
            vectors[0] = new iovec { iov_base = p0, iov_len = (nuint)first.Length };
            vectors[1] = new iovec { iov_base = p1, iov_len = (nuint)second.Length };
            var header = new msghdr
            {
                msg_name = name,
                msg_namelen = nameLength,
                msg_iov = vectors,
                msg_iovlen = second.IsEmpty ? 1u : 2u,
                msg_control = controlLength == 0 ? null : control,
                msg_controllen = (nuint)controlLength,
            };
            SysResult result;
            do result = LibcNoTransition.Result(
                LibcNoTransition.sendmsg(socket.Value, &header, (int)MessageFlags.MSG_NOSIGNAL));
            while (result.Is(Errno.EINTR));
            return result;
        }
    }
}
