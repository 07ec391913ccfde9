using Slirp.Cli.Options;
using Slirp.Host;
using Slirp.Linux;
using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary>An outbound address that this host does not have.</summary>
internal sealed class OutboundException(string message) : Exception(message);

/// <summary>What must be known of the host's own addresses before anything is touched.</summary>
internal static class HostSide
{
    /// <summary>Finds the outbound addresses, sees that they can be spoken from, and begins to follow the host's addresses.</summary>
    /// <returns>Null where the kernel does not tell addresses and nobody asked for what needs them.</returns>
    /// <exception cref="OutboundException">An outbound address or interface is none of this host's.</exception>
    public static HostAddressWatch? Open(NetworkOptions network, Log log)
    {
        var outbound = new OutboundAddresses(Resolve(network.OutboundAddr, ipv6: false), Resolve(network.OutboundAddr6, ipv6: true));
        foreach (IpAddress address in (IpAddress[])[outbound.Ipv4, outbound.Ipv6])
            if (address.IsLoopback) log.Warning($"from {address} nothing beyond this host can be reached");
        var interfaces = new OutboundInterfaces(InterfaceOf(network.OutboundAddr), InterfaceOf(network.OutboundAddr6));
        try
        {
            return new HostAddressWatch(outbound, interfaces);
        }
        catch (LinuxException e) when (!network.DisableHostLoopback && outbound == OutboundAddresses.Unset)
        {
            // Flows of an address that goes away will end by their own time-outs; nothing else is lost.
            log.Debug($"changes of this host's addresses go unnoticed: {e.Message}");
            return null;
        }
    }

    private static string? InterfaceOf(OutboundSource? source) => (source as OutboundSource.ByInterface)?.Name;

    private static IpAddress Resolve(OutboundSource? source, bool ipv6)
    {
        switch (source)
        {
            case OutboundSource.ByInterface named:
                return AddressOf(named.Name, ipv6);
            case OutboundSource.ByAddress { Address: { IsAny: false } address }:
                RequireBindable(address, ipv6 ? "--outbound-addr6" : "--outbound-addr");
                return address;
            default: // the any-address asks for nothing
                return default;
        }
    }

    private static IpAddress AddressOf(string name, bool ipv6)
    {
        using RouteSocket route = RouteSocket.Open();
        IpAddress? found = HostAddressWatch.FindAddressOf(route, name, ipv6 ? SocketFamily.AF_INET6 : SocketFamily.AF_INET);
        if (found is IpAddress address) return address;
        string why = route.FindLink(name) is null ? "this host has no such interface"
            : ipv6 ? "it has no IPv6 address that reaches beyond its link and is in use (tentative and deprecated ones are not)"
            : "it has no IPv4 address";
        throw new OutboundException($"{(ipv6 ? OutboundSource.InvalidIpv6 : OutboundSource.InvalidIpv4)}\n{name}: {why}");
    }

    private static void RequireBindable(IpAddress address, string option)
    {
        string? fault = address.IsMulticast || address.IsIpv4 && address.Ipv4.IsBroadcast ? "no host sends from such an address"
            : !address.IsIpv4 && address.IsLinkLocal ? "a link-local address reaches nobody beyond its link; name a global one"
            : null;
        if (fault is null && TryBind(address) is Errno errno and not Errno.None)
        {
            fault = errno == Errno.EADDRNOTAVAIL
                ? "not an address of this host, or not in use yet; 'ip address' shows which there are, and an interface's name is taken too"
                : errno.Describe();
        }
        if (fault is not null) throw new OutboundException($"{option}={address}: {fault}");
    }

    private static Errno TryBind(IpAddress address)
    {
        SysResult opened = Socket.Open(address.IsIpv4 ? SocketFamily.AF_INET : SocketFamily.AF_INET6, SocketType.SOCK_DGRAM);
        if (!opened.IsOk) return opened.Errno;
        var socket = new SocketFd(opened.Raw);
        SysResult bound = Socket.Bind(socket, new SocketAddress(address.High, address.Low, 0));
        Socket.Close(socket);
        return bound.Errno;
    }
}
