using System.Globalization;
using Slirp.Wire;

namespace Slirp.Cli.Options;

/// <summary>The IPv4 network that the namespace is in.</summary>
/// <param name="Network">Host bits are zero.</param>
/// <param name="PrefixLength">1 to 25: gateway, DNS and guest are at +2, +3 and +100.</param>
public readonly record struct Ipv4Cidr(Ipv4Address Network, int PrefixLength)
{
    public static Ipv4Cidr Default => new(new Ipv4Address(0x0a00_0200), 24); // 10.0.2.0/24

    /// <param name="problem">What slirp4netns says, in its order of checks; null if there is none.</param>
    public static Ipv4Cidr Parse(string text, out string? problem)
    {
        problem = null;
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !LooksLikeQuad(text[..slash]) || !IsDigits(text.AsSpan(slash + 1), 1, 2))
        {
            problem = $"invalid CIDR: {text}";
            return Default;
        }
        string quad = text[..slash];
        int prefix = int.Parse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture);
        // Written back and compared: a leading zero is octal to some readers, and inet_pton(3) refuses it.
        if (!Ipv4Address.TryParse(quad, out Ipv4Address network) || network.ToString() != quad)
            problem = $"invalid network address: {quad}";
        else if (prefix is < 1 or > 25)
            problem = "prefix length needs to be 1-25";
        else if ((network.Value & uint.MaxValue >> prefix) != 0)
            problem = $"CIDR needs to be a network address like {Base(network, prefix)}/{prefix}, not like {text}";
        return problem is null ? new Ipv4Cidr(network, prefix) : Default;
    }

    private static Ipv4Address Base(Ipv4Address address, int prefix) => new(address.Value & ~(uint.MaxValue >> prefix));

    private static bool LooksLikeQuad(string text)
    {
        string[] parts = text.Split('.');
        if (parts.Length != 4) return false;
        foreach (string part in parts)
            if (!IsDigits(part, 1, 3)) return false;
        return true;
    }

    private static bool IsDigits(ReadOnlySpan<char> text, int least, int most)
    {
        if (text.Length < least || text.Length > most) return false;
        foreach (char c in text)
            if (!char.IsAsciiDigit(c)) return false;
        return true;
    }

    public override string ToString() => $"{Network}/{PrefixLength}";
}
