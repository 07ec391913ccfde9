using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Icmp;

/// <summary>ICMP errors of the guest's as frames: which are taken for one about a segment of ours.</summary>
public sealed class GuestErrorMessageTests
{
    private const int Mss = 1400, NarrowMtu = 1300;

    private readonly StackHarness _stack = new(
        (_, _, _, _, _, _, _) => new FakeGuestServices(), new StackOptions { Offloads = LinkOffloads.None });
    private IpEndpoint _guest, _server;
    private byte[] _segment = [];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_that_quotes_a_segment_under_way_is_heeded(bool v4)
    {
        Begins(v4);
        Says(TooBig(_guest.Address, _server.Address, _segment.AsSpan(0, (v4 ? 20 : 40) + 8)));
        List<SentPacket> again = _stack.Host.TakePackets();
        Assert.Equal(Mss, again.Sum(packet => packet.TcpPayload.Length));
        Assert.All(again, packet => Assert.InRange(packet.IpLength, 1, NarrowMtu));
        Assert.Equal(0, _stack.Counters.Dropped(DropReason.IcmpNotSupported));
    }

    /// <summary>RFC 792: the header and eight octets; a router that quotes less than that is not understood.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void One_that_quotes_too_little_is_dropped(bool v4)
    {
        Begins(v4);
        int needed = (v4 ? 20 : 40) + 8;
        for (int length = 0; length < needed; length++) Says(TooBig(_guest.Address, _server.Address, _segment.AsSpan(0, length)));
        IsIgnored(needed);
    }

    /// <summary>It is sent to whom the segment seemed to come from, who is the only one that it means.</summary>
    [Theory]
    [InlineData(true, "192.0.2.8")]
    [InlineData(true, "10.0.2.2")]
    [InlineData(false, "2001:db8::8")]
    public void One_to_somebody_else_is_dropped(bool v4, string to)
    {
        Begins(v4);
        Says(TooBig(_guest.Address, IpAddress.Parse(to), _segment));
        IsIgnored(1);
    }

    [Theory]
    [InlineData(9, 17)] // another protocol
    [InlineData(6, 0x20)] // a later fragment
    [InlineData(7, 1)]
    [InlineData(0, 0x60)] // the other family
    [InlineData(0, 0x44)] // a header that is too short
    [InlineData(20, 1)] // another port
    [InlineData(23, 1)]
    [InlineData(19, 1)] // another guest
    public void One_that_quotes_something_else_is_dropped(int at, byte octet)
    {
        Begins(v4: true);
        byte[] other = [.. _segment];
        other[at] = octet;
        if (at == 6) other[7] = 1;
        Says(TooBig(_guest.Address, _server.Address, other));
        IsIgnored(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_wrong_checksum_is_no_error_of_the_guest_s(bool v4)
    {
        Begins(v4);
        byte[] packet = TooBig(_guest.Address, _server.Address, _segment);
        packet[(v4 ? 20 : 40) + 2] ^= 1;
        Says(packet);
        Assert.Empty(_stack.Host.Frames);
        Assert.Equal(1, _stack.Counters.Dropped(DropReason.BadIcmpChecksum));
    }

    /// <summary>A connection over which the server has said one segment, which the guest has not acknowledged.</summary>
    private void Begins(bool v4)
    {
        _guest = FrameFactory.Endpoint(v4 ? "10.0.2.100" : "fd00::100", 40000);
        _server = FrameFactory.Endpoint(v4 ? "192.0.2.7" : "2001:db8::7", 80);
        Sends(new TcpFields(_guest.Port, _server.Port, new SequenceNumber(1), default, TcpFlags.Syn, 65535));
        FakeSocket socket = _stack.Host.Last;
        socket.CompleteConnect();
        _stack.Turn();
        SequenceNumber seen = Assert.Single(_stack.Host.TakePackets()).Tcp.Sequence + 1;
        Sends(new TcpFields(_guest.Port, _server.Port, new SequenceNumber(2), seen, TcpFlags.Ack, 65535));
        socket.Deliver(FrameFactory.Pattern(Mss));
        _stack.Turn();
        byte[] frame = Assert.Single(_stack.Host.Frames);
        _segment = frame[(VirtioNetHeader.Length + EthernetView.HeaderLength)..];
        _stack.Host.Frames.Clear();
    }

    private void Sends(in TcpFields fields) =>
        Says(FrameFactory.Tcp(_guest.Address, _server.Address, fields, (fields.Flags & TcpFlags.Syn) != 0 ? new TcpOptions { Mss = Mss } : default));

    private void Says(byte[] packet)
    {
        _stack.InjectPacket(packet);
        _stack.Turn();
    }

    private void IsIgnored(int count)
    {
        Assert.Empty(_stack.Host.Frames);
        Assert.Equal(count, _stack.Counters.Dropped(DropReason.IcmpNotSupported));
    }

    private static byte[] TooBig(IpAddress from, IpAddress to, ReadOnlySpan<byte> quoted)
    {
        bool v4 = from.IsIpv4;
        byte[] message = FrameFactory.IcmpMessage(from, to, v4 ? (byte)3 : (byte)2, v4 ? (byte)4 : (byte)0, NarrowMtu, quoted);
        return FrameFactory.Packet(from, to, v4 ? IpProtocol.Icmp : IpProtocol.Icmpv6, message);
    }
}
