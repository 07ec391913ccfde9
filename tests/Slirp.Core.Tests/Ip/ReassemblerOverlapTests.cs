using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Ip;

/// <summary>Fragments that no honest sender makes (scenarios F1 to F6, F11).</summary>
public sealed class ReassemblerOverlapTests
{
    private readonly ReassemblerHarness _h = new();

    // A packet of 80 octets of payload (UDP header included): [0,24) [24,48) [48,80).
    public static TheoryData<string, int, int, bool> Overlaps => new()
    {
        { "the tail of one before it", 16, 16, true },
        { "the head of one behind it", 32, 24, true },
        { "inside another", 32, 8, true },
        { "around another", 16, 48, true },
        { "the same start, shorter", 24, 8, true },
        { "the same start, longer", 24, 32, true },
        { "the same end, shorter", 40, 8, true },
        { "two of them exactly", 0, 48, true },
        { "the last again, but not as the last", 48, 32, true },
        { "the last again, shorter", 48, 16, false },
        { "a last where the middle is", 24, 24, false },
    };

    [Theory]
    [MemberData(nameof(Overlaps))]
    public void An_overlap_kills_the_packet_and_what_comes_after(string why, int offset, int length, bool more)
    {
        foreach (bool v4 in new[] { true, false })
        {
            foreach (bool sameOctets in new[] { true, false })
            {
                var h = new ReassemblerHarness();
                byte[] packet = ReassemblerHarness.Packet(v4, 72);
                byte[] payload = packet[(v4 ? 20 : 40)..];
                byte[] first = FragmentFactory.Piece(packet, 0, payload.AsSpan(0, 24), true, 1);
                Assert.Null(h.Add(FragmentFactory.Piece(packet, 24, payload.AsSpan(24, 24), true, 1)));
                Assert.Null(h.Add(FragmentFactory.Piece(packet, 48, payload.AsSpan(48, 32), false, 1)));
                byte[] content = sameOctets ? payload[offset..(offset + length)] : FrameFactory.Pattern(length, 99);
                Assert.True(h.Add(FragmentFactory.Piece(packet, offset, content, more, 1)) is null, why);
                Assert.Equal(1, h.Counters.DroppedInAll());
                Assert.Equal(0, h.Pool.InUse);
                Assert.True(h.Add(first) is null, why);
                Assert.Equal(2, h.Counters.DroppedInAll());
                h.Wait(31);
                h.AssertNothingHeld();
                Assert.Empty(h.Host.Frames);
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_duplicate_with_other_octets_is_an_overlap(bool v4)
    {
        byte[] packet = ReassemblerHarness.Packet(v4, 72);
        byte[] payload = packet[(v4 ? 20 : 40)..];
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 0, payload.AsSpan(0, 24), true, 1)));
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 0, FrameFactory.Pattern(24, 5), true, 1)));
        Assert.Equal(1, _h.Counters.Dropped(DropReason.FragmentOverlap));
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 24, payload.AsSpan(24), false, 1)));
        Assert.Equal(2, _h.Counters.Dropped(DropReason.FragmentOverlap));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_killed_packet_comes_through_under_another_id(bool v4)
    {
        byte[] packet = ReassemblerHarness.Packet(v4, 72);
        byte[] payload = packet[(v4 ? 20 : 40)..];
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 0, payload.AsSpan(0, 24), true, 1)));
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 16, payload.AsSpan(16, 24), true, 1)));
        Assert.Equal(packet, _h.AddAll(FragmentFactory.Split(packet, 72, 2)));
    }

    public static TheoryData<string, int, int, bool> Malformed => new()
    {
        { "empty in the middle", 24, 0, true },
        { "empty at the end", 24, 0, false },
        { "not a multiple of 8 before the end", 24, 13, true },
        { "ping of death", 65_528, 24, false },
        { "one octet too many", 65_528, 8, false },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void What_cannot_be_a_fragment_is_refused_alone(string why, int offset, int length, bool more)
    {
        foreach (bool v4 in new[] { true, false })
        {
            var h = new ReassemblerHarness();
            byte[] packet = ReassemblerHarness.Packet(v4, 72);
            byte[] payload = packet[(v4 ? 20 : 40)..];
            byte[] bad = FragmentFactory.Piece(packet, offset, FrameFactory.Pattern(length), more, 1);
            Assert.Null(h.Add(FragmentFactory.Piece(packet, 0, payload.AsSpan(0, 24), true, 1)));
            Assert.True(h.Add(bad) is null, why);
            Assert.Equal(1, h.Counters.Dropped(DropReason.FragmentMalformed));
            Assert.Equal(1, h.Counters.DroppedInAll());
            Assert.Equal(packet, h.Add(FragmentFactory.Piece(packet, 24, payload.AsSpan(24), false, 1)));
            h.AssertNothingHeld();
        }
    }

    [Fact]
    public void An_impossible_length_is_a_parameter_problem_in_ipv6()
    {
        byte[] packet = ReassemblerHarness.Packet(false, 72);
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 0, FrameFactory.Pattern(13), true, 1)));
        SentPacket error = Assert.Single(_h.Host.TakePackets());
        Assert.Equal((4, 0, 4u), (error.IcmpType, error.IcmpCode, error.IcmpRest)); // the Payload Length field

        // "Never about a fragment but the first" outranks it.
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 65_528, FrameFactory.Pattern(16), false, 2)));
        Assert.Empty(_h.Host.Frames);
    }

    [Fact]
    public void Beyond_a_known_end_there_is_nothing()
    {
        byte[] packet = ReassemblerHarness.Packet(true, 72);
        byte[] payload = packet[20..];
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 24, payload.AsSpan(24, 24), false, 1)));
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 48, payload.AsSpan(48, 8), true, 1)));
        Assert.Equal(1, _h.Counters.Dropped(DropReason.FragmentMalformed));

        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 48, payload.AsSpan(48, 24), true, 2)));
        Assert.Null(_h.Add(FragmentFactory.Piece(packet, 24, payload.AsSpan(24, 16), false, 2)));
        Assert.Equal(2, _h.Counters.Dropped(DropReason.FragmentMalformed));
        Assert.Equal(0, _h.Pool.InUse);
    }

    [Fact]
    public void Slots_keep_nothing_of_the_packet_before()
    {
        byte[] secret = new byte[4_000];
        Array.Fill(secret, (byte)0x5e);
        byte[] packet = FrameFactory.Udp(ReassemblerHarness.Guest, ReassemblerHarness.Server, secret);
        Assert.NotNull(_h.AddAll(FragmentFactory.Split(packet, 1500, 1)));
        byte[] next = ReassemblerHarness.Packet(true, 2_000);
        byte[]? whole = _h.AddAll(FragmentFactory.Split(next, 576, 2));
        Assert.Equal(next, whole);
    }
}
