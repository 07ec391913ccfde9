using Slirp.Core.Flows;
using Slirp.Wire;

namespace Slirp.Core.Network;

public enum FlowDirection : byte
{
    /// <summary>The guest speaks first.</summary>
    Outbound,

    /// <summary>Somebody outside speaks first, through a forward.</summary>
    Inbound,
}

/// <summary>Asked once for each new flow, before any packet leaves: the seam where rules, limits and the audit log
/// attach. Its answer is where the flow goes, or why it does not.</summary>
public sealed class FlowGate(HostMap map)
{
    public RouteVerdict Decide(IpProtocol protocol, FlowDirection direction, in FlowKey key, out IpEndpoint hostEndpoint)
    {
        // Who is in a group is for the host's network to know; a connection or an echo asks for one host.
        bool isToGroup = protocol == IpProtocol.Udp && key.Remote.Address.IsMulticastBeyondNode;
        if (direction == FlowDirection.Inbound || isToGroup)
        {
            hostEndpoint = key.Remote;
            return RouteVerdict.Forward;
        }
        RouteVerdict verdict = map.TryMapToHost(key.Remote.Address, out IpAddress host);
        hostEndpoint = key.Remote with { Address = host };
        return verdict;
    }
}
