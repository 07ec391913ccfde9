using Slirp.Core.Ip;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Services.Dns;

namespace Slirp.Host;

/// <summary>What a worker is made of.</summary>
public sealed record WorkerOptions
{
    public required NetworkPlan Plan { get; init; }
    public required LinkOffloads Offloads { get; init; }
    public required ResolverConfiguration Resolvers { get; init; }

    /// <summary>The host's own addresses when the worker starts.</summary>
    public HostAddresses HostAddresses { get; init; } = HostAddresses.None;

    public OutboundAddresses Outbound { get; init; }
    public TcpParameters Tcp { get; init; } = TcpParameters.Default;
    public DatagramLimits Datagrams { get; init; } = new();

    /// <summary>Called on the worker's thread with a sentence for the user, rarely.</summary>
    public Action<string> Warn { get; init; } = static _ => { };

    /// <summary>Octets of payload a worker may promise to hold for all its flows together. Frames may take four times as
    /// much, so where a cgroup or the machine has less, half of what this process may have.</summary>
    public long MemoryBudget { get; init; } = Math.Min(256L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);
}
