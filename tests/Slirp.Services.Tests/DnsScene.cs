using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>The DNS part of a scene: the guest asks, scripted resolvers answer.</summary>
internal static class DnsScene
{
    public static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 40_000);
    public static readonly IpEndpoint Server = FrameFactory.Endpoint("10.0.2.3", 53);
    public static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::55:aff:fe00:264", 40_000);
    public static readonly IpEndpoint Server6 = FrameFactory.Endpoint("fd00::3", 53);

    public static void Query(this Scene scene, byte[] query, IpEndpoint? from = null, IpEndpoint? to = null) =>
        Assert.True(scene.Udp(from ?? Guest, to ?? Server, query));

    /// <summary>Everything sent upstream so far: which resolver, what, through which socket; oldest first.</summary>
    public static List<(IpEndpoint To, byte[] Query, FakeSocket Socket)> Upstream(this Scene scene)
    {
        var sent = new List<(IpEndpoint, byte[], FakeSocket)>();
        foreach (FakeSocket socket in scene.Host.Sockets)
            foreach (SentDatagram datagram in socket.Datagrams) sent.Add((datagram.Destination, datagram.Payload, socket));
        return sent;
    }

    /// <summary>The resolvers asked so far, by the last digit of their address.</summary>
    public static string Asked(this Scene scene)
    {
        string asked = "";
        foreach ((IpEndpoint to, _, _) in scene.Upstream()) asked += to.Address.ToString()[^1];
        return asked;
    }

    public static void Deliver(this Scene scene, FakeSocket socket, byte[] answer)
    {
        socket.DeliverDatagram(socket.Peer!.Value, answer);
        scene.Pump();
    }

    /// <summary>The resolver answers what it was sent last.</summary>
    public static void AnswerLast(this Scene scene, int code = DnsMessage.NoError, int records = 1)
    {
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[^1];
        scene.Deliver(socket, DnsMessage.Answer(query, code, records));
    }

    /// <summary>The resolver is not there: ICMP port unreachable.</summary>
    public static void Unreachable(this Scene scene, FakeSocket socket)
    {
        var error = new HostIcmpError(socket.Peer!.Value, socket.Peer.Value.Address, 3, 3, 0, IsLocal: false);
        socket.DeliverError(error);
        scene.Pump();
    }

    /// <summary>A router says something of a query that was sent.</summary>
    public static void Hint(this Scene scene, FakeSocket socket, byte type, byte code, byte[] query)
    {
        var error = new HostIcmpError(socket.Peer!.Value, IpAddress.Parse("192.0.2.254"), type, code, 0, IsLocal: false);
        socket.DeliverError(error, query, HostError.HostUnreachable);
        scene.Pump();
    }

    /// <summary>The one answer there is; router advertisements, whose time may have come, are set aside.</summary>
    public static byte[] TakeAnswer(this Scene scene)
    {
        List<SentPacket> packets = scene.Host.TakePackets();
        packets.RemoveAll(static packet => packet.Protocol != IpProtocol.Udp);
        return Assert.Single(packets).UdpPayload.ToArray();
    }

    public static bool HasAnswer(this Scene scene) =>
        scene.Host.Frames.Exists(static frame => SentPacket.Parse(frame).Protocol == IpProtocol.Udp);
}

/// <summary>Resolvers that answer by a rule whenever they are given the time to.</summary>
/// <param name="rule">What to answer to a query at an address; null is silence.</param>
internal sealed class ScriptedResolvers(Scene scene, Func<IpEndpoint, byte[], byte[]?> rule)
{
    private readonly Dictionary<FakeSocket, int> _read = [];
    private int _firstOpen;

    public int Count { get; private set; }

    /// <summary>Answers what has come since the last time.</summary>
    public void Serve()
    {
        for (int i = _firstOpen; i < scene.Host.Sockets.Count; i++)
        {
            FakeSocket socket = scene.Host.Sockets[i];
            if (!socket.IsOpen)
            {
                if (i == _firstOpen) _firstOpen++;
                continue;
            }
            int read = _read.GetValueOrDefault(socket);
            _read[socket] = socket.Datagrams.Count;
            for (; read < socket.Datagrams.Count; read++)
            {
                Count++;
                if (rule(socket.Datagrams[read].Destination, socket.Datagrams[read].Payload) is { } answer)
                    socket.DeliverDatagram(socket.Datagrams[read].Destination, answer);
            }
        }
        scene.Pump();
    }
}
