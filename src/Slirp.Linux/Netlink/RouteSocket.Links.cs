using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Netlink;

/// <summary>An interface as the kernel describes it.</summary>
/// <param name="Index">Its number in its network namespace.</param>
/// <param name="Name">Up to 15 octets.</param>
/// <param name="HardwareAddress">Six octets for Ethernet, the first in the highest of 48 bits; 0 if it has none.</param>
/// <param name="Mtu">IP octets.</param>
/// <param name="TransmitQueueLength">Frames.</param>
/// <param name="Flags">IFF_UP and others.</param>
public sealed record LinkInfo(int Index, string Name, ulong HardwareAddress, int Mtu, int TransmitQueueLength, LinkFlags Flags)
{
    public bool IsUp => (Flags & LinkFlags.IFF_UP) != 0;
    public bool IsLoopback => (Flags & LinkFlags.IFF_LOOPBACK) != 0;
}

// Interfaces: RTM_GETLINK, RTM_SETLINK.
public sealed partial class RouteSocket
{
    /// <returns>Null if there is none of that name.</returns>
    public LinkInfo? FindLink(string name)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_GETLINK, MessageFlag.NLM_F_ACK);
        request.Put(default(ifinfomsg));
        request.Attribute(LinkAttribute.IFLA_IFNAME, name);
        LinkInfo? found = null;
        SysResult result = Ask(request, ref found, static (ref state, type, body) =>
        {
            if (type == MessageType.RTM_NEWLINK) state = ReadLink(body) ?? state;
        });
        if (result.Errno is Errno.ENODEV or Errno.EINVAL or Errno.ERANGE) return null; // EINVAL, ERANGE: no name can be such
        _ = result.OrThrow("RTM_GETLINK", name);
        return found;
    }

    public LinkInfo GetLink(string name) =>
        FindLink(name) ?? throw new LinuxException("RTM_GETLINK", name, Errno.ENODEV, "no interface of that name exists");

    public IReadOnlyList<LinkInfo> ListLinks()
    {
        var request = new NetlinkRequest(stackalloc byte[RequestCapacity], MessageType.RTM_GETLINK, MessageFlag.NLM_F_DUMP);
        request.Put(default(ifinfomsg));
        var links = new List<LinkInfo>();
        _ = Ask(request, ref links, static (ref state, type, body) =>
        {
            if (type == MessageType.RTM_NEWLINK && ReadLink(body) is LinkInfo link) state.Add(link);
        }).OrThrow("RTM_GETLINK", "all interfaces");
        return links;
    }

    public void SetUp(LinkInfo link, bool up)
    {
        NetlinkRequest request = BeginLinkChange(stackalloc byte[RequestCapacity], link, up ? LinkFlags.IFF_UP : 0, LinkFlags.IFF_UP);
        Change(request, up ? "RTM_SETLINK (up)" : "RTM_SETLINK (down)", link.Name);
    }

    /// <summary>Brings an interface up and says of it that it does no multicast.</summary>
    public void SetUpWithoutMulticast(LinkInfo link)
    {
        const LinkFlags changed = LinkFlags.IFF_UP | LinkFlags.IFF_MULTICAST;
        NetlinkRequest request = BeginLinkChange(stackalloc byte[RequestCapacity], link, LinkFlags.IFF_UP, changed);
        Change(request, "RTM_SETLINK (up, no multicast)", link.Name);
    }

    /// <param name="link">The interface.</param>
    /// <param name="mtu">IP octets; a TAP takes 68 to 65521.</param>
    public void SetMtu(LinkInfo link, int mtu)
    {
        NetlinkRequest request = BeginLinkChange(stackalloc byte[RequestCapacity], link);
        request.Attribute(LinkAttribute.IFLA_MTU, (uint)mtu);
        Change(request, $"RTM_SETLINK (mtu {mtu})", link.Name);
    }

    /// <param name="link">The interface; some must be down for this.</param>
    /// <param name="address">Six octets, the first in the highest of 48 bits. Multicast addresses are refused.</param>
    public void SetHardwareAddress(LinkInfo link, ulong address)
    {
        Span<byte> octets = stackalloc byte[8];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(octets, address);
        NetlinkRequest request = BeginLinkChange(stackalloc byte[RequestCapacity], link);
        request.Attribute(LinkAttribute.IFLA_ADDRESS, octets[2..]);
        Change(request, "RTM_SETLINK (address)", link.Name);
    }

    /// <summary>The length of the ring from the interface to whoever reads it, in frames.</summary>
    public void SetTransmitQueueLength(LinkInfo link, int frames)
    {
        NetlinkRequest request = BeginLinkChange(stackalloc byte[RequestCapacity], link);
        request.Attribute(LinkAttribute.IFLA_TXQLEN, (uint)frames);
        Change(request, $"RTM_SETLINK (txqueuelen {frames})", link.Name);
    }

    private static NetlinkRequest BeginLinkChange(Span<byte> buffer, LinkInfo link, LinkFlags flags = 0, LinkFlags change = 0)
    {
        var request = new NetlinkRequest(buffer, MessageType.RTM_SETLINK, MessageFlag.NLM_F_ACK);
        request.Put(new ifinfomsg { ifi_index = link.Index, ifi_flags = (uint)flags, ifi_change = (uint)change });
        return request;
    }

    private static LinkInfo? ReadLink(ReadOnlySpan<byte> body)
    {
        if (body.Length < Unsafe.SizeOf<ifinfomsg>()) return null;
        var header = MemoryMarshal.Read<ifinfomsg>(body);
        string name = "";
        ulong address = 0;
        int mtu = 0, queue = 0;
        var attributes = new AttributeReader(body[Unsafe.SizeOf<ifinfomsg>()..]);
        while (attributes.Next())
        {
            switch ((LinkAttribute)attributes.Type)
            {
                case LinkAttribute.IFLA_IFNAME:
                    name = attributes.Text;
                    break;
                case LinkAttribute.IFLA_MTU:
                    mtu = (int)attributes.Value;
                    break;
                case LinkAttribute.IFLA_TXQLEN:
                    queue = (int)attributes.Value;
                    break;
                case LinkAttribute.IFLA_ADDRESS when attributes.Data.Length == 6:
                    foreach (byte octet in attributes.Data) address = address << 8 | octet;
                    break;
                default: // statistics and the like
                    break;
            }
        }
        return new LinkInfo(header.ifi_index, name, address, mtu, queue, (LinkFlags)header.ifi_flags);
    }
}
