using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>A route.</summary>
/// <param name="Family">AF_INET or AF_INET6.</param>
/// <param name="Destination">Null for a default route.</param>
/// <param name="PrefixLength">0 for a default route.</param>
/// <param name="LinkIndex">The interface it leaves by; 0 if the kernel tells none.</param>
/// <param name="Gateway">Null if the destination is on the link.</param>
/// <param name="Source">The preferred source address, if there is one.</param>
/// <param name="Priority">The metric: the least wins.</param>
/// <param name="Mtu">0 if the route sets none.</param>
/// <param name="Table">254 is the main table.</param>
/// <param name="Kind">RTN_UNICAST and others.</param>
public sealed record RouteInfo(SocketFamily Family, NetAddress? Destination, int PrefixLength, int LinkIndex,
    NetAddress? Gateway, NetAddress? Source, int Priority, int Mtu, int Table, RouteKind Kind)
{
    public bool IsDefault => PrefixLength == 0 && Kind == RouteKind.RTN_UNICAST;
}

// Routes: RTM_NEWROUTE, RTM_GETROUTE.
public sealed partial class RouteSocket
{
    public const int MainTable = 254;
    private const int LocalTable = 255;
    private const byte RTPROT_BOOT = 3;
    private const uint RTM_F_CLONED = 0x200;

    /// <summary>Adds a default route of the gateway's family: IPv4 in front of those with the same metric, which stay (as
    /// SIOCADDRT does); an IPv6 one with the same metric is replaced, or the kernel would use both in turn.</summary>
    /// <param name="link">The interface it leaves by; must be up.</param>
    /// <param name="gateway">An address on that link.</param>
    /// <param name="source">The address to send from where a program does not say.</param>
    /// <param name="mtu">0 leaves it to the interface.</param>
    public void AddDefaultRoute(LinkInfo link, NetAddress gateway, NetAddress? source = null, int mtu = 0) =>
        AddRoute(link, null, 0, gateway, source, mtu);

