using System.Globalization;
using Slirp.Core.World;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Sockets;
using Slirp.Linux.Tap;
using Slirp.Wire;

namespace Slirp.Host;

/// <summary>The host's sockets and the TAP queue of one worker: what <see cref="IWorld"/> asks for, done by system calls.</summary>
/// <remarks>
/// <para>Every socket is non-blocking and registered once with the worker's epoll, edge-triggered, for all it can ever
/// report; nothing is changed there until it is closed, which removes it.</para>
/// <para>Datagram sockets remember what they were last told about DF, because that is an option of the socket and not of
/// a message.</para>
/// </remarks>
internal sealed class HostSockets(Epoll epoll, TapFd tap, bool hasVnetHeader)
{
    private const EpollEvents AllEdges =
        EpollEvents.EPOLLIN | EpollEvents.EPOLLPRI | EpollEvents.EPOLLOUT | EpollEvents.EPOLLRDHUP | EpollEvents.EPOLLET;

    // Asked for so that a burst survives until the loop's next turn; the kernel grants net.core.rmem_max at most.
    private const int DatagramBuffer = 4 << 20;

    /// <summary>Descriptors that no guest's connection gets, or every eighth where there are few: so whoever commands is heard,
    /// files are read and forwards opened, whatever the guest holds.</summary>
    private const ulong Reserve = 16;

    /// <summary>So many of them, the first, are for the sockets that may have one.</summary>
    private const int ReserveShare = 3;

    private DatagramState[] _datagrams = new DatagramState[256]; // by descriptor
    private int _firstReserved = FirstReserved();

    private struct DatagramState
    {
        public bool IsIpv6, IsConnected, DontFragment;

        /// <summary>Bound to no address, so each datagram says where it leaves from.</summary>
        public bool IsUnbound;

        /// <summary>Takes no control messages before Linux 5.18: what it sends with is set as options.</summary>
        public bool IsPing6;

        public byte HopLimit, TrafficClass;
    }

    /// <summary>What sockets opened from now on leave from, and datagrams of those that are bound to no address.</summary>
    public OutboundAddresses Outbound { get; set; }

    /// <summary>By which interface, by name or index, a link-local destination is reached.</summary>
    public IReadOnlyDictionary<IpAddress, string> Scopes { get; set; } = new Dictionary<IpAddress, string>();

    /// <summary>Whether the host's own programs hear what goes to a group that they are in.</summary>
    public bool LoopsMulticast { get; init; } = true;

    /// <summary>Sockets that there was no descriptor for.</summary>
    public long DescriptorsLacked { get; private set; }

    public LinkResult Transmit(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload)
    {
        if (!hasVnetHeader) headers = headers[VirtioNetHeader.Length..];
        SysResult written = payload.IsEmpty ? TapIo.Write(tap, headers) : TapIo.Write(tap, headers, payload);
        if (written.IsOk) return LinkResult.Ok;
        return written.Errno is Errno.EAGAIN or Errno.ENOBUFS or Errno.ENOMEM ? LinkResult.Busy : LinkResult.Down;
    }

    public IoResult OpenTcp(IpEndpoint destination, EventTarget owner, out HostSocket socket)
    {
        socket = HostSocket.None;
        SysResult opened = Open(FamilyOf(destination.Address), SocketType.SOCK_STREAM);
        if (!opened.IsOk) return Lack(opened);
        var fd = new SocketFd(opened.Raw);
        // The guest's stack has decided what a segment is; holding it back for more would only delay it.
        _ = SocketOptions.Set(fd, TcpOption.TCP_NODELAY, 1);
        _ = SocketOptions.Set(fd, SocketOption.SO_OOBINLINE, 1); // urgent data is ordinary data: it must not be left out
        SysResult connected = ConnectFromOutbound(fd, destination);
        if (!connected.IsOk && !connected.Is(Errno.EINPROGRESS)) return Abandon(fd, connected);
        if (IsToItself(fd, destination))
        {
            _ = SocketOptions.SetResetOnClose(fd); // or the port would be taken for a minute
            return Abandon(fd, SysResult.Failure(Errno.ECONNREFUSED));
        }
        SysResult added = epoll.Add(fd, AllEdges, owner.Packed);
        if (!added.IsOk) return Abandon(fd, added);
        socket = new HostSocket(fd.Value);
        return connected.ToIoResult();
    }

