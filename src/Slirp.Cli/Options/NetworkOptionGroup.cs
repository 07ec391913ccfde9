using Slirp.Wire;

namespace Slirp.Cli.Options;

internal sealed class NetworkOptionGroup : IOptionGroup
{
    /// <summary>Every IPv4 module must pass datagrams of 68 octets on unfragmented (RFC 791 section 3.2), and Linux
    /// takes IPv4 off an interface below it.</summary>
    private const int LeastIpv4Mtu = 68;

    /// <summary>RFC 8200 section 5; Linux takes IPv6 off an interface below it.</summary>
    internal const int LeastIpv6Mtu = 1280;

    private const int GreatestMtu = 65521; // slirp4netns' limit: 65535 less an Ethernet header of 14 octets

    private const string MacAddressForm =
        "macaddress has to be a valid MAC address (hex string, 6 bytes, each byte separated by a ':').";

    private NetworkOptions _options = NetworkOptions.Default;
    private string? _cidr, _outboundAddr, _outboundAddr6;

    public string? MacAddressText { get; private set; }

    public bool TryTake(OptionId id, string value, out UsageFailure? failure)
    {
        failure = null;
        switch (id)
        {
            case OptionId.Mtu:
                failure = TakeMtu(value);
                return true;
            case OptionId.EnableIpv6:
                _options = _options with { EnableIpv6 = true };
                return true;
            case OptionId.Cidr:
                _cidr = value;
                return true;
            case OptionId.DisableHostLoopback:
                _options = _options with { DisableHostLoopback = true };
                return true;
            case OptionId.DisableDns:
                _options = _options with { DisableDns = true };
                return true;
            case OptionId.OutboundAddr:
                _outboundAddr = value;
                return true;
            case OptionId.OutboundAddr6:
                _outboundAddr6 = value;
                return true;
            case OptionId.MacAddress:
                MacAddressText = value;
                return true;
            case OptionId.Publish:
                failure = TakePublish(value);
                return true;
            case OptionId.NoOffload:
                failure = TakeNoOffload(value);
                return true;
            default:
                return false;
        }
    }

    /// <summary>Checks that wait for the line's end, in slirp4netns' order: CIDR, outbound addresses, MAC.</summary>
    public NetworkOptions Finish(List<string> warnings, ref UsageFailure? failure)
    {
        if (_options.Mtu < LeastIpv4Mtu)
            Refuse($"MTU {_options.Mtu} is too small: IPv4 needs at least {LeastIpv4Mtu}", ref failure);
        FinishIpv6(warnings);
        if (_cidr is not null) FinishCidr(_cidr, ref failure);
        _options = _options with
        {
            OutboundAddr = ParseOutbound(_outboundAddr, ipv6: false, ref failure),
            OutboundAddr6 = ParseOutbound(_outboundAddr6, ipv6: true, ref failure),
        };
        if (MacAddressText is not null) FinishMacAddress(MacAddressText, ref failure);
        return _options;
    }

    private UsageFailure? TakeMtu(string text)
    {
        if (!DecimalNumber.TryParse(text, out int mtu) || mtu is < 1 or > GreatestMtu)
            return UsageFailure.WithUsage("MTU must be a positive integer (< 65522)");
        _options = _options with { Mtu = mtu };
        return null;
    }

    /// <summary>Podman asks for IPv6 unless told otherwise and lets its user choose an MTU down to 68; such a container
    /// has always started, with IPv4 only. So this is a warning and not an error.</summary>
    private void FinishIpv6(List<string> warnings)
    {
        if (!_options.EnableIpv6 || _options.Mtu >= LeastIpv6Mtu) return;
        warnings.Add($"WARNING: IPv6 stays off: it needs an MTU of at least {LeastIpv6Mtu}, not {_options.Mtu}");
        _options = _options with { EnableIpv6 = false };
    }

    private void FinishCidr(string text, ref UsageFailure? failure)
    {
        _options = _options with { Cidr = Ipv4Cidr.Parse(text, out string? problem) };
        Refuse(problem, ref failure);
    }

    private UsageFailure? TakePublish(string text)
    {
        PublishRule? rule = PublishRule.Parse(text, out string? problem);
        if (rule is null) return UsageFailure.MessageOnly(problem!);
        _options = _options with { Publish = _options.Publish.Add(rule) };
        return null;
    }

    private UsageFailure? TakeNoOffload(string text)
    {
        if (!OffloadList.TryParse(text, out Offload off, out string problem)) return UsageFailure.MessageOnly(problem);
        _options = _options with { NoOffload = _options.NoOffload | off };
        return null;
    }

    private static OutboundSource? ParseOutbound(string? text, bool ipv6, ref UsageFailure? failure)
    {
        if (text is null) return null;
        OutboundSource? source = OutboundSource.Parse(text, ipv6, out string? problem);
        Refuse(problem, ref failure);
        return source;
    }

    private void FinishMacAddress(string text, ref UsageFailure? failure)
    {
        bool isWellFormed = MacAddress.TryParse(text, out MacAddress mac);
        if (isWellFormed && !mac.IsMulticast && !mac.IsZero)
        {
            _options = _options with { MacAddress = mac };
            return;
        }
        int octets = text.Split(':').Length;
        string hint = isWellFormed ? mac.IsZero ? "  Is it all zero?" : "  Is it a multicast address?"
            : octets > MacAddress.Length ? "  Is it too long?"
            : octets is > 1 and < MacAddress.Length ? "  Is it too short?"
            : "";
        Refuse($"\"{text}\" is an invalid MAC address.{hint}\n{MacAddressForm}", ref failure);
    }

    private static void Refuse(string? problem, ref UsageFailure? failure)
    {
        if (problem is not null) failure ??= UsageFailure.MessageOnly(problem);
    }
}
