namespace Slirp.Core.Ip;

/// <summary>How much and how long UDP, ICMP and reassembly may hold. Immutable; made once from the options.</summary>
public sealed record DatagramLimits
{
    public int UdpMappings { get; init; } = 4096;

    public int PingMappings { get; init; } = 256;

    public int FragmentContexts { get; init; } = 64;

    /// <summary>A UDP mapping nobody has answered (as Linux's nf_conntrack_udp_timeout): a guest that asks again later gets a
    /// new one without noticing.</summary>
    public TimeSpan UdpIdle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A UDP mapping that somebody has answered (RFC 4787 REQ-5): who registers with a server may wait so long for
    /// what it has to say.</summary>
    public TimeSpan UdpStreamIdle { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>A mapping that has asked name servers only, while a question is open: resolvers ask again after five
    /// seconds and give up on the server by then (resolv.conf(5), timeout; REQ-5 a allows less for port 53).</summary>
    public TimeSpan DnsIdle { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The same, once every question has its answer.</summary>
    public TimeSpan DnsAnswered { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan PingIdle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>RFC 791 section 3.2 and Linux's ipfrag_time; RFC 8200 section 4.5 says 60, which only helps paths slower
    /// than a TAP device.</summary>
    public TimeSpan ReassemblyTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