    /// <summary>Adds a route, as <see cref="AddDefaultRoute"/> says; see <see cref="RouteInfo"/> for the arguments.</summary>
    public void AddRoute(LinkInfo link, NetAddress? destination, int prefixLength, NetAddress? gateway, NetAddress? source = null, int mtu = 0)
    {
        MessageFlag create = MessageFlag.NLM_F_ACK | MessageFlag.NLM_F_CREATE;
        SocketFamily family = (gateway ?? destination ?? source ?? throw new ArgumentException("a route needs a gateway or a destination")).Family;
        if (family == SocketFamily.AF_INET6) create |= MessageFlag.NLM_F_REPLACE;
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_NEWROUTE, create);
        request.Put(new rtmsg
        {
            rtm_family = (byte)family,
            rtm_dst_len = (byte)prefixLength,
            rtm_table = MainTable,
            rtm_protocol = RTPROT_BOOT,
            rtm_scope = (byte)(gateway is null ? RouteScope.RT_SCOPE_LINK : RouteScope.RT_SCOPE_UNIVERSE),
            rtm_type = (byte)RouteKind.RTN_UNICAST,
        });
        if (destination is NetAddress to) request.Attribute(RouteAttribute.RTA_DST, to);
        request.Attribute(RouteAttribute.RTA_OIF, (uint)link.Index);
        if (gateway is NetAddress via) request.Attribute(RouteAttribute.RTA_GATEWAY, via);
        if (source is NetAddress from) request.Attribute(RouteAttribute.RTA_PREFSRC, from);
        if (mtu != 0)
        {
            int metrics = request.BeginNested(RouteAttribute.RTA_METRICS);
            request.Attribute(RouteMetric.RTAX_MTU, (uint)mtu);
            request.EndNested(metrics);
        }
        string target = destination is null ? "default" : $"{destination}/{prefixLength}";
        Change(request, "RTM_NEWROUTE", $"{link.Name} ({target}{(gateway is null ? "" : $" via {gateway}")})", unless: Errno.EEXIST);
    }

    /// <param name="family">AF_INET or AF_INET6.</param>
    /// <returns>The routes of all tables, cached ones excluded.</returns>
    public IReadOnlyList<RouteInfo> ListRoutes(SocketFamily family)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_GETROUTE, MessageFlag.NLM_F_DUMP);
        request.Put(new rtmsg { rtm_family = (byte)family });
        var routes = new List<RouteInfo>();
        _ = Ask(request, ref routes, static (ref state, type, body) =>
        {
            if (type == MessageType.RTM_NEWROUTE && ReadRoute(body) is RouteInfo route) state.Add(route);
        }).OrThrow("RTM_GETROUTE", "all routes");
        return routes;
    }

    /// <summary>The routes by which a packet comes to this very host: an entry for each address of each interface, and
    /// whatever else was declared local (AnyIP), or is answered for as anycast.</summary>
    /// <returns>Nothing where the kernel cannot be asked for one table alone (before Linux 4.20): the others may be huge.</returns>
    public IReadOnlyList<RouteInfo> ListLocalRoutes(SocketFamily family)
    {
        var routes = new List<RouteInfo>();
        if (!SetOption(NETLINK_GET_STRICT_CHK, on: true).IsOk) return routes;
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_GETROUTE, MessageFlag.NLM_F_DUMP);
        request.Put(new rtmsg { rtm_family = (byte)family, rtm_table = LocalTable });
        SysResult result = Ask(request, ref routes, static (ref state, type, body) =>
        {
            if (type != MessageType.RTM_NEWROUTE || ReadRoute(body) is not RouteInfo route) return;
            if (route.Kind is RouteKind.RTN_LOCAL or RouteKind.RTN_ANYCAST) state.Add(route);
        });
        _ = SetOption(NETLINK_GET_STRICT_CHK, on: false);
        // ENOENT: no such table, as on a host without that family.
        if (!result.Is(Errno.ENOENT)) _ = result.OrThrow("RTM_GETROUTE", "the local table");
        return routes;
    }

    private static RouteInfo? ReadRoute(ReadOnlySpan<byte> body)
    {
        if (body.Length < Unsafe.SizeOf<rtmsg>()) return null;
        var header = MemoryMarshal.Read<rtmsg>(body);
        if ((header.rtm_flags & RTM_F_CLONED) != 0) return null;
        NetAddress? destination = null, gateway = null, source = null;
        uint link = 0, priority = 0, mtu = 0, table = header.rtm_table;
        var attributes = new AttributeReader(body[Unsafe.SizeOf<rtmsg>()..]);
        while (attributes.Next())
        {
            switch ((RouteAttribute)attributes.Type)
            {
                case RouteAttribute.RTA_DST when NetAddress.TryRead(attributes.Data, out NetAddress one):
                    destination = one;
                    break;
                case RouteAttribute.RTA_GATEWAY when NetAddress.TryRead(attributes.Data, out NetAddress one):
                    gateway = one;
                    break;
                case RouteAttribute.RTA_PREFSRC when NetAddress.TryRead(attributes.Data, out NetAddress one):
                    source = one;
                    break;
                case RouteAttribute.RTA_OIF:
                    link = attributes.Value;
                    break;
                case RouteAttribute.RTA_PRIORITY:
                    priority = attributes.Value;
                    break;
                case RouteAttribute.RTA_TABLE:
                    table = attributes.Value;
                    break;
                case RouteAttribute.RTA_METRICS:
                    mtu = ReadMtu(attributes.Data);
                    break;
                default: // multipath, preference and the like
                    break;
            }
        }
        return new RouteInfo((SocketFamily)header.rtm_family, destination, header.rtm_dst_len, (int)link, gateway, source,
            (int)priority, (int)mtu, (int)table, (RouteKind)header.rtm_type);
    }

    private static uint ReadMtu(ReadOnlySpan<byte> metrics)
    {
        var reader = new AttributeReader(metrics);
        while (reader.Next())
            if (reader.Type == (ushort)RouteMetric.RTAX_MTU) return reader.Value;
        return 0;
    }
}
