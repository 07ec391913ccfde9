using System.Text;
using Slirp.Wire;

namespace Slirp.Services.Dns;

public sealed partial record ResolverConfiguration
{
    /// <summary>Gathers the lines of one file.</summary>
    private sealed class Parser
    {
        private readonly List<IpEndpoint> _servers = [];
        private readonly Dictionary<IpAddress, string> _scopes = [];
        private readonly List<string> _warnings = [];
        private readonly List<string> _options = [];
        private List<string> _search = [];
        private int _surplusServers;

        public void Warn(string text)
        {
            if (_warnings.Count < MaxWarnings) _warnings.Add(text);
        }

        public ResolverConfiguration ToConfiguration()
        {
            if (_surplusServers > 0) Warn($"resolv.conf: {_surplusServers} nameservers beyond the first {MaxServers} are left out");
            return new ResolverConfiguration { Servers = _servers, Scopes = _scopes, SearchDomains = _search, Options = _options, Warnings = _warnings };
        }

        public void ReadLine(ReadOnlySpan<byte> line)
        {
            int comment = line.IndexOfAny((byte)'#', (byte)';');
            if (comment >= 0) line = line[..comment];
            ReadOnlySpan<byte> keyword = TakeWord(ref line);
            if (keyword.SequenceEqual("nameserver"u8)) AddServer(TakeWord(ref line));
            else if (keyword.SequenceEqual("search"u8)) SetSearch(line, MaxSearchDomains);
            else if (keyword.SequenceEqual("domain"u8)) SetSearch(line, 1);
            else if (keyword.SequenceEqual("options"u8)) AddOptions(line);
        }

        private static ReadOnlySpan<byte> TakeWord(ref ReadOnlySpan<byte> line)
        {
            line = line.TrimStart(" \t\v\f\0"u8);
            int end = line.IndexOfAny(" \t\v\f\0"u8);
            ReadOnlySpan<byte> word = end < 0 ? line : line[..end];
            line = line[word.Length..];
            return word;
        }

        private void AddServer(ReadOnlySpan<byte> word)
        {
            const int longestAddress = 64;
            Span<char> text = stackalloc char[longestAddress];
            bool isText = word.Length <= longestAddress && Encoding.ASCII.TryGetChars(word, text, out _);
            Span<char> name = text[..(isText ? word.Length : 0)];
            int mark = name.IndexOf('%');
            Span<char> scope = mark < 0 ? [] : name[(mark + 1)..];
            if (mark >= 0) name = name[..mark];
            if (!IpAddress.TryParse(name, out IpAddress address) || !IsUsable(address) || scope.Length > MaxScopeLength || (mark >= 0 && address.IsIpv4))
            {
                Warn($"resolv.conf: nameserver {Printable(word)} is left out: not the address of a resolver");
                return;
            }
            bool needsScope = !address.IsIpv4 && address.IsLinkLocal;
            if (needsScope && scope.IsEmpty)
            {
                Warn($"resolv.conf: nameserver {Printable(word)} is left out: a link-local address leads nowhere without "
                    + "its interface (fe80::1%eth0)");
                return;
            }
            var server = new IpEndpoint(ThisHostIfAny(address), DnsPort);
            if (_servers.Contains(server)) return;
            if (_servers.Count == MaxServers)
            {
                _surplusServers++;
                return;
            }
            _servers.Add(server);
            if (needsScope) _scopes.Add(address, scope.ToString());
        }

        private static bool IsUsable(IpAddress address) => !address.IsMulticast && !(address.IsIpv4 && address.Ipv4.IsBroadcast);

        /// <summary>The C library takes 0.0.0.0 and :: for this host.</summary>
        private static IpAddress ThisHostIfAny(IpAddress address) =>
            !address.IsAny ? address : address.IsIpv4 ? Ipv4Address.Loopback : IpAddress.Ipv6Loopback;

        private void AddOptions(ReadOnlySpan<byte> words)
        {
            while (_options.Count < MaxOptions && TakeWord(ref words) is { IsEmpty: false } word)
                if (IsOption(word)) _options.Add(Encoding.ASCII.GetString(word));
        }

        private static bool IsOption(ReadOnlySpan<byte> word)
        {
            const int longest = 32;
            foreach (byte c in word)
                if (!char.IsAsciiLetterOrDigit((char)c) && c is not ((byte)'-' or (byte)':' or (byte)'_')) return false;
            return word.Length <= longest;
        }

        private void SetSearch(ReadOnlySpan<byte> words, int limit)
        {
            var search = new List<string>();
            while (search.Count < limit)
            {
                ReadOnlySpan<byte> word = TakeWord(ref words);
                if (word.IsEmpty) break;
                if (word.SequenceEqual("."u8)) continue; // the root: "do not search"
                ReadOnlySpan<byte> name = word[^1] == '.' ? word[..^1] : word;
                if (!IsDomainName(name)) Warn($"resolv.conf: search domain {Printable(word)} is left out: not a domain name");
                else if (!search.Contains(Encoding.ASCII.GetString(name))) search.Add(Encoding.ASCII.GetString(name));
            }
            _search = search;
        }
    }
}
