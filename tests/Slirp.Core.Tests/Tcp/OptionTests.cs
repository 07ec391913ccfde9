using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>What is agreed on in the SYNs: MSS (RFC 9293 section 3.7.1), window scale and timestamps (RFC 7323), SACK
/// (RFC 2018).</summary>
public sealed class OptionTests : TcpConversation
{
    private TcpOptions Offers(TcpOptions options)
    {
        Guest.SynOptions = options;
        Guest.Sends(Syn);
        Host.Accepts();
        SentPacket synAck = Guest.Receives(SynAck);
        Guest.Sends(Ack);
        return TcpOptions.Parse(synAck.Tcp.Options);
    }

    /// <summary>Payload octets of the segments in which a long answer reaches the guest.</summary>
    private int SegmentLength()
    {
        Host.Says(Octets(30_000));
        SentPacket first = Guest.Receives(Ack);
        return first.Virtio.GsoType == VirtioGsoType.None ? first.TcpPayload.Length : first.Virtio.GsoSize;
    }

    [Fact]
    public void Nothing_offered_is_nothing_answered_but_our_MSS()
    {
        TcpOptions answer = Offers(default);
        Assert.Equal(new TcpOptions { Mss = 1460 }, answer);
        Assert.Equal(536, SegmentLength());
    }

    [Fact]
    public void Everything_offered_is_everything_answered()
    {
        TcpOptions answer = Offers(new TcpOptions
        {
            Mss = 1460,
            WindowScale = 9,
            SackPermitted = true,
            HasTimestamps = true,
            TimestampValue = 77,
        });
        Assert.Equal((ushort)1460, answer.Mss);
        Assert.Equal((byte)7, answer.WindowScale);
        Assert.True(answer.SackPermitted);
        Assert.True(answer.HasTimestamps);
        Assert.Equal(77u, answer.TimestampEcho);
    }

    [Theory]
    [InlineData(1500, true, 1460)]
    [InlineData(1500, false, 1440)]
    [InlineData(576, true, 536)]
    [InlineData(1280, false, 1220)]
    [InlineData(9000, true, 8960)]
    [InlineData(65520, true, 65480)]
    [InlineData(65520, false, 65460)]
    [InlineData(65535, true, 65495)]
    [InlineData(68, true, 28)]
    public void Our_MSS_follows_the_MTU(int mtu, bool v4, ushort mss)
    {
        Restart(new TcpHarnessOptions { Mtu = mtu });
        if (!v4) Guest = new ScriptedGuest(World, GuestEnd6, ServerEnd6);
        Assert.Equal(mss, Offers(default).Mss);
    }

