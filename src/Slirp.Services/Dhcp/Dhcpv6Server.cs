using System.Buffers.Binary;
using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Services.Dhcp;

/// <summary>Tells resolver and search list to guests that ask by DHCPv6, and that there are no addresses to be had that
/// way (RFC 8415 section 18.3).</summary>
/// <remarks>
/// <para>Stateless: an answer depends on the question and the configuration alone. Addresses come by SLAAC. A client that
/// insists on an address or a prefix is told at once that there is none, where silence would keep it asking.</para>
/// <para>Invariants: a message that RFC 8415 section 16 has a server discard gets no answer; a reply repeats from the
/// question the client's identifier and the numbers of its identity associations, and nothing else.</para>
/// <para>Limits: <see cref="MaxAssociations"/> identity associations a message; no relays, no reconfigure.</para>
/// </remarks>
public sealed class Dhcpv6Server<TWorld> where TWorld : struct, IWorld
{
    private const int MaxAssociations = 16;
    private const int MaxLength = 1280 - Ipv6Builder.HeaderLength - UdpBuilder.HeaderLength;
    private const uint RefreshSeconds = 86_400; // IRT_DEFAULT
    private const ushort Success = 0, NoAddrsAvail = 2, NoBinding = 3, NoPrefixAvail = 6;
    private const Dhcpv6OptionCode TemporaryAssociation = (Dhcpv6OptionCode)4, PrefixAssociation = (Dhcpv6OptionCode)25;

    private readonly FrameSender<TWorld> _sender;
    private readonly NetworkPlan _plan;
    private readonly Counters _counters;
    private readonly byte[] _serverId = new byte[Dhcpv6Builder.LinkLayerDuidLength];
    private string[] _searchDomains;

    public Dhcpv6Server(FrameSender<TWorld> sender, NetworkPlan plan, ResolverConfiguration resolvers, Counters counters)
    {
        _sender = sender;
        _plan = plan;
        _counters = counters;
        _searchDomains = [.. resolvers.SearchDomains];
        Dhcpv6Builder.WriteLinkLayerDuid(_serverId, plan.OurMac);
    }

    /// <summary>All_DHCP_Relay_Agents_and_Servers: ff02::1:2.</summary>
    public static IpAddress AllServers => new(0xff02_0000_0000_0000, 0x1_0002);

    public void UpdateResolvers(ResolverConfiguration resolvers) => _searchDomains = [.. resolvers.SearchDomains];

    /// <summary>A datagram to port 547 of <see cref="AllServers"/>.</summary>
    public void OnDatagram(in LocalDatagram datagram, ReadOnlySpan<byte> payload)
    {
        IpAddress from = datagram.Source.Address;
        bool isHonest = !from.IsAny && !from.IsMulticast && _plan.IsOnLink(from) && !_plan.IsOurs(from);
        if (!isHonest || !Dhcpv6View.TryParse(payload, out Dhcpv6View message) || !TryAnswer(datagram, message))
            _counters.Drop(DropReason.BadDhcpv6);
    }

    /// <returns>False if the message is one to discard.</returns>
    private bool TryAnswer(in LocalDatagram datagram, in Dhcpv6View message)
    {
        bool hasClient = !message.ClientId.IsEmpty;
        bool hasServer = message.TryFindOption(Dhcpv6OptionCode.ServerId, out ReadOnlySpan<byte> server);
        bool isOurs = hasServer && server.SequenceEqual(_serverId);
        // Section 16: who must have named itself, and whom it must have named.
        switch (message.MessageType)
        {
            case Dhcpv6MessageType.InformationRequest:
                if ((hasServer && !isOurs) || HasAssociation(message)) return false;
                Reply(datagram, message, Dhcpv6MessageType.Reply, associationStatus: null);
                return true;
            case Dhcpv6MessageType.Solicit:
                if (!hasClient || hasServer) return false;
                Reply(datagram, message, Dhcpv6MessageType.Advertise, NoAddrsAvail);
                return true;
            case Dhcpv6MessageType.Request:
                if (!hasClient || !isOurs) return false;
                Reply(datagram, message, Dhcpv6MessageType.Reply, NoAddrsAvail);
                return true;
            case Dhcpv6MessageType.Renew:
                if (!hasClient || !isOurs) return false;
                Reply(datagram, message, Dhcpv6MessageType.Reply, NoBinding);
                return true;
            case Dhcpv6MessageType.Rebind:
                if (!hasClient || hasServer) return false;
                Reply(datagram, message, Dhcpv6MessageType.Reply, NoBinding);
                return true;
            case Dhcpv6MessageType.Release or Dhcpv6MessageType.Decline:
                if (!hasClient || !isOurs) return false;
                Reply(datagram, message, Dhcpv6MessageType.Reply, NoBinding);
                return true;
            default:
                return false; // Confirm too: section 18.3.3 has a server that knows nothing of the addresses be silent.
        }
    }

