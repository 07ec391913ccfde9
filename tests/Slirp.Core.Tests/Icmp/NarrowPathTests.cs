using Slirp.Core.Udp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Icmp;

/// <summary>Datagrams to who is behind a guest that routes over a narrower link: of IPv6 only the source may fragment them, and
/// that is us (RFC 8200 section 5, RFC 8201 section 4).</summary>
public sealed class NarrowPathTests
{
    private const int Whole = 1452; // octets of UDP payload in a packet of 1500
    private const int Narrow = 1400;

    private static readonly IpEndpoint Guest = FrameFactory.Endpoint("fd77::2", 5000), Server = FrameFactory.Endpoint("2001:db8::7", 4000);
    private static readonly IpAddress Router = IpAddress.Parse("fd00::100");

    private readonly StackHarness _stack = new((_, _, _, _, _, _, _) => new FakeGuestServices());
    private readonly FakeSocket _socket;

    public NarrowPathTests()
    {
        Says(FrameFactory.Udp(Guest, Server, "question"u8));
        _socket = _stack.Host.Last;
    }

    [Fact]
    public void What_is_too_large_for_a_link_behind_the_guest_goes_on_in_fragments()
    {
        byte[] whole = Octets(Assert.Single(Hears(Whole)));
        Says(TooBig(whole, Narrow));
        AreFragments(Hears(Whole), Narrow, Whole);
        Assert.False(Assert.Single(Hears(Narrow - 48)).IsFragment);
        Assert.Equal(0, _stack.Counters.Dropped(DropReason.IcmpNotSupported));
        AreFragments(Hears(Whole), Narrow, Whole);
    }

    /// <summary>More than this link takes was in fragments from the start, which are too large as well.</summary>
    [Fact]
    public void Fragments_become_smaller()
    {
        List<SentPacket> large = Hears(5000);
        Says(TooBig(Octets(large[1]), Narrow)); // says nothing of whose it is
        Assert.Equal(1, _stack.Counters.Dropped(DropReason.IcmpNotSupported));
        Says(TooBig(Octets(large[0]), Narrow));
        AreFragments(Hears(5000), Narrow, 5000);
    }

    [Fact]
    public void A_train_is_cut_by_us_if_its_datagrams_do_not_pass()
    {
        _socket.DeliverDatagram(Server, FrameFactory.Pattern(3 * Whole), segmentSize: Whole);
        _stack.Turn();
        Says(TooBig(Octets(Assert.Single(_stack.Host.TakePackets())), Narrow));
        _socket.DeliverDatagram(Server, FrameFactory.Pattern(3 * Whole), segmentSize: Whole);
        _stack.Turn();
        List<SentPacket> pieces = _stack.Host.TakePackets();
        Assert.All(pieces, static piece => Assert.InRange(piece.IpLength, 1, Narrow));
        Assert.Equal(3, SentPacket.Reassemble(pieces).Count);
        _socket.DeliverDatagram(Server, FrameFactory.Pattern(3000), segmentSize: 1000);
        _stack.Turn();
        Assert.Equal(VirtioGsoType.UdpL4, Assert.Single(_stack.Host.TakePackets()).Virtio.GsoType);
    }

    [Fact]
    public void Echo_replies_are_no_larger()
    {
        Says(FrameFactory.Echo(Guest.Address, Server.Address, 7, 1, "x"u8));
        FakeSocket socket = _stack.Host.Last;
        byte[] reply = FrameFactory.EchoMessage(Server.Address, Guest.Address, 7, 1, FrameFactory.Pattern(Whole), isReply: true);
        Says(TooBig(Octets(Assert.Single(Replies())), Narrow));
        List<SentPacket> pieces = Replies();
        Assert.All(pieces, static piece => Assert.InRange(piece.IpLength, 1, Narrow));
        Assert.Equal(reply.Length, Assert.Single(SentPacket.Reassemble(pieces)).Upper.Length);

        List<SentPacket> Replies()
        {
            socket.DeliverDatagram(Server with { Port = 0 }, reply);
            _stack.Turn();
            return _stack.Host.TakePackets();
        }
    }

    [Fact]
    public void So_is_what_comes_through_a_forward()
    {
        IpEndpoint server = FrameFactory.Endpoint("fd77::2", 53), client = FrameFactory.Endpoint("2001:db8::9", 4001);
        Assert.True(new FakeWorld(_stack.Host).OpenUdp(AddressFamily.Ipv6, null, default, out HostSocket socket).IsOk);
        var port = new UdpForwardPort(socket, FrameFactory.Endpoint("::", 8053), server);
        _stack.Forwards.Add(port);
        Says(TooBig(Octets(Assert.Single(Comes())), Narrow));
        AreFragments(Comes(), Narrow, Whole);

        List<SentPacket> Comes()
        {
            _stack.Host.Last.DeliverDatagram(client, FrameFactory.Pattern(Whole), localAddress: IpAddress.Parse("2001:db8::1"));
            _stack.Forwards.OnReadable(port, _stack.Now);
            return _stack.Host.TakePackets();
        }
    }

