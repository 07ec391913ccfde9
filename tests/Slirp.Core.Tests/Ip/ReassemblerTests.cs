using Slirp.Core.Ip;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Ip;

public sealed class ReassemblerTests
{
    private readonly ReassemblerHarness _h = new();

    [Theory]
    [InlineData(true, 1473, 1500)]
    [InlineData(true, 65507, 1500)]
    [InlineData(true, 65507, 65520)]
    [InlineData(true, 65507, 28)] // eight octets each
    [InlineData(false, 1453, 1500)]
    [InlineData(false, 65527, 1500)]
    [InlineData(false, 65527, 56)]
    public void Fragments_in_order_make_the_packet_again(bool v4, int payload, int mtu)
    {
        byte[] packet = ReassemblerHarness.Packet(v4, payload);
        byte[]? whole = _h.AddAll(FragmentFactory.Split(packet, mtu, 0x1234));
        Assert.Equal(packet, whole);
        _h.AssertNothingHeld();
        Assert.Equal(0, _h.Counters.DroppedInAll());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Any_order_with_any_duplicates_makes_the_packet_again(bool v4)
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        for (int round = 0; round < 200; round++)
        {
            byte[] packet = ReassemblerHarness.Packet(v4, random.Next(2_000, 20_000), round);
            List<byte[]> fragments = FragmentFactory.Split(packet, random.Next(68, 1500), (uint)round);
            byte[][] order = [.. fragments];
            random.Shuffle(order);
            byte[]? whole = null;
            for (int i = 0; i < order.Length; i++)
            {
                Assert.True(whole is null, $"seed {seed}");
                whole = _h.Add(order[i]);
                if (whole is null && random.Next(3) == 0) Assert.Null(_h.Add(order[random.Next(i + 1)]));
            }
            Assert.True(packet.AsSpan().SequenceEqual(whole), $"seed {seed}, round {round}");
        }
        _h.AssertNothingHeld();
        Assert.Equal(0, _h.Counters.DroppedInAll());
    }

    [Fact]
    public void Many_packets_at_once_are_kept_apart()
    {
        var packets = new List<byte[]>();
        var fragments = new List<byte[]>();
        for (int i = 0; i < 30; i++)
        {
            byte[] packet = ReassemblerHarness.Packet(i % 2 == 0, 5_000, i);
            packets.Add(packet);
            fragments.AddRange(FragmentFactory.Split(packet, 1500, (uint)(i / 2)));
        }
        byte[][] order = [.. fragments];
        new Random(7).Shuffle(order);
        var whole = new List<byte[]>();
        foreach (byte[] fragment in order)
            if (_h.Add(fragment) is { } packet) whole.Add(packet);
        Assert.Equal(30, whole.Count);
        foreach (byte[] packet in packets) Assert.Contains(whole, w => w.AsSpan().SequenceEqual(packet));
        _h.AssertNothingHeld();
    }

    [Fact]
    public void Ids_are_told_apart_by_protocol_and_addresses()
    {
        byte[] udp = ReassemblerHarness.Packet(true, 3_000, 1);
        byte[] other = FrameFactory.Udp(ReassemblerHarness.Guest, FrameFactory.Endpoint("192.0.2.8", 4000), FrameFactory.Pattern(3_000, 2));
        byte[] echo = FrameFactory.Echo(ReassemblerHarness.Guest.Address, ReassemblerHarness.Server.Address, 1, 1, FrameFactory.Pattern(3_000, 3));
        List<byte[]>[] all = [FragmentFactory.Split(udp, 1500, 9), FragmentFactory.Split(other, 1500, 9), FragmentFactory.Split(echo, 1500, 9)];
        var whole = new List<byte[]?>();
        for (int i = 0; i < all[0].Count; i++)
            foreach (List<byte[]> fragments in all) whole.Add(_h.Add(fragments[i]));
        Assert.Equal([udp, other, echo], whole[^3..]);
        Assert.All(whole[..^3], Assert.Null);
    }

    [Fact]
    public void The_first_fragment_decides_the_header()
    {
        byte[] packet = FrameFactory.Udp(ReassemblerHarness.Guest, ReassemblerHarness.Server, FrameFactory.Pattern(2_000), trafficClass: 0x20, hopLimit: 9);
        List<byte[]> fragments = FragmentFactory.Split(packet, 1500, 5);
        byte[] later = FrameFactory.Udp(ReassemblerHarness.Guest, ReassemblerHarness.Server, default, trafficClass: 0x40, hopLimit: 200);
        byte[] second = FragmentFactory.Piece(later, 1480, fragments[1].AsSpan(20), false, 5);
        Assert.Null(_h.Add(second));
        Assert.Equal(packet, _h.Add(fragments[0]));
    }

    [Fact]
    public void Options_of_the_first_fragment_are_kept_and_df_is_not()
    {
        byte[] packet = ReassemblerHarness.Packet(true, 2_000);
        List<byte[]> fragments = FragmentFactory.Split(packet, 1500, 5);
        byte[] first = WithOptions(fragments[0], [7, 7, 4, 0, 0, 0, 0, 1]);
        first[6] |= 0x40; // DF and MF together: accepted (scenario F9)
        FixChecksum(first, 28);
        Assert.Null(_h.Add(first));
        byte[]? whole = _h.Add(fragments[1]);
        Assert.NotNull(whole);
        Assert.Equal(packet.Length + 8, whole.Length);
        Assert.True(Ipv4View.TryParse(whole, out Ipv4View ip));
        Assert.True(ip.HasValidChecksum);
        Assert.False(ip.IsFragment || ip.DontFragment);
        Assert.True(ip.Options.SequenceEqual(new byte[] { 7, 7, 4, 0, 0, 0, 0, 1 }));
        Assert.True(ip.Payload.SequenceEqual(packet.AsSpan(20)));
    }