    /// <summary>Where nobody listens on a port of this host, the port that the kernel chooses to connect from may be that one: a
    /// socket that meets itself (RFC 9293 section 3.5, simultaneous open). The guest is another host, and would not.</summary>
    private static bool IsToItself(SocketFd fd, IpEndpoint destination) =>
        Socket.LocalAddress(fd, out SocketAddress local).IsOk && ToEndpoint(local) == destination;

    public IoResult Adopt(HostSocket accepted, EventTarget owner)
    {
        var fd = new SocketFd(accepted.Value);
        _ = SocketOptions.Set(fd, TcpOption.TCP_NODELAY, 1);
        _ = SocketOptions.Set(fd, SocketOption.SO_OOBINLINE, 1);
        return epoll.Add(fd, AllEdges, owner.Packed).ToIoResult();
    }

    /// <summary>tcp(7): probes after so long a silence, six of them, a quarter of that time but at most 75 s apart.</summary>
    public static void KeepAlive(SocketFd fd, TimeSpan idle)
    {
        int seconds = (int)Math.Clamp(Math.Ceiling(idle.TotalSeconds), 1, 7200);
        _ = SocketOptions.Set(fd, TcpOption.TCP_KEEPIDLE, seconds);
        _ = SocketOptions.Set(fd, TcpOption.TCP_KEEPINTVL, Math.Clamp(seconds / 4, 1, 75));
        _ = SocketOptions.Set(fd, TcpOption.TCP_KEEPCNT, 6);
        _ = SocketOptions.Set(fd, SocketOption.SO_KEEPALIVE, 1);
    }

    public static bool TryGetLocalAddress(HostSocket socket, out IpAddress address)
    {
        SysResult result = Socket.LocalAddress(new SocketFd(socket.Value), out SocketAddress local);
        address = ToAddress(local);
        return result.IsOk;
    }

    public static void Close(HostSocket socket, bool reset)
    {
        var fd = new SocketFd(socket.Value);
        if (reset) _ = SocketOptions.SetResetOnClose(fd);
        Socket.Close(fd);
    }

    public IoResult OpenUdp(AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket, bool fromReserve)
    {
        socket = HostSocket.None;
        bool ipv6 = family == AddressFamily.Ipv6;
        SysResult opened = Open(ToFamily(family), SocketType.SOCK_DGRAM, share: fromReserve ? ReserveShare : 0);
        if (!opened.IsOk) return Lack(opened);
        var fd = new SocketFd(opened.Raw);
        if (ipv6) _ = SocketOptions.Set(fd, Ipv6Option.IPV6_V6ONLY, 1);
        PrepareDatagrams(fd, ipv6);
        _ = SocketOptions.Set(fd, UdpOption.UDP_GRO, 1); // kernels before 5.0 deliver one by one
        if (!LoopsMulticast)
            _ = ipv6 ? SocketOptions.Set(fd, Ipv6Option.IPV6_MULTICAST_LOOP, 0) : SocketOptions.Set(fd, IpOption.IP_MULTICAST_LOOP, 0);
        // One that is for all destinations stays unbound: a resolver on host loopback may be one of them.
        SysResult ready = peer is IpEndpoint remote ? ConnectFromOutbound(fd, remote) : Socket.Bind(fd, AnyAddress(ipv6));
        return Register(fd, ready, new DatagramState { IsIpv6 = ipv6, IsConnected = peer is not null, IsUnbound = peer is null }, owner, out socket);
    }

