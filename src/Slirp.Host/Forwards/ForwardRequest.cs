using Slirp.Core.Network;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>Ports of the host that shall lead to ports of the guest, in the same order.</summary>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="HostAddress">An address of the host; 0.0.0.0 or :: for all of that family.</param>
/// <param name="HostPort">The first; 0, for one port only, for one that the kernel chooses.</param>
/// <param name="Count">How many ports.</param>
/// <param name="GuestAddress">Of either family.</param>
/// <param name="GuestPort">The first.</param>
public sealed record ForwardRequest(
    IpProtocol Protocol, IpAddress HostAddress, ushort HostPort, int Count, IpAddress GuestAddress, ushort GuestPort)
{
    internal IpEndpoint BoundAt(int offset) => new(HostAddress, (ushort)(HostPort == 0 ? 0 : HostPort + offset));

    internal IpEndpoint GuestAt(int offset) => new(GuestAddress, (ushort)(GuestPort + offset));

    /// <summary>What is wrong with it before anything is tried, or null.</summary>
    internal string? Fault(NetworkPlan plan)
    {
        if (Protocol is not (IpProtocol.Tcp or IpProtocol.Udp)) return "only TCP and UDP can be forwarded";
        if (Count < 1) return "a forward needs a port";
        if (HostPort == 0 && Count > 1) return "host port 0 means any port and cannot start a range";
        if (HostPort + Count - 1 > ushort.MaxValue) return $"{Count} ports from host port {HostPort} on go beyond 65535";
        if (GuestPort == 0) return "the guest port cannot be 0";
        if (GuestPort + Count - 1 > ushort.MaxValue) return $"{Count} ports from guest port {GuestPort} on go beyond 65535";
        return FaultOfAddresses(plan);
    }

    private string? FaultOfAddresses(NetworkPlan plan)
    {
        if (HostAddress.IsMulticast) return $"{HostAddress} is a multicast address";
        IpAddress guest = GuestAddress;
        bool isBroadcast = guest.IsIpv4 && (guest.Ipv4.IsBroadcast || guest.Ipv4 == plan.SubnetBroadcast || guest.Ipv4 == plan.Network);
        if (guest.IsAny || guest.IsLoopback || guest.IsMulticast || isBroadcast)
            return $"{guest} is no address that a guest can be reached at";
        if (plan.IsOurs(guest)) return $"{guest} is the gateway's or the name server's, not the guest's";
        return guest.IsIpv4 || plan.EnableIpv6 ? null : $"the guest has no IPv6 to be reached at {guest}";
    }
}