    private static bool HasAssociation(in Dhcpv6View message)
    {
        Dhcpv6OptionReader options = message.Options;
        while (options.TryRead(out Dhcpv6OptionCode code, out _))
            if (IsAssociation(code)) return true;
        return false;
    }

    private static bool IsAssociation(Dhcpv6OptionCode code) =>
        code is Dhcpv6OptionCode.IdentityAssociation or TemporaryAssociation or PrefixAssociation;

    /// <param name="associationStatus">What to say of each association the client named; null for a mere request for
    /// information.</param>
    private void Reply(in LocalDatagram datagram, in Dhcpv6View request, Dhcpv6MessageType type, ushort? associationStatus)
    {
        Span<byte> buffer = stackalloc byte[MaxLength];
        var builder = new Dhcpv6Builder(buffer, type, request.TransactionId);
        builder.AddOctets(Dhcpv6OptionCode.ServerId, _serverId);
        if (!request.ClientId.IsEmpty) builder.AddOctets(Dhcpv6OptionCode.ClientId, request.ClientId);
        if (associationStatus is ushort status)
        {
            // Sections 18.3.7 and 18.3.8: a farewell has succeeded even if there was nothing to give back.
            if (request.MessageType is Dhcpv6MessageType.Release or Dhcpv6MessageType.Decline) AddStatus(ref builder, Success);
            AddAssociations(ref builder, request, status);
        }
        else
        {
            builder.AddUInt32(Dhcpv6OptionCode.InformationRefreshTime, RefreshSeconds);
        }
        if (_plan.EnableDns) builder.AddAddresses(Dhcpv6OptionCode.DnsServers, [_plan.Dns6]);
        ReadOnlySpan<string> domains = _searchDomains;
        while (!domains.IsEmpty && !builder.AddDomainList(domains)) domains = domains[..^1];

        IpAddress from = datagram.Source.Address.IsLinkLocal ? _plan.GatewayLinkLocal : _plan.Gateway6;
        _sender.SendUdp(
            datagram.SourceMac, new IpEndpoint(from, Dhcpv6View.ServerPort),
            new IpEndpoint(datagram.Source.Address, Dhcpv6View.ClientPort), buffer[..builder.Length], 0, 0);
    }

    /// <summary>Each association the client named, empty but for its status.</summary>
    private static void AddAssociations(ref Dhcpv6Builder builder, in Dhcpv6View request, ushort status)
    {
        const int identifierLength = 4, timesLength = 8, statusLength = 6;
        Span<byte> association = stackalloc byte[identifierLength + timesLength + statusLength];
        Dhcpv6OptionReader options = request.Options;
        for (int count = 0; count < MaxAssociations && options.TryRead(out Dhcpv6OptionCode code, out ReadOnlySpan<byte> value);)
        {
            if (!IsAssociation(code) || value.Length < identifierLength) continue;
            bool isPrefix = code == PrefixAssociation;
            int fixedLength = code == TemporaryAssociation ? identifierLength : identifierLength + timesLength;
            association.Clear(); // T1 and T2 of zero: the client's choice
            value[..identifierLength].CopyTo(association);
            BinaryPrimitives.WriteUInt16BigEndian(association[fixedLength..], (ushort)Dhcpv6OptionCode.StatusCode);
            BinaryPrimitives.WriteUInt16BigEndian(association[(fixedLength + 2)..], sizeof(ushort));
            BinaryPrimitives.WriteUInt16BigEndian(
                association[(fixedLength + 4)..], isPrefix && status == NoAddrsAvail ? NoPrefixAvail : status);
            builder.AddOctets(code, association[..(fixedLength + statusLength)]);
            count++;
        }
    }

    private static void AddStatus(ref Dhcpv6Builder builder, ushort status)
    {
        Span<byte> value = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(value, status);
        builder.AddOctets(Dhcpv6OptionCode.StatusCode, value);
    }
}
