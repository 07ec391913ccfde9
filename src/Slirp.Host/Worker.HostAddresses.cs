using Slirp.Core;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;

namespace Slirp.Host;

// What follows when the host's addresses change: links that come and go, leases that end, tunnels.
public sealed partial class Worker
{
    /// <summary>An address that is taken away and given back at once, as network managers do when they are restarted or
    /// renew a lease, has done no harm; the kernel's own sockets live through it.</summary>
    private static readonly TimeSpan LostGrace = TimeSpan.FromSeconds(1);

    /// <summary>How long that may go on, where addresses go without end.</summary>
    private static readonly TimeSpan LongestGrace = TimeSpan.FromSeconds(3);

    private static readonly EventTarget HostAddressCheck = new(EventKind.HostAddressCheck, 0, 0);

    private TimerHandle _hostAddressCheck;
    private Instant _firstLoss; // of those that the check is still to come for

    /// <summary>The host's addresses are others now. May be called from any thread.</summary>
    public void UpdateHostAddresses(HostAddresses addresses, OutboundAddresses outbound) =>
        Post((worker, now) => worker.OnHostAddresses(addresses, outbound, now));

    private void OnHostAddresses(HostAddresses addresses, OutboundAddresses outbound, Instant now)
    {
        bool hasLost = !addresses.HasAllOf(_map.HostAddresses);
        _map.HostAddresses = addresses;
        _sockets.Outbound = outbound;
        _udp.ForgetDestinations();
        _icmp.ForgetDestinations();
        if (!hasLost) return;
        if (!_hostAddressCheck.IsSet) _firstLoss = now;
        _timers.Schedule(ref _hostAddressCheck, HostAddressCheck, Instant.Earlier(now + LostGrace, _firstLoss + LongestGrace));
    }

    /// <summary>Ends what speaks from an address that is gone. Forwards go on listening on theirs: it may come back.</summary>
    private void EndLost(Instant now)
    {
        _hostAddressCheck = default;
        HostAddresses addresses = _map.HostAddresses;
        _tcp.ResetLost(addresses);
        _udp.CloseLost(addresses);
        _icmp.CloseLost(addresses);
        _udpForwards.CloseLost(addresses);
        _services.ReplaceLost(addresses, now);
    }

    /// <summary>What the dispatcher calls when the grace is over.</summary>
    private sealed class HostAddressEngine(Worker worker) : IEngine
    {
        public void OnTimer(EventTarget target, Instant now) => worker.EndLost(now);
    }
}
