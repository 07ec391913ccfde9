using System.Collections.Immutable;
using Slirp.Wire;

namespace Slirp.Cli.Options;

/// <summary>What network the guest gets and what it may reach; the same for attach and run.</summary>
/// <param name="Mtu">68 (RFC 791 section 3.2) to 65521, IP octets.</param>
/// <param name="EnableIpv6">Asked for and possible: false when <paramref name="Mtu"/> is below 1280.</param>
/// <param name="MacAddress">A unicast address for the guest's interface, or null for one the kernel chooses.</param>
public sealed record NetworkOptions(int Mtu, bool EnableIpv6, Ipv4Cidr Cidr, MacAddress? MacAddress)
{
    public static NetworkOptions Default { get; } = new(1500, EnableIpv6: false, Ipv4Cidr.Default, MacAddress: null);

    public bool DisableHostLoopback { get; init; }

    public bool DisableDns { get; init; }

    public OutboundSource? OutboundAddr { get; init; }

    public OutboundSource? OutboundAddr6 { get; init; }

    /// <summary>In the order of the command line.</summary>
    public ImmutableArray<PublishRule> Publish { get; init; } = [];

    /// <summary>Closed under what depends on what: see <see cref="OffloadList"/>.</summary>
    public Offload NoOffload { get; init; }
}