    [Theory]
    [InlineData(null, true, 536)]
    [InlineData(null, false, 1220)]
    [InlineData(1000, true, 1000)]
    [InlineData(9000, true, 1460)] // a larger one does not fit the MTU
    [InlineData(65535, true, 1460)]
    [InlineData(0, true, 536)] // says nothing
    [InlineData(1, true, 64)] // an attack on our CPU (CVE-2019-11479)
    public void Segments_are_as_large_as_the_guest_says_and_the_MTU_allows(int? mss, bool v4, int length)
    {
        if (!v4) Guest = new ScriptedGuest(World, GuestEnd6, ServerEnd6);
        Offers(new TcpOptions { Mss = (ushort?)mss });
        Assert.Equal(length, SegmentLength());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Timestamps_take_their_place_in_every_segment(bool offload)
    {
        Restart(new TcpHarnessOptions { Offloads = offload ? LinkOffloads.All : LinkOffloads.None });
        Guest.HasTimestamps = true;
        Offers(new TcpOptions { Mss = 1460 });
        Assert.Equal(1448, SegmentLength());
    }

    [Theory]
    [InlineData(68, false)]
    [InlineData(68, true)]
    [InlineData(100, true)]
    [InlineData(576, true)]
    [InlineData(1500, true)]
    [InlineData(65535, true)]
    public void No_packet_is_larger_than_the_MTU_where_the_link_does_not_segment(int mtu, bool timestamps)
    {
        Restart(new TcpHarnessOptions { Mtu = mtu, Offloads = LinkOffloads.VirtioHeader });
        Guest.HasTimestamps = timestamps;
        Offers(new TcpOptions { Mss = 65495, WindowScale = 7, SackPermitted = true });
        Host.Says(Octets(70_000));
        List<SentPacket> packets = World.Host.TakePackets();
        Assert.Equal(mtu, packets.Max(p => p.IpLength));
    }

    [Fact]
    public void The_window_of_a_SYN_is_not_scaled_and_that_of_the_ACK_is()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000, WindowScale = 3 };
        Guest.Sends(Syn, window: 2000);
        Host.Accepts();
        Guest.Receives(SynAck);
        Guest.Sends(Ack, window: 1000); // 8000 octets
        Host.Says(Octets(20_000));
        Assert.Equal(8000, Guest.TakesAll().Length);
    }

    [Fact]
    public void Without_window_scale_neither_side_scales()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Window = 3000;
        Guest.Connects();
        Guest.Sends(Ack, data: "x"u8);
        Guest.Receives(Ack, ack: 2, window: 65534);
        Host.Says(Octets(20_000));
        Assert.Equal(3000, Guest.TakesAll().Length);
    }

    [Fact]
    public void The_largest_shift_is_obeyed()
    {
        Guest.SynOptions = new TcpOptions { Mss = 1024, WindowScale = 14 };
        Guest.Connects();
        Guest.Sends(Ack, window: 1); // 16 384 octets
        Host.Says(Octets(40_000));
        Assert.Equal(16_384, Guest.TakesAll().Length);
    }

    [Fact]
    public void SACK_is_reported_only_to_a_guest_that_permitted_it()
    {
        foreach (bool permitted in new[] { true, false })
        {
            Guest = AnotherGuest(permitted ? 1 : 2);
            Guest.SynOptions = new TcpOptions { Mss = 1460, SackPermitted = permitted };
            Guest.Connects();
            Guest.Sends(Ack, seq: 101, data: Octets(100));
            SentPacket ack = Guest.Receives(Ack, ack: 1);
            Assert.Equal(permitted ? 1 : 0, TcpOptions.Parse(ack.Tcp.Options).Sack.Count);
        }
    }

    [Fact]
    public void Timestamps_are_echoed_by_the_rule_of_the_left_edge()
    {
        Guest.HasTimestamps = true;
        Guest.Connects();
        World.AdvanceMilliseconds(10);
        uint first = Guest.TimestampNow;
        Guest.Sends(Ack, data: "a"u8);
        Assert.Equal(first, Echo());
        World.AdvanceMilliseconds(10);
        Guest.Sends(Ack, seq: 3, data: "c"u8); // a hole: the edge did not move
        Assert.Equal(first, Echo());
        World.AdvanceMilliseconds(10);
        uint third = Guest.TimestampNow;
        Guest.Sends(Ack, seq: 2, data: "b"u8);
        Assert.Equal(third, Echo());
        Host.Hears("abc"u8);

        uint Echo() => TcpOptions.Parse(Guest.Receives(Ack).Tcp.Options).TimestampEcho;
    }

    [Fact]
    public void An_old_timestamp_is_an_old_segment()
    {
        Guest.HasTimestamps = true;
        Guest.Connects();
        World.AdvanceMilliseconds(10);
        Guest.Sends(Ack, data: "new"u8);
        Guest.Receives(Ack, ack: 4);
        Guest.TimestampOrigin -= 5;
        Guest.Sends(Ack, data: "old"u8);
        Guest.Receives(Ack, ack: 4); // answered, but not believed (RFC 7323 section 5.3, R1)
        Dropped(DropReason.TcpOldTimestamp);
        Host.Hears("new"u8);
        Guest.TimestampOrigin -= 5;
        Guest.Sends(Rst, seq: 4); // a reset is not judged by its timestamp
        FlowIsGone();
    }

    [Fact]
    public void Timestamps_wrap()
    {
        Guest.HasTimestamps = true;
        Guest.TimestampOrigin = 0 - (uint)World.Now.Milliseconds - 5;
        Guest.Connects();
        for (int i = 0; i < 10; i++)
        {
            World.AdvanceMilliseconds(2);
            Guest.Sends(Ack, data: "x"u8);
            Guest.Receives(Ack, ack: 2 + i);
        }
        Assert.Equal(0, World.Counters.DroppedInAll());
    }
}
