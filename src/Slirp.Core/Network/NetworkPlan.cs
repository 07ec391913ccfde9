using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>The addresses of the little network between us and the guest. Immutable; made once from the options.</summary>
/// <remarks>Defaults are slirp4netns's: base .2 gateway, .3 DNS, .15 to .30 DHCP, .100 guest; fd00::/64 with fd00::2,
/// fd00::3 and the link-local fe80::2.</remarks>
public sealed record NetworkPlan
{
    public required Ipv4Address Network { get; init; }
    public required int PrefixLength { get; init; }
    public required int Mtu { get; init; }
    public required MacAddress OurMac { get; init; }

    /// <summary>The TAP's own hardware address: where frames go until the guest has spoken.</summary>
    public required MacAddress GuestMac { get; init; }

    public bool EnableIpv6 { get; init; }
    public bool EnableDns { get; init; } = true;

    /// <summary>The gateway addresses stand for the host's loopback.</summary>
    public bool EnableHostLoopback { get; init; } = true;

    public Ipv4Address Netmask => new(PrefixLength == 0 ? 0 : uint.MaxValue << 32 - PrefixLength);
    public Ipv4Address SubnetBroadcast => new(Network.Value | ~Netmask.Value);
    public Ipv4Address Gateway => new(Network.Value + 2);
    public Ipv4Address Dns => new(Network.Value + 3);
    public Ipv4Address DhcpFirst => new(Network.Value + 15);
    public Ipv4Address DhcpLast => new(Network.Value + 30);
    public Ipv4Address Guest => new(Network.Value + 100);

    public IpAddress Prefix6 { get; init; } = IpAddress.Parse("fd00::");
    public int PrefixLength6 { get; } = 64;
    public IpAddress Gateway6 => Prefix6 with { Low = 2 };
    public IpAddress Dns6 => Prefix6 with { Low = 3 };
    public IpAddress GatewayLinkLocal { get; } = new(0xfe80_0000_0000_0000, 2);

    public bool IsOnLink(Ipv4Address address) => (address.Value & Netmask.Value) == Network.Value;

    public bool IsOnLink(IpAddress address) =>
        address.IsIpv4 ? IsOnLink(address.Ipv4) : address.IsLinkLocal || address.High == Prefix6.High;

    /// <summary>The gateway, by any of its addresses.</summary>
    public bool IsGateway(IpAddress address) =>
        address.IsIpv4 ? address.Ipv4 == Gateway : address == Gateway6 || address == GatewayLinkLocal;

    /// <summary>The gateway's address of the same family, in whose name errors are sent.</summary>
    public IpAddress GatewayFor(IpAddress address) =>
        address.IsIpv4 ? Gateway : address.IsLinkLocal ? GatewayLinkLocal : Gateway6;

    /// <summary>The DNS forwarder, by either of its addresses.</summary>
    public bool IsDns(IpAddress address) => address.IsIpv4 ? address.Ipv4 == Dns : address == Dns6;

    /// <summary>An address that this process itself answers for.</summary>
    public bool IsOurs(IpAddress address) => IsGateway(address) || IsDns(address);
}
