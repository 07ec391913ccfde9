using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Netlink;

/// <summary>An address of an interface.</summary>
public sealed record AddressInfo(int LinkIndex, NetAddress Address, int PrefixLength, RouteScope Scope, AddressFlags Flags);

// Addresses: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR.
public sealed partial class RouteSocket
{
    /// <summary>Adds an address, or changes the flags of one that is there.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="address">IPv4 or IPv6.</param>
    /// <param name="prefixLength">Its network's; the kernel adds the route to that network.</param>
    /// <param name="broadcast">IPv4 only.</param>
    /// <param name="flags">IFA_F_NODAD makes an IPv6 address usable at once.</param>
    public void AddAddress(LinkInfo link, NetAddress address, int prefixLength, NetAddress? broadcast = null, AddressFlags flags = AddressFlags.None)
    {
        const MessageFlag create = MessageFlag.NLM_F_ACK | MessageFlag.NLM_F_CREATE | MessageFlag.NLM_F_REPLACE;
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_NEWADDR, create);
        request.Put(new ifaddrmsg
        {
            ifa_family = (byte)address.Family,
            ifa_prefixlen = (byte)prefixLength,
            ifa_scope = (byte)(address.IsLinkLocal ? RouteScope.RT_SCOPE_LINK : RouteScope.RT_SCOPE_UNIVERSE),
            ifa_index = (uint)link.Index,
        });
        request.Attribute(AddressAttribute.IFA_LOCAL, address);
        request.Attribute(AddressAttribute.IFA_ADDRESS, address);
        if (broadcast is NetAddress all) request.Attribute(AddressAttribute.IFA_BROADCAST, all);
        if (flags != AddressFlags.None) request.Attribute(AddressAttribute.IFA_FLAGS, (uint)flags);
        Change(request, "RTM_NEWADDR", $"{link.Name} ({address}/{prefixLength})", address.IsIpv4 ? null : "IPv6 may be switched off (net.ipv6.conf.*.disable_ipv6)");
    }

    /// <summary>Takes an address away, and with a primary IPv4 one those of its network that came after it.</summary>
    public void RemoveAddress(LinkInfo link, NetAddress address, int prefixLength)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_DELADDR, MessageFlag.NLM_F_ACK);
        request.Put(new ifaddrmsg { ifa_family = (byte)address.Family, ifa_prefixlen = (byte)prefixLength, ifa_index = (uint)link.Index });
        request.Attribute(AddressAttribute.IFA_LOCAL, address);
        Change(request, "RTM_DELADDR", $"{link.Name} ({address}/{prefixLength})", unless: Errno.EADDRNOTAVAIL);
    }

    /// <param name="family">AF_UNSPEC for both.</param>
    public IReadOnlyList<AddressInfo> ListAddresses(SocketFamily family = SocketFamily.AF_UNSPEC)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_GETADDR, MessageFlag.NLM_F_DUMP);
        request.Put(new ifaddrmsg { ifa_family = (byte)family });
        var addresses = new List<AddressInfo>();
        _ = Ask(request, ref addresses, static (ref state, type, body) =>
        {
            if (type == MessageType.RTM_NEWADDR && ReadAddress(body) is AddressInfo address) state.Add(address);
        }).OrThrow("RTM_GETADDR", "all interfaces");
        return addresses;
    }

    /// <summary>The address to use of an interface: the first that reaches furthest and is not on its way in or out.</summary>
    /// <returns>Null if it has none of that family.</returns>
    public NetAddress? FindAddressOf(string linkName, SocketFamily family)
    {
        LinkInfo? link = FindLink(linkName);
        if (link is null) return null;
        const AddressFlags unusable = AddressFlags.IFA_F_TENTATIVE | AddressFlags.IFA_F_DADFAILED | AddressFlags.IFA_F_DEPRECATED;
        AddressInfo? best = null;
        foreach (AddressInfo one in ListAddresses(family))
        {
            if (one.LinkIndex != link.Index || one.Address.Family != family || (one.Flags & unusable) != 0) continue;
            if (best is null || one.Scope < best.Scope) best = one;
        }
        return best?.Address;
    }

    private static AddressInfo? ReadAddress(ReadOnlySpan<byte> body)
    {
        if (body.Length < Unsafe.SizeOf<ifaddrmsg>()) return null;
        var header = MemoryMarshal.Read<ifaddrmsg>(body);
        NetAddress? address = null, local = null;
        uint flags = header.ifa_flags;
        var attributes = new AttributeReader(body[Unsafe.SizeOf<ifaddrmsg>()..]);
        while (attributes.Next())
        {
            switch ((AddressAttribute)attributes.Type)
            {
                case AddressAttribute.IFA_ADDRESS when NetAddress.TryRead(attributes.Data, out NetAddress one):
                    address = one;
                    break;
                case AddressAttribute.IFA_LOCAL when NetAddress.TryRead(attributes.Data, out NetAddress one):
                    local = one; // on a point-to-point interface IFA_ADDRESS is the other end
                    break;
                case AddressAttribute.IFA_FLAGS:
                    flags = attributes.Value;
                    break;
                default: // lifetimes and the like
                    break;
            }
        }
        return (local ?? address) is NetAddress own
            ? new AddressInfo((int)header.ifa_index, own, header.ifa_prefixlen, (RouteScope)header.ifa_scope, (AddressFlags)flags)
            : null;
    }
}
