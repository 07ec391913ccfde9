namespace Slirp.Core.Udp;

/// <summary>How much and how long UDP forwards remember.</summary>
public sealed record UdpForwardLimits
{
    /// <summary>Remote endpoints of all forwards together. They hold no socket, so it can be many.</summary>
    public int Associations { get; init; } = 16_384;

    /// <summary>One that the guest has not answered: as Linux's conntrack (nf_conntrack_udp_timeout).</summary>
    public TimeSpan UnansweredIdle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>One that it has (RFC 4787 REQ-5 asks for two minutes, nf_conntrack_udp_timeout_stream is as long).</summary>
    public TimeSpan AnsweredIdle { get; init; } = TimeSpan.FromSeconds(120);
}
