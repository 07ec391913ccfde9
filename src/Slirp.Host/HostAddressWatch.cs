using Slirp.Core.Network;
using Slirp.Linux;
using Slirp.Linux.Netlink;
using Slirp.Linux.Sockets;
using Slirp.Wire;

namespace Slirp.Host;

/// <summary>An interface of the host for each family whose address the guest's traffic shall leave from, or null.</summary>
public readonly record struct OutboundInterfaces(string? Ipv4, string? Ipv6);

/// <summary>Follows the addresses of the host: which there are, and which of them is to be spoken from.</summary>
/// <remarks>
/// <para><b>Model.</b> The kernel tells that something changed, and then everything is asked for anew: addresses of all
/// interfaces, and what the local routing table holds besides. Only a different answer is reported. The thread that
/// opens it must be in the host's network namespace; the sockets stay there.</para>
/// <para><b>Outbound interfaces.</b> The address chosen at start is kept while the host has it. When it is gone the interface's
/// next one is taken; while there is none the old one stays, so that nothing leaves from elsewhere.</para>
/// <para><b>Limits.</b> A local route without an address (AnyIP) that is added while we run is seen with the next
/// change of an address.</para>
/// </remarks>
public sealed class HostAddressWatch : IDisposable
{
    private readonly AddressWatch _watch;
    private readonly RouteSocket _route;
    private readonly OutboundInterfaces _interfaces;

    /// <param name="outbound">As chosen at start.</param>
    /// <param name="interfaces">Where those that came from an interface came from.</param>
    /// <exception cref="LinuxException">There is no netlink here.</exception>
    public HostAddressWatch(OutboundAddresses outbound = default, OutboundInterfaces interfaces = default)
    {
        (Outbound, _interfaces) = (outbound, interfaces);
        _watch = AddressWatch.Open(); // before the first look, so that nothing falls between
        try
        {
            _route = RouteSocket.Open();
            Current = Read();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public NetlinkFd Fd => _watch.Fd;

    public HostAddresses Current { get; private set; }

    public OutboundAddresses Outbound { get; private set; }

    /// <summary>The kernel could not answer when something had changed (it had no memory): to be asked again in a moment.</summary>
    public bool IsBehind { get; private set; }

    /// <summary>Takes in what happened.</summary>
    /// <returns>True if <see cref="Current"/> or <see cref="Outbound"/> is another one now.</returns>
    public bool TryUpdate()
    {
        if (!_watch.TakeEvents() && !IsBehind) return false;
        try
        {
            IsBehind = false;
            return Update();
        }
        catch (LinuxException)
        {
            IsBehind = true;
            return false;
        }
    }

    private bool Update()
    {
        HostAddresses read = Read();
        bool isSame = read.IsSameAs(Current);
        Current = read;
        OutboundAddresses outbound = Outbound with
        {
            Ipv4 = Follow(_interfaces.Ipv4, SocketFamily.AF_INET, Outbound.Ipv4),
            Ipv6 = Follow(_interfaces.Ipv6, SocketFamily.AF_INET6, Outbound.Ipv6),
        };
        isSame &= outbound == Outbound;
        Outbound = outbound;
        return !isSame;
    }

    /// <summary>The address to send from by way of an interface: the first that reaches furthest and is in use.</summary>
    /// <returns>Null if it has none of that family that reaches beyond its link.</returns>
    public static IpAddress? FindAddressOf(RouteSocket route, string interfaceName, SocketFamily family)
    {
        if (route.FindAddressOf(interfaceName, family) is not NetAddress address) return null;
        var found = new IpAddress(address.High, address.Low);
        return !found.IsIpv4 && found.IsLinkLocal ? null : found;
    }

    public void Dispose()
    {
        _watch.Dispose();
        _route?.Dispose();
    }

    private IpAddress Follow(string? interfaceName, SocketFamily family, IpAddress chosen) =>
        interfaceName is null || Current.Contains(chosen) ? chosen : FindAddressOf(_route, interfaceName, family) ?? chosen;

    private HostAddresses Read()
    {
        var prefixes = new List<HostPrefix>();
        foreach (AddressInfo one in _route.ListAddresses())
        {
            IpAddress address = ToIpAddress(one.Address);
            prefixes.Add(new HostPrefix(address, address.Length * 8));
        }
        AddLocalRoutes(SocketFamily.AF_INET, prefixes);
        AddLocalRoutes(SocketFamily.AF_INET6, prefixes);
        return new HostAddresses(prefixes);
    }

    private void AddLocalRoutes(SocketFamily family, List<HostPrefix> prefixes)
    {
        foreach (RouteInfo route in _route.ListLocalRoutes(family))
            if (route.Destination is NetAddress network) prefixes.Add(new HostPrefix(ToIpAddress(network), route.PrefixLength));
    }

    private static IpAddress ToIpAddress(NetAddress address) => new(address.High, address.Low);
}
