using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Netlink;

/// <summary>A netlink socket and the conversation with the kernel over it (netlink(7)).</summary>
/// <remarks>The socket answers for the network namespace in which it was opened, whatever the caller's own. Each request is
/// answered before the next is sent; one thread at a time. Set-up code: it allocates.</remarks>
public abstract class NetlinkSocket : IDisposable
{
    private const int SOL_NETLINK = 270, NETLINK_CAP_ACK = 10, NETLINK_EXT_ACK = 11;
    private protected const int RequestCapacity = 512;

    private readonly OwnedFd _owned;
    private readonly byte[] _answers = new byte[32 * 1024]; // the kernel fills at most this much at once (NLMSG_GOODSIZE and up)
    private uint _sequence;

    private protected NetlinkSocket(OwnedFd socket)
    {
        _owned = socket;
        // A kernel without these sends plain acknowledgements: no harm.
        _ = SetOption(NETLINK_EXT_ACK, on: true);
        _ = SetOption(NETLINK_CAP_ACK, on: true);
    }

    private protected delegate void AnswerHandler<TState>(ref TState state, MessageType type, ReadOnlySpan<byte> body);

    public NetlinkFd Fd => _owned.AsNetlink;

    public void Dispose()
    {
        _owned.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Sends a request that asks, and hands each answer to <paramref name="handler"/>.</summary>
    private protected SysResult Ask<TState>(NetlinkRequest request, ref TState state, AnswerHandler<TState> handler) =>
        Converse(request, ref state, handler, out _);

    /// <summary>One exchange: until the acknowledgement of a request, or the end of a dump.</summary>
    private protected unsafe SysResult Converse<TState>(NetlinkRequest request, ref TState state, AnswerHandler<TState> handler, out string? detail)
    {
        detail = null;
        uint sequence = ++_sequence;
        SysResult sent = Descriptor.Write(Fd, request.Finish(sequence));
        if (!sent.IsOk) return sent;
        while (true)
        {
            SysResult received = Descriptor.Read(Fd, _answers);
            if (!received.IsOk) return received;
            ReadOnlySpan<byte> rest = _answers.AsSpan(0, received.Raw);
            while (rest.Length >= sizeof(nlmsghdr))
            {
                var header = MemoryMarshal.Read<nlmsghdr>(rest);
                if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > rest.Length) return SysResult.Failure(Errno.EBADMSG);
                ReadOnlySpan<byte> body = rest[sizeof(nlmsghdr)..(int)header.nlmsg_len];
                rest = rest[Math.Min(NetlinkRequest.Aligned((int)header.nlmsg_len), rest.Length)..];
                if (header.nlmsg_seq != sequence) continue; // of an exchange that was given up
                switch ((MessageType)header.nlmsg_type)
                {
                    case MessageType.NLMSG_ERROR:
                        return ReadAcknowledgement(body, (AckFlag)header.nlmsg_flags, out detail);
                    case MessageType.NLMSG_DONE:
                        return new SysResult(0);
                    default:
                        handler(ref state, (MessageType)header.nlmsg_type, body);
                        break;
                }
            }
        }
    }

    private static unsafe SysResult ReadAcknowledgement(ReadOnlySpan<byte> body, AckFlag flags, out string? detail)
    {
        detail = null;
        if (body.Length < sizeof(nlmsgerr)) return SysResult.Failure(Errno.EBADMSG);
        int error = MemoryMarshal.Read<nlmsgerr>(body).error;
        if ((flags & AckFlag.NLM_F_ACK_TLVS) != 0) // NLM_F_CAPPED: the request is not repeated between
        {
            var attributes = new AttributeReader(body[sizeof(nlmsgerr)..]);
            while (attributes.Next())
                if (attributes.Type == (ushort)AckAttribute.NLMSGERR_ATTR_MSG) detail = attributes.Text;
        }
        return new SysResult(Math.Min(error, 0));
    }

    private protected unsafe SysResult SetOption(int option, bool on)
    {
        int value = on ? 1 : 0;
        return LibcNoTransition.Result(LibcNoTransition.setsockopt(_owned.Value, SOL_NETLINK, option, &value, sizeof(int)));
    }
}