    public IoResult OpenPing(AddressFamily family, EventTarget owner, out HostSocket socket)
    {
        socket = HostSocket.None;
        bool ipv6 = family == AddressFamily.Ipv6;
        SysResult opened = Open(
            ToFamily(family), SocketType.SOCK_DGRAM, ipv6 ? SocketProtocol.IPPROTO_ICMPV6 : SocketProtocol.IPPROTO_ICMP);
        if (!opened.IsOk) return Lack(opened);
        var fd = new SocketFd(opened.Raw);
        PrepareDatagrams(fd, ipv6);
        // Bound, and not told with each message as UDP is: IPv6 ping sockets cannot be, before Linux 5.18. Whom they ask
        // is never host loopback, for which the gateway answers itself.
        IpAddress source = ipv6 ? Outbound.Ipv6 : Outbound.Ipv4;
        SysResult ready = source.IsAny ? new SysResult(0) : Socket.Bind(fd, ToSocketAddress(new IpEndpoint(source, 0)));
        return Register(fd, ready, new DatagramState { IsIpv6 = ipv6, IsPing6 = ipv6 }, owner, out socket);
    }

    public IoResult SendTo(HostSocket socket, IpEndpoint destination, ReadOnlySpan<byte> payload, in DatagramOptions options)
    {
        var fd = new SocketFd(socket.Value);
        ref DatagramState state = ref _datagrams[socket.Value];
        if (state.DontFragment != options.DontFragment)
        {
            state.DontFragment = options.DontFragment;
            _ = SocketOptions.SetPathMtuDiscovery(
                fd, state.IsIpv6, options.DontFragment ? PathMtuDiscovery.IP_PMTUDISC_DO : PathMtuDiscovery.IP_PMTUDISC_DONT);
        }
        if (state.IsPing6) SetPing6(fd, ref state, options);
        var controls = new SendControls
        {
            SegmentSize = (ushort)options.SegmentSize,
            TrafficClass = options.TrafficClass == 0 || state.IsPing6 ? null : options.TrafficClass,
            HopLimit = options.HopLimit == 0 || state.IsPing6 ? null : options.HopLimit,
            IsIpv6 = state.IsIpv6,
            Source = SourceOf(state, destination, options.LocalAddress),
            InterfaceIndex = options.InterfaceIndex,
        };
        SysResult sent = state.IsConnected
            ? Socket.SendMessage(fd, payload, controls)
            : Socket.SendMessage(fd, ToSocketAddress(destination), payload, controls);
        return sent.ToIoResult();
    }

    private static void SetPing6(SocketFd fd, ref DatagramState state, in DatagramOptions options)
    {
        const int byDefault = -1;
        if (state.HopLimit != options.HopLimit)
        {
            state.HopLimit = options.HopLimit;
            int hops = options.HopLimit == 0 ? byDefault : options.HopLimit;
            _ = SocketOptions.SetHopLimit(fd, ipv6: true, hops);
            _ = SocketOptions.Set(fd, Ipv6Option.IPV6_MULTICAST_HOPS, hops);
        }
        if (state.TrafficClass == options.TrafficClass) return;
        state.TrafficClass = options.TrafficClass;
        _ = SocketOptions.Set(fd, Ipv6Option.IPV6_TCLASS, options.TrafficClass);
    }

    /// <summary>Takes note of a datagram socket that a forward opened: it is registered already, and sent without DF.</summary>
    public void AdoptDatagrams(HostSocket socket, bool ipv6) => Remember(socket.Value, new DatagramState { IsIpv6 = ipv6 });

    public static IoResult ReceiveFrom(HostSocket socket, Span<byte> into, out DatagramInfo info)
    {
        SysResult received = Socket.ReceiveMessage(new SocketFd(socket.Value), into, MessageFlags.None, out ReceivedMessage message);
        if (!received.IsOk)
        {
            info = default;
            return received.ToIoResult();
        }
        info = new DatagramInfo(
            ToEndpoint(message.Source), ToAddress(message.LocalAddress), message.SegmentSize, message.IsTruncated,
            (byte)Math.Max(0, message.TrafficClass))
        {
            InterfaceIndex = message.InterfaceIndex,
        };
        return received.ToIoResult();
    }

