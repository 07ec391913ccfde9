using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>A TCP connection of a station without a kernel: it sends the segments that a test wants sent, and keeps note of
/// what the other end says.</summary>
internal sealed class BotConnection
{
    private const int EthernetLength = 14, SecondsOfPatience = 60;

    private readonly RawLink _link;
    private readonly ushort _port, _remotePort;
    private readonly byte[] _buffer = new byte[70_000];
    private readonly List<byte> _received = [];

    private BotConnection(RawLink link, ushort port, ushort remotePort, uint initial)
    {
        (_link, _port, _remotePort) = (link, port, remotePort);
        Initial = new SequenceNumber(initial);
    }

    /// <summary>The number of our SYN.</summary>
    public SequenceNumber Initial { get; }

    /// <summary>The next octet expected of the other end, its FIN included.</summary>
    public SequenceNumber Expected { get; private set; }

    public SequenceNumber Acknowledged { get; private set; }

    public bool IsFinished { get; private set; }

    public bool IsReset { get; private set; }

    /// <summary>Segments without payload, SYN or FIN so far: acknowledgments, challenges among them.</summary>
    public int BareAcknowledgments { get; private set; }

    public ReadOnlySpan<byte> Received => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_received);

    /// <summary>What our acknowledgments say of our window.</summary>
    public ushort Window { get; set; } = 0xffff;

    public static BotConnection Open(RawLink link, int port, int remotePort, uint initial, TcpOptions options = default)
    {
        var bot = new BotConnection(link, (ushort)port, (ushort)remotePort, initial);
        bot.Send(bot.Initial, TcpFlags.Syn, [], options);
        bot.Until(() => bot.Acknowledged == bot.Initial + 1, "the SYN's acknowledgment");
        bot.Acknowledge();
        return bot;
    }

    /// <summary>Sends octets of the stream: the first has offset 0.</summary>
    public void SendAt(int offset, ReadOnlySpan<byte> payload, TcpFlags flags = TcpFlags.Psh, int urgent = 0) =>
        Send(Initial + 1 + offset, flags | TcpFlags.Ack, payload, default, urgent);

    public void Acknowledge() => Send(Initial + 1, TcpFlags.Ack, []);

    public void Send(SequenceNumber sequence, TcpFlags flags, ReadOnlySpan<byte> payload, TcpOptions options = default, int urgent = 0)
    {
        var fields = new TcpFields(_port, _remotePort, sequence, Expected, flags, Window);
        byte[] packet = FrameFactory.Tcp(
            IpAddress.Parse(Packets.Bot4), IpAddress.Parse(Packets.Gateway4), fields, options, payload);
        _link.SendPacket(urgent == 0 ? packet : TcpAttacks.WithUrgent(packet, urgent));
        if (_link.Refused > 0) throw new EndToEndException($"the guest's kernel did not let out a segment of {payload.Length} octets");
    }

    /// <summary>Takes in what comes until something has become true.</summary>
    public void Until(Func<bool> isSo, string what)
    {
        for (int silence = 0; !isSo();)
        {
            int length = _link.Receive(_buffer);
            if (length == 0 && ++silence > SecondsOfPatience) throw new EndToEndException($"hung, waiting for {what}");
            // Frames are lost between the interface and us when we are slow; an old number is answered with the right one.
            if (length == 0) Send(Initial, TcpFlags.Ack, []);
            if (length > EthernetLength) TakeIn(_buffer.AsSpan(EthernetLength, length - EthernetLength));
        }
    }

    private void TakeIn(ReadOnlySpan<byte> packet)
    {
        if (!Ipv4View.TryParse(packet, out Ipv4View ip) || ip.Protocol != IpProtocol.Tcp) return;
        if (!TcpView.TryParse(ip.Payload, out TcpView tcp) || tcp.DestinationPort != _port || tcp.SourcePort != _remotePort) return;
        if ((tcp.Flags & TcpFlags.Rst) != 0) IsReset = true;
        if ((tcp.Flags & TcpFlags.Ack) != 0) Acknowledged = tcp.Acknowledgment;
        if ((tcp.Flags & TcpFlags.Syn) != 0) Expected = tcp.Sequence + 1;
        if ((tcp.Flags & (TcpFlags.Syn | TcpFlags.Fin | TcpFlags.Rst)) == 0 && tcp.Payload.IsEmpty) BareAcknowledgments++;
        if (tcp.Sequence != Expected) return; // out of order or again
        _received.AddRange(tcp.Payload);
        Expected += tcp.Payload.Length;
        if ((tcp.Flags & TcpFlags.Fin) == 0 || IsFinished) return;
        Expected += 1;
        IsFinished = true;
    }
}
