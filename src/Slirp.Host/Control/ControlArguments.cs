using System.Text.Json;
using Slirp.Host.Forwards;
using Slirp.Wire;

namespace Slirp.Host.Control;

/// <summary>Reads the members of <c>arguments</c>, each checked when it is asked for.</summary>
internal readonly struct ControlArguments(JsonElement request)
{
    private readonly JsonElement? _arguments =
        request.TryGetProperty("arguments", out JsonElement arguments) && arguments.ValueKind == JsonValueKind.Object ? arguments : null;

    /// <summary>A forward from add_hostfwd's arguments.</summary>
    /// <param name="defaultGuest">Where no guest address is given.</param>
    /// <param name="fault">The first member, in slirp4netns's order, that will not do.</param>
    public ForwardRequest? ReadForward(IpAddress defaultGuest, out string? fault)
    {
        fault = null;
        if (!TryReadProtocol(out IpProtocol protocol, out bool? isIpv6)) fault = "proto";
        else if (!TryReadHost(isIpv6, out IpAddress host)) fault = "host_addr";
        else if (!TryReadInteger("host_port", 0, ushort.MaxValue, out int hostPort)) fault = "host_port";
        else if (!TryReadAddress("guest_addr", defaultGuest, out IpAddress guest)) fault = "guest_addr";
        else if (!TryReadInteger("guest_port", 1, ushort.MaxValue, out int guestPort)) fault = "guest_port";
        else if (!TryReadCount("host_port_end", hostPort, 1, out int count)) fault = "host_port_end";
        else if (!TryReadCount("guest_port_end", guestPort, count, out int guestCount) || guestCount != count) fault = "guest_port_end";
        else return new ForwardRequest(protocol, host, (ushort)hostPort, count, guest, (ushort)guestPort);
        return null;
    }

    /// <summary>True if the member is a whole number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public bool TryReadInteger(string name, int least, int most, out int value)
    {
        value = 0;
        if (!TryFind(name, out JsonElement member) || member.ValueKind != JsonValueKind.Number) return false;
        // By way of double: 8080.0 and 8.08e3 are that port too, as far as JSON goes.
        if (!member.TryGetDouble(out double number) || !(number >= least && number <= most) || number != Math.Floor(number)) return false;
        value = (int)number;
        return true;
    }

    /// <summary>Text that may hold anything but lone surrogates.</summary>
    public static bool TryReadText(JsonElement element, out string text)
    {
        text = "";
        if (element.ValueKind != JsonValueKind.String) return false;
        try
        {
            text = element.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // "\ud800": JSON by its grammar, and no text
        }
    }

    /// <param name="isIpv6">Null where the protocol's name leaves the family to the address.</param>
    private bool TryReadProtocol(out IpProtocol protocol, out bool? isIpv6)
    {
        (protocol, isIpv6) = (default, null);
        if (!TryFind("proto", out JsonElement member) || !TryReadText(member, out string name)) return false;
        (protocol, isIpv6) = name switch
        {
            "tcp" => (IpProtocol.Tcp, (bool?)null),
            "udp" => (IpProtocol.Udp, null),
            "tcp4" => (IpProtocol.Tcp, false),
            "udp4" => (IpProtocol.Udp, false),
            "tcp6" => (IpProtocol.Tcp, true),
            "udp6" => (IpProtocol.Udp, true),
            _ => default,
        };
        return protocol != default;
    }

    private bool TryReadHost(bool? isIpv6, out IpAddress host)
    {
        IpAddress any = isIpv6 == true ? IpAddress.Ipv6Any : Ipv4Address.Any;
        return TryReadAddress("host_addr", any, out host) && isIpv6 != host.IsIpv4;
    }

    private bool TryReadAddress(string name, IpAddress absent, out IpAddress address)
    {
        address = absent;
        if (!TryFind(name, out JsonElement member) || member.ValueKind == JsonValueKind.Null) return true;
        return TryReadText(member, out string text) && (text.Length == 0 || IpAddress.TryParse(text, out address));
    }

    /// <summary>The last port of a range, told as how many ports there are.</summary>
    private bool TryReadCount(string name, int first, int absent, out int count)
    {
        count = absent;
        if (!TryFind(name, out JsonElement member) || member.ValueKind == JsonValueKind.Null) return true;
        if (!TryReadInteger(name, first, ushort.MaxValue, out int last)) return false;
        count = last - first + 1;
        return first > 0 || count == 1; // "any port" cannot start a range
    }

    private bool TryFind(string name, out JsonElement member)
    {
        member = default;
        return _arguments?.TryGetProperty(name, out member) == true;
    }
}
