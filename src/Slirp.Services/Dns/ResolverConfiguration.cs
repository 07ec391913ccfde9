using System.Text;
using Slirp.Wire;

namespace Slirp.Services.Dns;

/// <summary>What the host's resolv.conf says: whom to ask, and which domains to search. Immutable.</summary>
/// <remarks>
/// <para>The file is written by people and by programs, and read while they write it. So nothing in it is an error: a line
/// that cannot be used is left out and said so in <see cref="Warnings"/>. A link-local server listed with two scopes is asked by the first. Sort lists are not for us, since the
/// forwarder passes on queries and does not make them.</para>
/// <para>Limits: the first <see cref="MaxOctets"/> of the file, <see cref="MaxServers"/> servers,
/// <see cref="MaxSearchDomains"/> domains, <see cref="MaxOptions"/> options, <see cref="MaxWarnings"/> warnings. Sources: resolv.conf(5).</para>
/// </remarks>
public sealed partial record ResolverConfiguration
{
    public const int MaxOctets = 64 * 1024;
    public const int MaxServers = 8;
    public const int MaxSearchDomains = 32;
    public const int MaxOptions = 16;
    public const int MaxWarnings = 8;

    private const ushort DnsPort = 53;
    private const int MaxDomainLength = 253;
    private const int MaxLabelLength = 63;
    private const int MaxScopeLength = 15; // octets in the name of an interface

    public static ResolverConfiguration Empty { get; } = new();

    /// <summary>In the order of the file, without duplicates.</summary>
    public IReadOnlyList<IpEndpoint> Servers { get; init; } = [];

    /// <summary>By which interface a link-local server is reached: its name or, in digits, its index.</summary>
    public IReadOnlyDictionary<IpAddress, string> Scopes { get; init; } = new Dictionary<IpAddress, string>();

    /// <summary>ASCII names without a trailing dot, each a valid domain name; the last search or domain line wins.</summary>
    public IReadOnlyList<string> SearchDomains { get; init; } = [];

    /// <summary>Words that resolvers of the guest's may heed as the host's do (ndots:2, edns0, trust-ad). The forwarder passes on
    /// queries and makes none: to it they mean nothing.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>A sentence for each thing left out, for the log.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>A record compares lists by reference; what matters is whether the same servers and domains are in them.</summary>
    public bool IsSameAs(ResolverConfiguration other) =>
        HasSameServers(other) && SearchDomains.SequenceEqual(other.SearchDomains) && Options.SequenceEqual(other.Options);

    /// <summary>Whether the same servers are to be asked, by the same interfaces and in the same order.</summary>
    internal bool HasSameServers(ResolverConfiguration other)
    {
        if (!Servers.SequenceEqual(other.Servers) || Scopes.Count != other.Scopes.Count) return false;
        foreach ((IpAddress server, string scope) in Scopes)
            if (!other.Scopes.TryGetValue(server, out string? others) || others != scope) return false;
        return true;
    }

    public static ResolverConfiguration Parse(ReadOnlySpan<byte> file)
    {
        var parser = new Parser();
        if (file.Length > MaxOctets)
        {
            parser.Warn($"resolv.conf: only the first {MaxOctets} octets are read");
            // A line that is cut in two could read as a different address.
            file = file[..MaxOctets];
            file = file[..(file.LastIndexOf((byte)'\n') + 1)];
        }
        while (!file.IsEmpty)
        {
            int end = file.IndexOfAny((byte)'\n', (byte)'\r');
            ReadOnlySpan<byte> line = end < 0 ? file : file[..end];
            file = end < 0 ? default : file[(end + 1)..];
            parser.ReadLine(line);
        }
        return parser.ToConfiguration();
    }

    /// <summary>True for names that can be put on the wire: labels of 1 to 63 letters, digits, hyphens and underscores.</summary>
    internal static bool IsDomainName(ReadOnlySpan<byte> name)
    {
        if (name.Length is 0 or > MaxDomainLength) return false;
        int label = 0;
        foreach (byte c in name)
        {
            bool isDot = c == '.';
            if (isDot ? label == 0 : !char.IsAsciiLetterOrDigit((char)c) && c != '-' && c != '_') return false;
            label = isDot ? 0 : label + 1;
            if (label > MaxLabelLength) return false;
        }
        return label > 0;
    }

    /// <summary>A word of the file as it may be shown: printable ASCII, not longer than a line.</summary>
    private static string Printable(ReadOnlySpan<byte> word)
    {
        const int longest = 60;
        var text = new StringBuilder();
        foreach (byte c in word[..Math.Min(word.Length, longest)]) text.Append(c is > 0x20 and < 0x7f ? (char)c : '?');
        if (word.Length > longest) text.Append("...");
        return text.ToString();
    }
}
