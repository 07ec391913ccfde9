using Slirp.Linux;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>The sockets of one forward: opened on the thread that asks for it, all or none, and closed there.</summary>
internal static class ForwardSockets
{
    // A client that is gone without a word would hold its connection, and the guest's server, for ever.
    private static readonly TimeSpan ClientIdle = TimeSpan.FromMinutes(5);

    /// <summary>What the kernel keeps for us while the loop is busy; it takes net.core.somaxconn at most.</summary>
    private const int Backlog = 4096;

    private const int DatagramBuffer = 1 << 20;

    /// <param name="request">Gets the port that the kernel chose.</param>
    /// <returns>The problem, or default if every port is bound.</returns>
    public static ForwardResult Open(ref ForwardRequest request, out SocketFd[] sockets)
    {
        sockets = new SocketFd[request.Count];
        for (int i = 0; i < sockets.Length; i++)
        {
            IpEndpoint endpoint = request.BoundAt(i);
            SysResult opened = request.Protocol == IpProtocol.Tcp ? OpenListener(endpoint) : OpenDatagrams(endpoint);
            if (opened.IsOk)
            {
                sockets[i] = new SocketFd(opened.Raw);
                continue;
            }
            Close(sockets.AsSpan(0, i));
            return ForwardResult.Failed(Explain(request, endpoint, opened.Errno, i), opened.Errno);
        }
        if (request.HostPort == 0 && Socket.LocalAddress(sockets[0], out SocketAddress chosen).IsOk)
            request = request with { HostPort = chosen.Port };
        return default;
    }

    public static void Close(ReadOnlySpan<SocketFd> sockets)
    {
        foreach (SocketFd socket in sockets) Socket.Close(socket);
    }

    private static SysResult OpenListener(IpEndpoint endpoint)
    {
        SysResult opened = Open(endpoint, SocketType.SOCK_STREAM);
        if (!opened.IsOk) return opened;
        var socket = new SocketFd(opened.Raw);
        // Connections of an earlier run may still be in TIME-WAIT on this port. Another listener is refused all the same.
        _ = SocketOptions.Set(socket, SocketOption.SO_REUSEADDR, 1);
        HostSockets.KeepAlive(socket, ClientIdle); // what it accepts inherits it
        return Finish(socket, Socket.Bind(socket, HostSockets.ToSocketAddress(endpoint)), Backlog);
    }

    private static SysResult OpenDatagrams(IpEndpoint endpoint)
    {
        SysResult opened = Open(endpoint, SocketType.SOCK_DGRAM);
        if (!opened.IsOk) return opened;
        var socket = new SocketFd(opened.Raw);
        bool ipv6 = !endpoint.Address.IsIpv4;
        // An answer leaves from the address that was asked.
        if (endpoint.Address.IsAny) _ = SocketOptions.SetReceivePacketInfo(socket, ipv6, on: true);
        _ = ipv6 ? SocketOptions.Set(socket, Ipv6Option.IPV6_RECVTCLASS, 1) : SocketOptions.Set(socket, IpOption.IP_RECVTOS, 1);
        _ = SocketOptions.SetPathMtuDiscovery(socket, ipv6, PathMtuDiscovery.IP_PMTUDISC_DONT);
        _ = SocketOptions.Set(socket, SocketOption.SO_RCVBUF, DatagramBuffer);
        _ = SocketOptions.Set(socket, SocketOption.SO_SNDBUF, DatagramBuffer);
        _ = SocketOptions.Set(socket, UdpOption.UDP_GRO, 1); // kernels before 5.0 deliver one by one
        return Finish(socket, Socket.Bind(socket, HostSockets.ToSocketAddress(endpoint)), backlog: 0);
    }

    private static SysResult Open(IpEndpoint endpoint, SocketType type)
    {
        bool ipv6 = !endpoint.Address.IsIpv4;
        SysResult opened = Socket.Open(ipv6 ? SocketFamily.AF_INET6 : SocketFamily.AF_INET, type);
        // So that 0.0.0.0 and :: can be forwarded side by side, whatever net.ipv6.bindv6only says.
        if (opened.IsOk && ipv6) _ = SocketOptions.Set(new SocketFd(opened.Raw), Ipv6Option.IPV6_V6ONLY, 1);
        return opened;
    }

    private static SysResult Finish(SocketFd socket, SysResult ready, int backlog)
    {
        // Two sockets with SO_REUSEADDR may bind one port; it is listen that refuses the second.
        if (ready.IsOk && backlog > 0) ready = Socket.Listen(socket, backlog);
        if (ready.IsOk) return new SysResult(socket.Value);
        Socket.Close(socket);
        return ready;
    }

    private static string Explain(ForwardRequest request, IpEndpoint endpoint, Errno errno, int opened)
    {
        string what = $"{endpoint}/{(request.Protocol == IpProtocol.Tcp ? "tcp" : "udp")}";
        return errno switch
        {
            Errno.EADDRINUSE => $"{what}: address already in use",
            Errno.EACCES or Errno.EPERM when endpoint.Port is > 0 and < 1024 =>
                $"{what}: a privileged port; set the sysctl net.ipv4.ip_unprivileged_port_start to {endpoint.Port} or lower, " +
                "or give the program the capability CAP_NET_BIND_SERVICE",
            Errno.EADDRNOTAVAIL => $"{what}: not an address of this host",
            Errno.EAFNOSUPPORT => $"{what}: this host has no {(endpoint.Address.IsIpv4 ? "IPv4" : "IPv6")}",
            Errno.EMFILE => $"{what}: no descriptor left after {opened} of {request.Count} ports; raise the limit of open files (ulimit -n)",
            Errno.ENFILE => $"{what}: the system has no descriptor left (sysctl fs.file-max)",
            _ => $"{what}: {errno.Describe()}",
        };
    }
}