    /// <remarks>The kernel queues an ICMP error about a SYN, and wakes whoever waits, before it gives the connect up, and
    /// keeps it queued where it goes on: the event says "error" in both cases, and SO_ERROR nothing. So the state is asked,
    /// first, since the error is there before the state is closed; what stays queued would make every later event an error.</remarks>
    public static HostError ConnectOutcome(SocketFd socket)
    {
        switch (SocketOptions.GetTcpState(socket))
        {
            case TcpSocketState.TCP_SYN_SENT:
                return TakeError(socket, HostError.InProgress);
            case TcpSocketState.TCP_CLOSE or TcpSocketState.None:
                return TakeError(socket, HostError.Other);
            default:
                while (Socket.ReceiveMessage(socket, [], MessageFlags.MSG_ERRQUEUE, out _).IsOk) { }
                return HostError.None;
        }
    }

    private static HostError TakeError(SocketFd socket, HostError otherwise)
    {
        HostError error = SocketOptions.TakeError(socket).ToHostError();
        return error == HostError.None ? otherwise : error;
    }

    public static bool TryReceiveError(HostSocket socket, Span<byte> quoted, out int quotedLength, out HostIcmpError error)
    {
        SysResult received = Socket.ReceiveMessage(
            new SocketFd(socket.Value), quoted, MessageFlags.MSG_ERRQUEUE, out ReceivedMessage message);
        quotedLength = Math.Max(0, received.Raw);
        error = default;
        if (!received.IsOk) return false;
        ExtendedError e = message.Error;
        error = new HostIcmpError(
            ToEndpoint(message.Source), e.HasOffender ? ToAddress(e.Offender) : IpAddress.Ipv6Any, e.Type, e.Code, e.Info,
            e.Origin is not (ErrorOrigin.SO_EE_ORIGIN_ICMP or ErrorOrigin.SO_EE_ORIGIN_ICMP6));
        return true;
    }

    internal static SocketAddress ToSocketAddress(IpEndpoint endpoint) =>
        new(endpoint.Address.High, endpoint.Address.Low, endpoint.Port);

    internal static IpEndpoint ToEndpoint(in SocketAddress address) => new(ToAddress(address), address.Port);

    private static IpAddress ToAddress(in SocketAddress address) => new(address.High, address.Low);

    private static SocketFamily FamilyOf(IpAddress address) => address.IsIpv4 ? SocketFamily.AF_INET : SocketFamily.AF_INET6;

    private static SocketFamily ToFamily(AddressFamily family) =>
        family == AddressFamily.Ipv6 ? SocketFamily.AF_INET6 : SocketFamily.AF_INET;

    private static void PrepareDatagrams(SocketFd fd, bool ipv6)
    {
        _ = SocketOptions.SetReceiveErrors(fd, ipv6, on: true);
        _ = ipv6 ? SocketOptions.Set(fd, Ipv6Option.IPV6_RECVTCLASS, 1) : SocketOptions.Set(fd, IpOption.IP_RECVTOS, 1);
        _ = SocketOptions.SetPathMtuDiscovery(fd, ipv6, PathMtuDiscovery.IP_PMTUDISC_DONT);
        _ = SocketOptions.Set(fd, SocketOption.SO_RCVBUF, DatagramBuffer);
        _ = SocketOptions.Set(fd, SocketOption.SO_SNDBUF, DatagramBuffer);
        // The guest may broadcast on its own network, but what it sends beyond is unicast.
    }

    private static SocketAddress AnyAddress(bool ipv6) => ipv6 ? SocketAddress.Ipv6Any(0) : SocketAddress.Ipv4Any(0);

