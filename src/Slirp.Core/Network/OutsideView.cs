using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>How somebody outside who comes through a forward appears to the guest.</summary>
/// <remarks>By the true address wherever the guest could answer it. The gateway stands in for whoever has an address that
/// would mean something else inside: host loopback, the guest's own network or link, and the other family, and for whoever
/// has the address and port of another conversation with the same port of the guest. A stand-in keeps its port if no other
/// conversation has it.</remarks>
public static class OutsideView
{
    // Tries before a stand-in is given up: with half of all ports taken, 2^-64 is left.
    private const int PortTries = 64;
    private const int FirstPort = 1024;

    /// <param name="isStandIn">The gateway's address was given, so the port may be chosen.</param>
    public static IpAddress Of(NetworkPlan plan, IpAddress outside, IpAddress guest, out bool isStandIn)
    {
        isStandIn = outside.IsIpv4 != guest.IsIpv4 || outside.IsLoopback || plan.IsOnLink(outside) || outside == guest;
        return isStandIn ? plan.GatewayFor(guest) : outside;
    }

    /// <summary>A port under which the gateway may speak to <paramref name="guest"/>: one that no conversation has.</summary>
    public static bool TryChoosePort<TTable>(NetworkPlan plan, IpEndpoint guest, in TTable taken, out IpEndpoint standIn)
        where TTable : struct, IConversations
    {
        IpAddress gateway = plan.GatewayFor(guest.Address);
        standIn = default;
        for (int tries = 0; tries < PortTries; tries++)
        {
            standIn = new IpEndpoint(gateway, (ushort)(FirstPort + SecureRandom.NextUInt16() % (65536 - FirstPort)));
            if (!taken.Has(guest, standIn)) return true;
        }
        return false;
    }
}

/// <summary>Tells which pairs of endpoints are in use.</summary>
public interface IConversations
{
    bool Has(IpEndpoint guest, IpEndpoint remote);
}
