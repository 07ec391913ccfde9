using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>A TCP connection as the kernel of its network namespace tells it.</summary>
public readonly record struct TcpConnectionInfo(NetAddress Local, ushort LocalPort, NetAddress Remote, ushort RemotePort);

/// <summary>A NETLINK_SOCK_DIAG socket (sock_diag(7)): asks a network namespace about its sockets.</summary>
/// <param name="socket">Owned from here on.</param>
public sealed class DiagnosisSocket(OwnedFd socket) : NetlinkSocket(socket)
{
    // States that have a peer who could still be told something: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING.
    private const uint Synchronized = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;
    private const byte IPPROTO_TCP = 6;
    private const MessageType SOCK_DIAG_BY_FAMILY = (MessageType)20; // netlink families number their messages each for itself

    /// <returns>Empty where the kernel cannot say (CONFIG_INET_DIAG).</returns>
    public IReadOnlyList<TcpConnectionInfo> ListTcpConnections()
    {
        var connections = new List<TcpConnectionInfo>();
        List(SocketFamily.AF_INET, connections);
        List(SocketFamily.AF_INET6, connections); // IPv4 through IPv6 sockets too, in the form that NetAddress holds
        return connections;
    }

    private void List(SocketFamily family, List<TcpConnectionInfo> connections)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], SOCK_DIAG_BY_FAMILY, MessageFlag.NLM_F_DUMP);
        request.Put(new inet_diag_req_v2 { sdiag_family = (byte)family, sdiag_protocol = IPPROTO_TCP, idiag_states = Synchronized });
        _ = Ask(request, ref connections, Read);
    }

    private static unsafe void Read(ref List<TcpConnectionInfo> connections, MessageType type, ReadOnlySpan<byte> body)
    {
        if (type != SOCK_DIAG_BY_FAMILY || body.Length < sizeof(inet_diag_msg)) return;
        var message = MemoryMarshal.Read<inet_diag_msg>(body); // on this stack, and so are its addresses
        int length = message.idiag_family == (byte)SocketFamily.AF_INET ? 4 : 16;
        if (!NetAddress.TryRead(new ReadOnlySpan<byte>(message.id.idiag_src, length), out NetAddress local)) return;
        if (!NetAddress.TryRead(new ReadOnlySpan<byte>(message.id.idiag_dst, length), out NetAddress remote)) return;
        connections.Add(new TcpConnectionInfo(local, HostOrder(message.id.idiag_sport), remote, HostOrder(message.id.idiag_dport)));
    }

    private static ushort HostOrder(ushort port) => BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(port) : port;
}