    /// <summary>RFC 8200 section 5: no link of IPv6 is narrower.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(68u)]
    [InlineData(1279u)]
    public void Nothing_is_cut_smaller_than_it_must_be(uint mtu)
    {
        Says(TooBig(Octets(Assert.Single(Hears(Whole))), mtu));
        AreFragments(Hears(Whole), 1280, Whole);
        Assert.False(Assert.Single(Hears(1232)).IsFragment);
    }

    [Fact]
    public void It_is_forgotten_after_ten_minutes_and_learnt_again()
    {
        byte[] whole = Octets(Assert.Single(Hears(Whole)));
        Says(TooBig(whole, Narrow));
        for (int minute = 0; minute < 9; minute++)
        {
            _stack.Advance(TimeSpan.FromMinutes(1));
            AreFragments(Hears(Whole), Narrow, Whole);
        }
        _stack.Advance(TimeSpan.FromMinutes(1));
        Assert.False(Assert.Single(Hears(Whole)).IsFragment);
        Says(TooBig(whole, Narrow));
        AreFragments(Hears(Whole), Narrow, Whole);
    }

    public static TheoryData<string, int, byte> Forgeries => new()
    {
        { "a guest that has no such conversation", 39, 0x33 },
        { "a port that has none", 43, 0x33 },
        { "another protocol", 6, 132 },
        { "another family", 0, 0x45 },
        { "what would have passed", 4, 4 },
        { "who did not send it", 23, 0x33 },
    };

    [Theory]
    [MemberData(nameof(Forgeries))]
    public void One_about_something_else_is_dropped(string why, int at, byte octet)
    {
        byte[] whole = Octets(Assert.Single(Hears(Whole)));
        byte[] forged = [.. whole];
        forged[at] = octet;
        Says(FrameFactory.Packet(Router, Server.Address, IpProtocol.Icmpv6, FrameFactory.IcmpMessage(Router, Server.Address, 2, 0, Narrow, forged)));
        for (int length = 0; length < 48; length++) Says(TooBig(whole.AsSpan(0, length), Narrow));
        Says(TooBig(whole, 1500));
        Says(TooBig(whole, uint.MaxValue));
        Assert.False(Assert.Single(Hears(Whole)).IsFragment, why);
        Assert.Equal(51, _stack.Counters.Dropped(DropReason.IcmpNotSupported));
    }

    /// <summary>However many addresses a guest speaks from.</summary>
    [Fact]
    public void Only_so_many_are_known()
    {
        const int Known = 64;
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(_stack.Sender.TryNarrow(Guest.Address with { Low = (ulong)i }, Narrow, _stack.Now));
            _stack.Advance(TimeSpan.FromMilliseconds(1));
        }
        for (int i = 0; i < 1000; i++)
            Assert.Equal(i < 1000 - Known ? 1500 : Narrow, _stack.Sender.MtuTo(Guest.Address with { Low = (ulong)i }, _stack.Now));
    }

    private List<SentPacket> Hears(int length)
    {
        _socket.DeliverDatagram(Server, FrameFactory.Pattern(length));
        _stack.Turn();
        return _stack.Host.TakePackets();
    }

    private static void AreFragments(List<SentPacket> pieces, int mtu, int length)
    {
        Assert.All(pieces, piece => Assert.InRange(piece.IpLength, 1, mtu));
        SentPacket whole = Assert.Single(SentPacket.Reassemble(pieces));
        Assert.True(whole.UdpPayload.SequenceEqual(FrameFactory.Pattern(length)));
    }

    private static byte[] Octets(SentPacket packet) => packet.Octets[(VirtioNetHeader.Length + EthernetView.HeaderLength)..];

    /// <summary>From a router of the guest's, to whom the packet seemed to come from; quoted as far as there is room.</summary>
    private static byte[] TooBig(ReadOnlySpan<byte> packet, uint mtu)
    {
        IpAddress to = packet.Length < 24 ? Server.Address : IpAddress.ReadIpv6(packet[8..]);
        byte[] message = FrameFactory.IcmpMessage(Router, to, 2, 0, mtu, packet[..Math.Min(packet.Length, 1232)]);
        return FrameFactory.Packet(Router, to, IpProtocol.Icmpv6, message);
    }

    private void Says(byte[] packet)
    {
        _stack.InjectPacket(packet);
        _stack.Turn();
    }
}