    [Fact]
    public void Headers_before_and_behind_the_fragment_header_stay()
    {
        byte[] udp = ReassemblerHarness.Packet(false, 2_000);
        // hop-by-hop | fragment | destination options | udp, options being one PadN each
        byte[] hopByHop = [44, 0, 1, 4, 0, 0, 0, 0];
        byte[] fragmentable = [17, 0, 1, 4, 0, 0, 0, 0, .. udp.AsSpan(40)];
        byte[] Fragment(int from, int to, bool more)
        {
            byte[] header = [60, 0, (byte)(from >> 8), (byte)(from | (more ? 1 : 0)), 0, 0, 0, 7];
            return FrameFactory.Packet(
                ReassemblerHarness.Guest6.Address, ReassemblerHarness.Server6.Address, IpProtocol.HopByHop,
                (byte[])[.. hopByHop, .. header, .. fragmentable.AsSpan(from, to - from)]);
        }
        Assert.Null(_h.Add(Fragment(1024, fragmentable.Length, false)));
        byte[]? whole = _h.Add(Fragment(0, 1024, true));
        byte[] expected = FrameFactory.Packet(
            ReassemblerHarness.Guest6.Address, ReassemblerHarness.Server6.Address, IpProtocol.HopByHop,
            (byte[])[60, .. hopByHop.AsSpan(1), .. fragmentable]);
        Assert.Equal(expected, whole);
    }

    [Fact]
    public void An_atomic_fragment_passes_whatever_waits_under_its_id()
    {
        byte[] packet = ReassemblerHarness.Packet(false, 2_000);
        List<byte[]> fragments = FragmentFactory.Split(packet, 1500, 7);
        Assert.Null(_h.Add(fragments[0]));
        byte[] small = ReassemblerHarness.Packet(false, 100, 3);
        Assert.Equal(small, _h.Add(FragmentFactory.Piece(small, 0, small.AsSpan(40), false, 7)));
        Assert.Equal(packet, _h.Add(fragments[1]));
        _h.AssertNothingHeld();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_does_not_complete_expires_and_says_so(bool v4)
    {
        byte[] packet = ReassemblerHarness.Packet(v4, 3_000);
        List<byte[]> fragments = FragmentFactory.Split(packet, 1500, 5);
        Assert.Null(_h.Add(fragments[0]));
        _h.Wait(29.9);
        Assert.Equal(1, _h.Count);
        _h.Wait(0.2);
        _h.AssertNothingHeld();
        Assert.Equal(1, _h.Counters.Dropped(DropReason.FragmentExpired));
        SentPacket error = Assert.Single(_h.Host.TakePackets());
        Assert.Equal(v4 ? (11, 1) : (3, 1), (error.IcmpType, error.IcmpCode));
        Assert.True(error.IcmpBody.SequenceEqual(fragments[0].AsSpan(0, v4 ? 548 : 1232)));
    }

    [Fact]
    public void Without_the_first_fragment_expiry_is_silent()
    {
        List<byte[]> fragments = FragmentFactory.Split(ReassemblerHarness.Packet(true, 5_000), 1500, 5);
        Assert.Null(_h.AddAll(fragments[1..]));
        _h.Wait(31);
        _h.AssertNothingHeld();
        Assert.Empty(_h.Host.Frames);
        Assert.Null(_h.Add(fragments[0])); // too late: it starts another
        Assert.Equal(1, _h.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_hundred_thousand_ids_stay_within_the_caps(bool v4)
    {
        var h = new ReassemblerHarness(poison: false);
        byte[] packet = ReassemblerHarness.Packet(v4, 64);
        for (uint id = 0; id < 100_000; id++)
        {
            Assert.Null(h.Add(FragmentFactory.Piece(packet, 0, packet.AsSpan(v4 ? 20 : 40, 16), true, id)));
            if (v4 && id == 65_535) break; // all there are
            Assert.True(h.Count <= 64 && h.Pool.InUse <= 64 && h.Timers.Count <= 64);
        }
        Assert.Equal(64, h.Count);
        Assert.Equal((v4 ? 65_536 : 100_000) - 64, h.Counters.Dropped(DropReason.FragmentEvicted));
        h.Wait(30.1);
        h.AssertNothingHeld();
    }

    [Fact]
    public void The_oldest_makes_room()
    {
        var h = new ReassemblerHarness(new DatagramLimits { FragmentContexts = 2 });
        byte[] packet = ReassemblerHarness.Packet(true, 2_000);
        List<byte[]>[] all = [FragmentFactory.Split(packet, 1500, 1), FragmentFactory.Split(packet, 1500, 2), FragmentFactory.Split(packet, 1500, 3)];
        foreach (List<byte[]> fragments in all) Assert.Null(h.Add(fragments[0]));
        Assert.Equal(packet, h.Add(all[1][1]));
        Assert.Equal(packet, h.Add(all[2][1]));
        Assert.Null(h.Add(all[0][1]));
        h.CloseAll();
        h.AssertNothingHeld();
    }

    private static byte[] WithOptions(byte[] packet, byte[] options)
    {
        byte[] longer = [.. packet.AsSpan(0, 20), .. options, .. packet.AsSpan(20)];
        longer[0] = (byte)(0x40 | (20 + options.Length) / 4);
        longer[2] = (byte)(longer.Length >> 8);
        longer[3] = (byte)longer.Length;
        return longer;
    }

    private static void FixChecksum(byte[] packet, int headerLength)
    {
        packet[10] = packet[11] = 0;
        int sum = ~FrameFactory.SlowSum(packet.AsSpan(0, headerLength));
        packet[10] = (byte)(sum >> 8);
        packet[11] = (byte)sum;
    }
}
