using Slirp.Wire;

namespace Slirp.Cli.Options;

/// <summary>Where connections to the outside leave from: an address of the host, or whatever address an interface of
/// the host has. Whether the host has either is found out at run time.</summary>
public abstract record OutboundSource
{
    public sealed record ByAddress(IpAddress Address) : OutboundSource;

    public sealed record ByInterface(string Name) : OutboundSource;

    public const string InvalidIpv4 = "outbound-addr has to be valid ipv4 address or interface name.";

    public const string InvalidIpv6 = "outbound-addr6 has to be valid ipv6 address or interface name.";

    /// <param name="problem"><see cref="InvalidIpv4"/>, <see cref="InvalidIpv6"/> or null.</param>
    public static OutboundSource? Parse(string text, bool ipv6, out string? problem)
    {
        problem = null;
        // A mapped IPv6 address is an IPv4 one in disguise and would bind in the wrong family.
        bool isAddress = IpAddress.TryParse(text, out IpAddress address);
        bool isMapped = isAddress && address.IsIpv4 && text.Contains(':', StringComparison.Ordinal);
        if (isAddress && !isMapped && address.IsIpv4 != ipv6) return new ByAddress(address);
        if (!isAddress && InterfaceName.IsValid(text)) return new ByInterface(text);
        problem = ipv6 ? InvalidIpv6 : InvalidIpv4;
        return null;
    }
}
