using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>A scripted host: which sockets were opened and what went through them, which frames went to the guest, and what
/// the next call shall answer.</summary>
/// <remarks>
/// Events are edges, as epoll(7) reports them with EPOLLET: a socket raises one when its state changes (and when it is
/// opened or adopted, for what is true already); raised events of one socket are merged until taken.
/// <see cref="TryTakeEvent"/> hands them to the loop under test. A socket that Core has closed raises nothing and any
/// call on it throws, so a use after close fails the test that did it.
/// </remarks>
public sealed class FakeHost
{
    private readonly Queue<FakeSocket> _raised = new();
    private int _open;

    /// <summary>Every socket ever opened, in order; the number in a <see cref="HostSocket"/> is the index here.</summary>
    public List<FakeSocket> Sockets { get; } = [];

    /// <summary>Frames sent to the guest, each from its virtio_net header on.</summary>
    public List<byte[]> Frames { get; } = [];

    /// <summary>Off: frames and octets are counted and not kept, so that a test may measure allocation.</summary>
    public bool Records { get; set; } = true;

    public long FrameCount { get; private set; }

    public long FrameOctets { get; private set; }

    /// <summary>What <see cref="Transmit"/> answers; frames are lost unless it is Ok.</summary>
    public LinkResult LinkResult { get; set; } = LinkResult.Ok;

    /// <summary>Sees every frame that went out whole: a link to somewhere else, a loss model, a probe.</summary>
    public Action<byte[]>? OnFrame { get; set; }

    /// <summary>What connect(2) says at once: InProgress (the script decides later), None (connected), or an error.</summary>
    public Func<IpEndpoint, HostError> ConnectOutcome { get; set; } = static _ => HostError.InProgress;

    public HostError OpenUdpOutcome { get; set; } = HostError.None;

    public HostError OpenPingOutcome { get; set; } = HostError.None;

    /// <summary>Sockets open at a time before NoDescriptors.</summary>
    public int DescriptorLimit { get; set; } = int.MaxValue;

    /// <summary>Sockets beyond that limit for those that may have them.</summary>
    public int ReserveCount { get; set; }

    public int OpenCount => _open;

    /// <summary>The socket opened last.</summary>
    public FakeSocket Last => Sockets[^1];

    /// <exception cref="InvalidOperationException">The socket was never opened, or is closed.</exception>
    public FakeSocket this[HostSocket socket]
    {
        get
        {
            if ((uint)socket.Value >= (uint)Sockets.Count) throw new InvalidOperationException($"no such socket: {socket}");
            FakeSocket found = Sockets[socket.Value];
            if (found.IsOpen) found.ThrowIfTold();
            return found.IsOpen ? found : throw new InvalidOperationException($"use after close: {socket}");
        }
    }

    /// <summary>Somebody outside connected to a listener: the socket that a forward would hand to Core.</summary>
    public FakeSocket Accept(IpEndpoint peer)
    {
        FakeSocket socket = Add(FakeSocketKind.Tcp, peer.Address.IsIpv4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6, default);
        socket.Peer = peer;
        socket.BeConnected();
        return socket;
    }

    /// <summary>Takes the merged events of one socket, oldest first; false if nothing is raised.</summary>
    public bool TryTakeEvent(out EventTarget target, out HostEvents events)
    {
        while (_raised.TryDequeue(out FakeSocket? socket))
        {
            events = socket.TakeRaised();
            target = socket.Owner;
            if (socket.IsOpen && events != HostEvents.None && target.Kind != EventKind.None) return true;
        }
        target = default;
        events = HostEvents.None;
        return false;
    }

    /// <summary>Takes the frames sent so far, parsed and checked.</summary>
    public List<SentPacket> TakePackets()
    {
        var packets = new List<SentPacket>(Frames.Count);
        foreach (byte[] frame in Frames) packets.Add(SentPacket.Parse(frame));
        Frames.Clear();
        return packets;
    }

    internal LinkResult Transmit(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload)
    {
        if (LinkResult != LinkResult.Ok) return LinkResult;
        FrameCount++;
        FrameOctets += headers.Length + payload.Length;
        if (!Records && OnFrame is null) return LinkResult.Ok;
        var frame = new byte[headers.Length + payload.Length];
        headers.CopyTo(frame);
        payload.CopyTo(frame.AsSpan(headers.Length));
        if (Records) Frames.Add(frame);
        OnFrame?.Invoke(frame);
        return LinkResult.Ok;
    }

    internal IoResult OpenTcp(IpEndpoint destination, EventTarget owner, out HostSocket socket)
    {
        socket = HostSocket.None;
        HostError outcome = _open >= DescriptorLimit ? HostError.NoDescriptors : ConnectOutcome(destination);
        if (outcome is not (HostError.None or HostError.InProgress)) return IoResult.Failed(outcome);
        FakeSocket opened = Add(FakeSocketKind.Tcp, destination.Address.IsIpv4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6, owner);
        opened.Peer = destination;
        socket = opened.Handle;
        if (outcome == HostError.InProgress) return IoResult.Failed(HostError.InProgress);
        opened.CompleteConnect();
        return IoResult.Ok;
    }

    internal IoResult Adopt(HostSocket accepted, EventTarget owner)
    {
        FakeSocket socket = this[accepted];
        socket.Owner = owner;
        socket.RaiseCurrent();
        return IoResult.Ok;
    }

    internal IoResult OpenUdp(AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket, bool fromReserve) =>
        OpenDatagram(
            FakeSocketKind.Udp, _open - (fromReserve ? ReserveCount : 0) >= DescriptorLimit ? HostError.NoDescriptors : OpenUdpOutcome,
            family, peer, owner, out socket);

    internal IoResult OpenPing(AddressFamily family, EventTarget owner, out HostSocket socket) =>
        OpenDatagram(
            FakeSocketKind.Ping, _open >= DescriptorLimit ? HostError.NoDescriptors : OpenPingOutcome, family, null, owner, out socket);

    internal void Close(HostSocket socket, bool reset)
    {
        FakeSocket closed = Sockets[socket.Value];
        if (!closed.IsOpen) throw new InvalidOperationException($"closed twice: {socket}");
        closed.BeClosed(reset);
        _open--;
    }

    internal void Raise(FakeSocket socket) => _raised.Enqueue(socket);

    private IoResult OpenDatagram(
        FakeSocketKind kind, HostError outcome, AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket)
    {
        socket = HostSocket.None;
        if (outcome != HostError.None) return IoResult.Failed(outcome);
        FakeSocket opened = Add(kind, family, owner);
        opened.Peer = peer;
        opened.RaiseCurrent();
        socket = opened.Handle;
        return IoResult.Ok;
    }

    private FakeSocket Add(FakeSocketKind kind, AddressFamily family, EventTarget owner)
    {
        var socket = new FakeSocket(this, new HostSocket(Sockets.Count), kind, family) { Owner = owner };
        Sockets.Add(socket);
        _open++;
        return socket;
    }
}
