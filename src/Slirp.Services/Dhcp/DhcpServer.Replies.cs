using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Services.Dhcp;

public sealed partial class DhcpServer<TWorld> where TWorld : struct, IWorld
{
    private const int IpAndUdpLength = 28;
    private const int MinReplyLimit = 576 - IpAndUdpLength; // RFC 2131 section 2: every client takes that much
    private const int MaxReplyLimit = 1500 - IpAndUdpLength;

    /// <param name="yiaddr">The client's address; none in a refusal and in the answer to an inform.</param>
    private void Reply(in LocalDatagram datagram, in DhcpView request, DhcpMessageType type, Ipv4Address yiaddr)
    {
        bool isNak = type == DhcpMessageType.Nak;
        Ipv4Address ciaddr = type == DhcpMessageType.Ack ? request.Ciaddr : default;
        // RFC 2131 section 4.3.2: a relay is told to broadcast a refusal, since its client may have no address.
        bool isBroadcast = request.IsBroadcast || (isNak && !request.Giaddr.IsAny);
        Span<byte> buffer = stackalloc byte[MaxReplyLimit];
        int limit = Math.Clamp(Math.Min(request.MaxMessageSize, _plan.Mtu) - IpAndUdpLength, MinReplyLimit, MaxReplyLimit);
        var builder = new DhcpBuilder(buffer[..limit], new DhcpFields(
            DhcpOperation.BootReply, request.Xid, Secs: 0, isBroadcast, ciaddr, yiaddr, Siaddr: default, request.Giaddr,
            request.Chaddr));
        builder.AddMessageType(type);
        builder.AddAddress(DhcpOptionCode.ServerIdentifier, _plan.Gateway);
        ReadOnlySpan<byte> identifier = request.ClientIdentifier;
        if (!identifier.IsEmpty) builder.AddOctets(DhcpOptionCode.ClientIdentifier, identifier); // RFC 6842 section 3
        if (!isNak) AddSettings(ref builder, hasLease: !yiaddr.IsAny);
        int length = builder.Finish();

        (MacAddress to, IpEndpoint destination) = Destination(datagram, request, isNak, ciaddr, yiaddr);
        _sender.SendUdp(to, new IpEndpoint(_plan.Gateway, DhcpView.ServerPort), destination, buffer[..length], 0, 0);
    }

    /// <summary>Most important first: what does not fit is left out.</summary>
    private void AddSettings(ref DhcpBuilder builder, bool hasLease)
    {
        if (hasLease)
        {
            builder.AddUInt32(DhcpOptionCode.LeaseTime, LeaseSeconds);
            builder.AddUInt32(DhcpOptionCode.RenewalTime, LeaseSeconds / 2);
            builder.AddUInt32(DhcpOptionCode.RebindingTime, LeaseSeconds / 8 * 7);
        }
        builder.AddAddress(DhcpOptionCode.SubnetMask, _plan.Netmask); // before the router (RFC 2132 section 3.3)
        builder.AddAddress(DhcpOptionCode.Router, _plan.Gateway);
        if (_plan.EnableDns) builder.AddAddress(DhcpOptionCode.DomainNameServer, _plan.Dns);
        builder.AddAddress(DhcpOptionCode.BroadcastAddress, _plan.SubnetBroadcast);
        if (_plan.Mtu >= 68) builder.AddUInt16(DhcpOptionCode.InterfaceMtu, (ushort)Math.Min(_plan.Mtu, ushort.MaxValue));
        if (_searchDomains.Length == 0) return;
        builder.AddText(DhcpOptionCode.DomainName, _searchDomains[0]);
        ReadOnlySpan<string> domains = _searchDomains;
        while (!domains.IsEmpty && !builder.AddDomainSearch(domains)) domains = domains[..^1];
    }

    /// <summary>RFC 2131 section 4.1: the relay, else everybody for a refusal, else the address the client has, else
    /// everybody if the client says that it needs that, else the address it is getting.</summary>
    private static (MacAddress To, IpEndpoint Destination) Destination(
        in LocalDatagram datagram, in DhcpView request, bool isNak, Ipv4Address ciaddr, Ipv4Address yiaddr)
    {
        if (!request.Giaddr.IsAny) return (datagram.SourceMac, new IpEndpoint(request.Giaddr, DhcpView.ServerPort));
        if (!isNak && !ciaddr.IsAny) return (request.Chaddr, new IpEndpoint(ciaddr, DhcpView.ClientPort));
        return isNak || request.IsBroadcast
            ? (MacAddress.Broadcast, new IpEndpoint(Ipv4Address.Broadcast, DhcpView.ClientPort))
            : (request.Chaddr, new IpEndpoint(yiaddr, DhcpView.ClientPort));
    }
}
