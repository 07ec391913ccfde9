using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests;

/// <summary>An exception in the middle of one flow ends that flow and harms no other (issue 4, item 7).</summary>
public sealed class FaultTests : IDisposable
{
    private readonly StackHarness _stack = new((_, _, _, _, _, _, _) => new FakeGuestServices());

    public void Dispose()
    {
        _stack.CloseAll();
        Assert.Equal(0, _stack.Pool.InUse);
        Assert.Equal(0, _stack.Budget.Promised);
        Assert.Equal(0, _stack.Timers.Count);
        Assert.Equal(_stack.Counters.TcpFlowsOpened, _stack.Counters.TcpFlowsClosed);
        Assert.Equal(_stack.Counters.UdpMappingsOpened, _stack.Counters.UdpMappingsClosed);
    }

    private sealed class Peer(StackHarness stack, int port)
    {
        private readonly IpEndpoint _guest = FrameFactory.Endpoint("10.0.2.100", port), _server = FrameFactory.Endpoint("192.0.2.7", 80);
        private SequenceNumber _next = new((uint)port * 1000), _seen;

        public FakeSocket Socket { get; private set; } = null!;

        public void Connects()
        {
            Sends(TcpFlags.Syn);
            _next += 1;
            Socket = stack.Host.Last;
            Socket.CompleteConnect();
            stack.Turn();
            SentPacket synAck = SentPacket.Parse(stack.Host.Frames[^1]);
            _seen = synAck.Tcp.Sequence + 1;
            Sends(TcpFlags.Ack);
            stack.Host.Frames.Clear();
        }

        public void Says(string text)
        {
            Sends(TcpFlags.Ack, System.Text.Encoding.ASCII.GetBytes(text));
            _next += text.Length;
        }

        public void Hears(string text)
        {
            Socket.Deliver(System.Text.Encoding.ASCII.GetBytes(text));
            stack.Turn();
            SentPacket packet = Assert.Single(stack.Host.TakePackets(), p => p.Destination == _guest && p.TcpPayload.Length > 0);
            Assert.Equal(text, System.Text.Encoding.ASCII.GetString(packet.TcpPayload));
            _seen += text.Length;
            Sends(TcpFlags.Ack);
        }

        public void IsReset() =>
            Assert.Contains(stack.Host.TakePackets(), p => p.Destination == _guest && (p.Tcp.Flags & TcpFlags.Rst) != 0);

        private void Sends(TcpFlags flags, ReadOnlySpan<byte> payload = default)
        {
            var fields = new TcpFields(_guest.Port, _server.Port, _next, _seen, flags, 65535);
            stack.InjectPacket(FrameFactory.Tcp(_guest.Address, _server.Address, fields, default, payload));
            stack.Turn();
        }
    }

    private (Peer Faulty, Peer Other) TwoFlows()
    {
        Peer faulty = new(_stack, 1), other = new(_stack, 2);
        faulty.Connects();
        other.Connects();
        return (faulty, other);
    }

    private void OneFlowIsLeft(Peer other)
    {
        Assert.Equal(1, _stack.Counters.Faults);
        Assert.Contains("the kernel did what no manual says", Assert.Single(_stack.Reports));
        Assert.Equal(1, _stack.Tcp.Flows.Count);
        other.Says("still");
        Assert.Equal("still"u8, other.Socket.Sent);
        other.Hears("here");
    }

    [Fact]
    public void A_send_that_throws_while_a_frame_is_handled()
    {
        (Peer faulty, Peer other) = TwoFlows();
        faulty.Socket.Throws = true;
        faulty.Says("x");
        faulty.IsReset();
        Assert.True(faulty.Socket.WasReset);
        OneFlowIsLeft(other);
    }

    [Fact]
    public void A_receive_that_throws_in_a_flows_turn_leaves_the_turns_of_others()
    {
        (Peer faulty, Peer other) = TwoFlows();
        faulty.Socket.Throws = true;
        faulty.Socket.Deliver("x"u8);
        other.Hears("in the same turn");
        Assert.True(faulty.Socket.WasReset);
        OneFlowIsLeft(other);
    }

    [Fact]
    public void A_connect_that_throws_when_its_outcome_is_asked_for()
    {
        Peer other = new(_stack, 2);
        other.Connects();
        var syn = new TcpFields(3, 80, new SequenceNumber(1), default, TcpFlags.Syn, 1000);
        _stack.InjectPacket(FrameFactory.Tcp(FrameFactory.Endpoint("10.0.2.100", 3).Address, FrameFactory.Endpoint("192.0.2.7", 80).Address, syn));
        FakeSocket connecting = _stack.Host.Last;
        connecting.Throws = true;
        connecting.FailConnect(HostError.ConnectionRefused);
        _stack.Turn();
        Assert.True(connecting.WasReset);
        OneFlowIsLeft(other);
    }

    [Fact]
    public void A_flow_whose_reset_cannot_be_sent_either_is_gone_all_the_same()
    {
        (Peer faulty, Peer other) = TwoFlows();
        faulty.Socket.Throws = true;
        _stack.Host.OnFrame = _ => throw new InvalidOperationException("the link as well");
        faulty.Says("x");
        _stack.Host.OnFrame = null;
        _stack.Host.Frames.Clear();
        OneFlowIsLeft(other);
    }

    [Fact]
    public void A_datagram_socket_that_throws_costs_its_mapping()
    {
        IpEndpoint guest = FrameFactory.Endpoint("10.0.2.100", 1), server = FrameFactory.Endpoint("192.0.2.7", 9);
        _stack.InjectPacket(FrameFactory.Udp(guest, server, "x"u8));
        _stack.Turn();
        FakeSocket socket = _stack.Host.Last;
        socket.Throws = true;
        socket.DeliverDatagram(server, "y"u8);
        _stack.Turn();
        Assert.False(socket.IsOpen);
        Assert.Equal((1, 0), (_stack.Counters.Faults, _stack.Udp.Mappings.Count));
        _stack.InjectPacket(FrameFactory.Udp(guest, server, "again"u8));
        _stack.Turn();
        Assert.Equal("again"u8.ToArray(), Assert.Single(_stack.Host.Last.Datagrams).Payload);
        _stack.Host.Last.Throws = true;
        _stack.InjectPacket(FrameFactory.Udp(guest, server, "x"u8));
        _stack.Turn();
        Assert.Equal((2, 0), (_stack.Counters.Faults, _stack.Udp.Mappings.Count));
    }

    [Fact]
    public void A_thousand_faults_are_told_a_few_times()
    {
        for (int i = 0; i < 1000; i++) _stack.Dispatcher.OnHostEvents(new EventTarget(EventKind.None, i, 0), HostEvents.Readable, _stack.Now);
        Assert.Equal(1000, _stack.Counters.Faults);
        Assert.InRange(_stack.Reports.Count, 1, 5);
    }
}