    /// <summary>Connects from the outbound address of the destination's family, if one is asked for.</summary>
    private SysResult ConnectFromOutbound(SocketFd fd, IpEndpoint destination)
    {
        if (Scopes.TryGetValue(destination.Address, out string? scope)) return ConnectOnLink(fd, destination, scope);
        if (!Outbound.TryFind(destination, out IpAddress source)) return Socket.Connect(fd, ToSocketAddress(destination));
        // The port is chosen by connect, which needs it to be free for this destination only. IPv6 sockets have it too.
        _ = SocketOptions.Set(fd, IpOption.IP_BIND_ADDRESS_NO_PORT, 1);
        SysResult bound = Socket.Bind(fd, ToSocketAddress(new IpEndpoint(source, 0)));
        if (!bound.IsOk) return bound;
        SysResult connected = Socket.Connect(fd, ToSocketAddress(destination));
        // From there the destination cannot be reached: the source is loopback, or of another scope.
        return connected.Is(Errno.EINVAL) ? SysResult.Failure(Errno.EADDRNOTAVAIL) : connected;
    }

    /// <summary>The kernel chooses the source: an address of the link, which an outbound address is not.</summary>
    private static SysResult ConnectOnLink(SocketFd fd, IpEndpoint destination, string scope)
    {
        SysResult named = Socket.InterfaceIndex(fd, scope);
        uint index = (uint)Math.Max(0, named.Raw);
        if (!named.IsOk && !uint.TryParse(scope, NumberStyles.None, CultureInfo.InvariantCulture, out index)) return named;
        return Socket.Connect(fd, ToSocketAddress(destination) with { ScopeId = index });
    }

    private SocketAddress? SourceOf(in DatagramState state, IpEndpoint destination, IpAddress local)
    {
        if (local.IsAny && !(state.IsUnbound && Outbound.TryFind(destination, out local))) return null;
        return ToSocketAddress(new IpEndpoint(local, 0));
    }

    private IoResult Register(SocketFd fd, SysResult ready, DatagramState state, EventTarget owner, out HostSocket socket)
    {
        socket = HostSocket.None;
        if (!ready.IsOk) return Abandon(fd, ready);
        SysResult added = epoll.Add(fd, AllEdges, owner.Packed);
        if (!added.IsOk) return Abandon(fd, added);
        Remember(fd.Value, state);
        socket = new HostSocket(fd.Value);
        return IoResult.Ok;
    }

    /// <summary>The kernel gives the lowest number that is free, so one in the reserve is the last before it.</summary>
    public bool IsReserved(int fd)
    {
        if (fd < _firstReserved) return false;
        _firstReserved = FirstReserved(); // the limit may be another one by now (prlimit(1))
        return fd >= _firstReserved;
    }

    private static int FirstReserved()
    {
        ulong limit = OpenFileLimit.Soft ?? int.MaxValue;
        return (int)Math.Min(limit - Math.Min(Reserve, limit / 8), int.MaxValue);
    }

    private SysResult Open(SocketFamily family, SocketType type, SocketProtocol protocol = SocketProtocol.Default, int share = 0)
    {
        SysResult opened = Socket.Open(family, type, protocol);
        if (!opened.IsOk || !IsReserved(opened.Raw - share)) return opened;
        Socket.Close(new SocketFd(opened.Raw));
        return SysResult.Failure(Errno.EMFILE);
    }

    private void Remember(int fd, DatagramState state)
    {
        if (fd >= _datagrams.Length) Array.Resize(ref _datagrams, Math.Max(fd + 1, _datagrams.Length * 2));
        _datagrams[fd] = state;
    }

    private IoResult Lack(SysResult opened)
    {
        if (opened.Errno is Errno.EMFILE or Errno.ENFILE) DescriptorsLacked++;
        return opened.ToIoResult();
    }

    private static IoResult Abandon(SocketFd fd, SysResult why)
    {
        Socket.Close(fd);
        return why.ToIoResult();
    }
}
