namespace Slirp.Core.Tcp;

/// <summary>The numbers TCP runs on; tests shorten some.</summary>
public sealed record TcpParameters
{
    public static TcpParameters Default { get; } = new();

    /// <summary>Flows in the table, all states together.</summary>
    public int MaxFlows { get; init; } = 65_536;

    /// <summary>Connects under way on the host; the oldest is given up for a new one.</summary>
    public int MaxHalfOpen { get; init; } = 1024;

    /// <summary>TIME-WAIT entries; the oldest makes room.</summary>
    public int MaxTimeWait { get; init; } = 4096;

    /// <summary>The most of one flow that waits for the host socket to take it, in octets: the window we offer.</summary>
    public int MaxReceiveWindow { get; init; } = 4 << 20;

    /// <summary>The window every flow gets, and what may be under way to its guest, however scarce memory is.</summary>
    public int MinReceiveWindow { get; init; } = 16 << 10;

    /// <summary>A guest that has sent nothing for so long lends its window's memory to others, should they need it.</summary>
    public TimeSpan WindowIdle { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a flow answers what must be an error or an attack: as Linux (tcp_invalid_ratelimit).</summary>
    public TimeSpan ChallengeInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Octets sent to the guest and not yet acknowledged, at most.</summary>
    public int MaxInFlight { get; init; } = 4 << 20;

    /// <summary>The link is a memory copy inside one machine: begin with far more than RFC 6928's ten segments, and fall
    /// back to ordinary congestion control (RFC 5681) at the first loss.</summary>
    public int InitialCongestionWindow { get; init; } = 1 << 20;

    /// <summary>RFC 6298 section 2.4 asks for one second and allows less where clocks are finer; 200 ms is Linux's.</summary>
    public TimeSpan MinRto { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>RFC 6298 section 2.1, before the first measurement.</summary>
    public TimeSpan InitialRto { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>RFC 8985 section 7.2 asks for two round trips; below this a guest that is merely busy would be probed.</summary>
    public TimeSpan MinTailProbe { get; init; } = TimeSpan.FromMilliseconds(10);

    public TimeSpan MaxRto { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Unanswered retransmissions before a flow is given up: with back-off from 200 ms to 60 s nearly six
    /// minutes, above the 100 s of RFC 9293 section 3.8.3.</summary>
    public int MaxRetransmissions { get; init; } = 12;

    /// <summary>SYN or SYN-ACK retransmissions: after 1, 2, 4, 8, 16 and 32 s, given up 60 s later; as Linux does with a SYN.</summary>
    public int MaxSynRetransmissions { get; init; } = 6;

    /// <summary>Silence after which an open flow's guest is probed.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The same once the guest has closed its half: it may have died and left a socket in FIN-WAIT-2.</summary>
    public TimeSpan KeepAliveHalfClosed { get; init; } = TimeSpan.FromSeconds(15);

    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(10);

    public int KeepAliveProbes { get; init; } = 5;

    /// <summary>Linux's 60 s. RFC 9293's four minutes are for paths across the world; ours is a cable of no length.</summary>
    public TimeSpan TimeWait { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Octets carried from one host socket before the next flow has its turn.</summary>
    public int TurnOctets { get; init; } = 512 << 10;
}
