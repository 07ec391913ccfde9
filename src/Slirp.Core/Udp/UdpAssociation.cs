using Slirp.Core.Flows;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>Somebody outside who speaks to the guest through a forward: found from the guest's side by what the guest
/// sees, from outside by the true addresses. Reused after it is closed.</summary>
internal sealed class UdpAssociation : IFlow
{
    public UdpAssociation() => Outside = new OutsideSide(this);

    /// <summary>As the guest sees it.</summary>
    public FlowKey Key { get; set; }
    public int Index { get; set; }
    public int Generation { get; set; }

    public OutsideSide Outside { get; }

    public UdpForwardPort? Port { get; set; }
    public MacAddress Station { get; set; }

    /// <summary>Once it has answered: when the guest is to be asked whether it is still there, if it says nothing until then.</summary>
    public Instant DoubtAt { get; set; }
    public uint InterfaceIndex { get; set; }

    /// <summary>The guest has answered.</summary>
    public bool IsAnswered { get; set; }
    public Instant LastUsed { get; set; }

    /// <summary>Datagrams longer than this are not gathered into trains: the path, or the host, refuses them.</summary>
    public int TrainLimit { get; set; }

    public IpEndpoint Remote => Outside.Key.Guest;

    public IpAddress LocalAddress => Outside.Key.Remote.Address;

    /// <summary>The key of the table of true addresses. A <see cref="FlowKey"/>'s own names do not apply there: the remote
    /// endpoint is in the guest's place, the local endpoint that was hit in the remote's.</summary>
    internal static FlowKey OutsideKey(IpEndpoint remote, IpEndpoint local) => new(remote, local);

    /// <summary>The entry in the table of true addresses, by <see cref="OutsideKey"/>.</summary>
    internal sealed class OutsideSide(UdpAssociation association) : IFlow
    {
        public UdpAssociation Association { get; } = association;
        public FlowKey Key { get; set; }
        public int Index { get; set; }
        public int Generation { get; set; }
    }
}
