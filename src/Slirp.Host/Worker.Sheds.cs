using Slirp.Core;
using Slirp.Core.Memory;

namespace Slirp.Host;

// What is said when more is asked for than there is. What runs goes on in each case; the line names the rule.
public sealed partial class Worker
{
    private long _scarceTurns;

    private ShedReport MakeSheds(WorkerOptions options, MemoryBudget budget) => new(options.Warn,
    [
        new("no descriptor left: new connections and UDP flows wait or are refused (limit: prlimit --nofile)",
            () => _sockets.DescriptorsLacked + Inbound.DescriptorsLacked),
        new($"{options.Tcp.MaxHalfOpen} connections are under way already: the oldest is given up for a new one",
            () => Counters.TcpHalfOpenEvicted),
        new("the table of TCP connections is full: new ones are refused", () => Counters.Dropped(DropReason.TcpFlowLimit)),
        new("the host has no memory or no port for another connection: the guest tries again", () => Counters.Dropped(DropReason.TcpConnectFailed)),
        new("the table of UDP flows is full: the idlest makes room", () => _udp.Mappings.EvictedCount),
        new("too many senders to forwarded UDP ports: the idlest is forgotten", () => _udpForwards.EvictedCount),
        new("the table of pings is full: the idlest makes room", () => _icmp.Mappings.EvictedCount),
        new("too many fragmented packets at once: the oldest are dropped", () => Counters.Dropped(DropReason.FragmentEvicted)),
        new($"all memory for windows is promised ({budget.Ceiling >> 20} MiB): new connections get the smallest window", () => Counters.TcpSmallestWindows),
        new("memory is full: hosts wait until the guest has taken what is here for it", () => _pool.IsScarce ? ++_scarceTurns : _scarceTurns),
        new("every DHCP address is taken: further clients get none", () => Counters.Dropped(DropReason.DhcpNoAddress)),
        new("too many DNS queries are under way: the oldest is given up for a new one", () => Counters.Dropped(DropReason.DnsTableFull)),
        new("too many neighbours: the one not heard for longest is forgotten", () => _services.Neighbours.EvictedCount),
    ]);
}
