using System.Text;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.Simulation.Tests.Fuzz;

/// <summary>One connection between an honest guest and an honest host, that must not notice what everybody else does.</summary>
internal sealed class ControlConnection(StackHarness stack, Action look)
{
    public static IpEndpoint Guest { get; } = FrameFactory.Endpoint("10.0.2.77", 7777);

    private static readonly IpEndpoint Server = FrameFactory.Endpoint("203.0.113.7", 7);

    private readonly List<byte[]> _echoed = [];
    private SequenceNumber _next = new(1), _seen;
    private int _count;

    public FakeSocket Socket { get; private set; } = null!;

    public void Open()
    {
        stack.Host.ConnectOutcome = static _ => HostError.InProgress;
        Send(TcpFlags.Syn);
        _next += 1;
        Socket = stack.Host.Last;
        Socket.CompleteConnect();
        stack.Turn();
        look();
        Send(TcpFlags.Ack);
    }

    /// <summary>Takes a packet that came for it.</summary>
    public void OnPacket(SentPacket packet)
    {
        TcpView tcp = packet.Tcp;
        if ((tcp.Flags & TcpFlags.Rst) != 0) throw new InvalidOperationException("the control connection was reset");
        if ((tcp.Flags & TcpFlags.Syn) != 0)
        {
            _seen = tcp.Sequence + 1;
        }
        else if (tcp.Sequence == _seen && packet.TcpPayload.Length > 0) // else again, or a probe
        {
            _echoed.Add(packet.TcpPayload.ToArray());
            _seen += packet.TcpPayload.Length;
        }
    }

    /// <summary>A few octets to the host and back.</summary>
    /// <param name="when">For the complaint, should they not arrive.</param>
    public void Echo(string when)
    {
        stack.Host.LinkResult = LinkResult.Ok;
        byte[] message = Encoding.ASCII.GetBytes($"ping {++_count}");
        long before = Socket.SentCount;
        Send(TcpFlags.Ack | TcpFlags.Psh, message);
        _next += message.Length;
        if (Socket.SentCount != before + message.Length) throw new InvalidOperationException($"{when}: the control connection's host heard nothing");
        _echoed.Clear();
        Socket.Deliver(message);
        for (int tries = 0; tries < 50 && _echoed.Count == 0; tries++)
        {
            stack.Turn();
            look();
            if (_echoed.Count == 0) stack.Advance(TimeSpan.FromMilliseconds(200)); // memory may be short
        }
        bool isRight = _echoed.Count == 1 && _echoed[0].AsSpan().SequenceEqual(message);
        if (!isRight) throw new InvalidOperationException($"{when}: the control connection is mute");
        Send(TcpFlags.Ack);
    }

    private void Send(TcpFlags flags, ReadOnlySpan<byte> payload = default)
    {
        var fields = new TcpFields(Guest.Port, Server.Port, _next, _seen, flags, 65535);
        stack.InjectPacket(FrameFactory.Tcp(Guest.Address, Server.Address, fields, default, payload));
        stack.Turn();
        look();
    }
}
