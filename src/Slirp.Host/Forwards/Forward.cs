using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Linux.Sockets;
using Slirp.Linux;
using Slirp.Wire;

namespace Slirp.Host.Forwards;

/// <summary>A forward with its sockets, as the worker holds it. An event names it by id and port by offset.</summary>
internal sealed class Forward
{
    public Forward(ForwardInfo info, SocketFd[] sockets)
    {
        (Info, Sockets) = (info, sockets);
        if (info.Bound.Protocol == IpProtocol.Udp) UdpPorts = Array.ConvertAll(Indices(sockets.Length), MakeUdpPort);
        else IsQueued = new bool[sockets.Length];
    }

    public ForwardInfo Info { get; }

    public SocketFd[] Sockets { get; }

    /// <summary>Empty for TCP.</summary>
    public UdpForwardPort[] UdpPorts { get; } = [];

    /// <summary>For TCP, by offset: it waits in the worker's list of listeners that may have connections.</summary>
    public bool[] IsQueued { get; } = [];

    public int Id => Info.Id;

    public bool IsIpv6 => !Info.Bound.HostAddress.IsIpv4;

    public IpEndpoint GuestAt(int offset) => Info.Bound.GuestAt(offset);

    /// <summary>Ids are never used again and 24 bits hold any offset, so no generation is needed.</summary>
    public EventTarget TargetOf(int offset) => new(EventKind.Forward, Id, offset);

    private UdpForwardPort MakeUdpPort(int offset) =>
        new(new HostSocket(Sockets[offset].Value), Info.Bound.BoundAt(offset), GuestAt(offset));

    private static int[] Indices(int count)
    {
        var indices = new int[count];
        for (int i = 0; i < count; i++) indices[i] = i;
        return indices;
    }
}
