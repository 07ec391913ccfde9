using System.Globalization;
using Slirp.Wire;

namespace Slirp.Cli.Options;

/// <summary>Consecutive ports, both ends included.</summary>
public readonly record struct PortRange(ushort First, ushort Last)
{
    public int Count => Last - First + 1;

    public override string ToString() => First == Last ? $"{First}" : $"{First}-{Last}";
}

/// <summary>One --publish: ports of the host that lead to ports of the guest.</summary>
/// <param name="HostAddress">Null when none was given: every address of the host.</param>
/// <param name="Host">Port 0, alone, for one that the kernel chooses.</param>
/// <param name="Guest">As many ports as <paramref name="Host"/> has, in the same order.</param>
/// <param name="Protocol">TCP or UDP.</param>
public sealed record PublishRule(IpAddress? HostAddress, PortRange Host, PortRange Guest, IpProtocol Protocol)
{
    /// <summary><c>[ADDR:]HOST[-HOST]:GUEST[-GUEST][/tcp|udp]</c>, an IPv6 ADDR in brackets.</summary>
    public static PublishRule? Parse(string text, out string? problem)
    {
        PublishRule? rule = Read(text, out string? reason);
        problem = rule is null ? $"invalid --publish rule \"{text}\": {reason}" : null;
        return rule;
    }

    private static PublishRule? Read(string text, out string? reason)
    {
        if (!TryReadProtocol(ref text, out IpProtocol protocol, out reason)) return null;
        if (!TryReadAddress(ref text, out IpAddress? address, out reason)) return null;
        string[] sides = text.Split(':');
        if (sides.Length != 2)
        {
            reason = "expected [ADDR:]HOST[-HOST]:GUEST[-GUEST][/tcp|udp]";
            return null;
        }
        if (!TryReadRange(sides[0], "host", out PortRange host, out reason)) return null;
        if (!TryReadRange(sides[1], "guest", out PortRange guest, out reason)) return null;
        reason = Disagreement(host, guest);
        return reason is null ? new PublishRule(address, host, guest, protocol) : null;
    }

    private static bool TryReadProtocol(ref string text, out IpProtocol protocol, out string? reason)
    {
        protocol = IpProtocol.Tcp;
        reason = null;
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0) return true;
        string word = text[(slash + 1)..];
        text = text[..slash];
        if (word == "udp") protocol = IpProtocol.Udp;
        else if (word != "tcp") reason = $"unknown protocol \"{word}\", expected tcp or udp";
        return reason is null;
    }

    /// <summary>Takes ADDR and its colon off the front of <paramref name="text"/>, if they are there.</summary>
    private static bool TryReadAddress(ref string text, out IpAddress? address, out string? reason)
    {
        address = null;
        reason = null;
        string word;
        if (text.StartsWith('['))
        {
            int end = text.IndexOf("]:", StringComparison.Ordinal);
            word = end < 0 ? text[1..].TrimEnd(']') : text[1..end];
            text = end < 0 ? "" : text[(end + 2)..];
            if (!word.Contains(':', StringComparison.Ordinal)) reason = $"\"{word}\" is not an IPv6 address";
        }
        else
        {
            int first = text.IndexOf(':', StringComparison.Ordinal);
            int last = text.LastIndexOf(':');
            if (first == last) return true; // HOST:GUEST, or nonsense for the caller to refuse
            int end = text.LastIndexOf(':', last - 1);
            word = text[..end];
            text = text[(end + 1)..];
            if (word.Contains(':', StringComparison.Ordinal)) reason = "an IPv6 address needs brackets, like [::1]";
        }
        if (reason is not null) return false;
        if (IpAddress.TryParse(word, out IpAddress parsed)) address = parsed;
        else reason = $"\"{word}\" is not an IP address";
        return reason is null;
    }

    private static bool TryReadRange(string text, string side, out PortRange range, out string? reason)
    {
        int dash = text.IndexOf('-', StringComparison.Ordinal);
        string first = dash < 0 ? text : text[..dash], last = dash < 0 ? text : text[(dash + 1)..];
        range = default;
        reason = null;
        if (!TryReadPort(first, out ushort low) || !TryReadPort(last, out ushort high))
            reason = $"\"{text}\" is not a {side} port or range of ports (0 to 65535)";
        else if (low > high)
            reason = $"{side} range {text} runs backwards";
        else
            range = new PortRange(low, high);
        return reason is null;
    }

    private static bool TryReadPort(string text, out ushort port) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port);

    private static string? Disagreement(PortRange host, PortRange guest)
    {
        if (host.First == 0 && host.Count > 1) return "host port 0 means any port and cannot start a range";
        if (guest.First == 0) return "the guest port cannot be 0";
        return host.Count == guest.Count
            ? null
            : $"{host.Count} host ports cannot lead to {guest.Count} guest ports";
    }
}
