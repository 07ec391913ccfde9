using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Sequence numbers count modulo 2^32 (RFC 9293 section 3.4).</summary>
public sealed class WrapTests : TcpConversation
{
    [Theory]
    [InlineData(0xffff_ffff)]
    [InlineData(0xffff_fffe)]
    [InlineData(0xffff_f000)]
    [InlineData(0x7fff_f000)]
    public void The_guests_numbers_wrap(uint iss)
    {
        Guest.Iss = new SequenceNumber(iss);
        Guest.Connects();
        byte[] octets = Octets(20_000);
        Guest.Sends(Ack, seq: 10_001, data: octets.AsSpan(10_000));
        Guest.Receives(Ack, ack: 1);
        for (int at = 0; at < 10_000; at += 1000) Guest.Sends(Ack, data: octets.AsSpan(at, 1000));
        Host.Hears(octets);
        Guest.TakesAll();
        Guest.Next = 20_001;
        Guest.Sends(FinAck);
        Guest.Receives(Ack, ack: 20_002);
    }

    [Fact]
    public void Our_numbers_wrap()
    {
        ReachesNumber(uint.MaxValue - 5000);
        byte[] octets = Octets(300_000);
        Host.Socket.Deliver(octets);
        var heard = new List<byte>();
        var random = new Random(1); // a rhythm could fall in with that of the timer, and lose every copy
        for (int i = 0; i < 5000 && heard.Count < octets.Length; i++)
        {
            World.Turn();
            if (random.Next(5) == 0) World.Host.Frames.Clear(); // lost, and recovered by the timer
            heard.AddRange(Guest.TakesAll());
            Guest.Sends(Ack);
            World.AdvanceMilliseconds(250);
        }
        Assert.Equal(octets, heard);
        Host.Closes();
        Guest.Receives(FinAck, seq: 300_001);
    }

    /// <summary>All the way round, and to where the beginning seems to lie ahead.</summary>
    [Theory]
    [InlineData((1L << 32) + 10_000_000)]
    [InlineData(3L << 30)]
    public void Gibioctets_pass_in_both_directions_and_loss_is_found_behind_them(long limit)
    {
        Guest.SynOptions = new TcpOptions { Mss = 1460, WindowScale = 7, SackPermitted = true };
        Guest.Connects();
        FakeSocket socket = World.Host.Last;
        World.Host.Records = false;
        byte[] octets = Octets(64_240); // 44 segments
        long total = 0;
        SequenceNumber next = Guest.Iss + 1, acknowledged = Guest.PeerIss + 1;
        var sent = new List<byte[]>();
        World.Host.OnFrame = sent.Add;
        while (total < limit)
        {
            socket.Deliver(octets);
            var fields = new TcpFields(GuestEnd.Port, ServerEnd.Port, next, acknowledged, Ack, 65535);
            World.Inject(Packet(fields, octets));
            next += octets.Length;
            World.Turn();
            foreach (byte[] frame in sent)
            {
                TcpView tcp = Tcp(frame);
                Assert.Equal(acknowledged, tcp.Sequence);
                Assert.Equal(next, tcp.Acknowledgment);
                acknowledged += tcp.Payload.Length;
            }
            total += octets.Length;
            sent.Clear();
            // At the turn of the whole circle nothing may be taken for the beginning of the connection.
            if (total is > (1L << 32) - 200_000 and < (1L << 32) + 200_000) Assert.Equal(GuestTcpState.Established, Flow.Guest);
        }
        World.Host.OnFrame = null;
        socket.Deliver(octets);
        World.Turn();
        World.AdvanceMilliseconds(50);
        Assert.Equal(1, World.Counters.TcpTailProbes);
        Assert.Equal(total, socket.SentCount);
        Assert.Equal((uint)total, acknowledged.Value - Guest.PeerIss.Value - 1);
        Assert.Equal(0, World.Counters.DroppedInAll());

        static TcpView Tcp(byte[] frame) =>
            TcpView.TryParse(frame.AsSpan(44), out TcpView tcp) ? tcp : throw new InvalidOperationException("no TCP segment");
    }

    /// <summary>What a flow has sent since its window grew last is counted, and a window that is as large as any grows no more.</summary>
    [Fact]
    public void A_window_that_is_lent_after_gibioctets_grows_again()
    {
        const int Largest = 256 << 10;
        Restart(new TcpHarnessOptions { MemoryBudget = 2 << 20, Parameters = TcpParameters.Default with { MaxReceiveWindow = Largest } });
        Guest.Connects();
        World.Host.Records = false;
        byte[] octets = Octets(60_000);
        SequenceNumber next = Guest.Iss + 1;
        Sends((1L << 31) + Largest);
        World.Host.Records = true;
        World.AdvanceSeconds(11);
        AnotherGuest(1).Connects();
        Assert.InRange(World.Budget.Promised, 1, Largest); // one lends, one has borrowed
        Sends(5L * octets.Length);
        int window = SentPacket.Parse(World.Host.Frames[^1]).Tcp.Window * 128;
        Assert.InRange(window, 100_000, Largest);
        World.Host.Frames.Clear();

        void Sends(long count)
        {
            for (long sent = 0; sent < count; sent += octets.Length)
            {
                World.Inject(Packet(new TcpFields(GuestEnd.Port, ServerEnd.Port, next, Guest.PeerIss + 1, Ack, 65535), octets));
                World.Turn();
                next += octets.Length;
            }
        }
    }

    /// <summary>As FrameFactory's, but for the checksum, which nobody looks at here.</summary>
    private static byte[] Packet(in TcpFields fields, byte[] payload)
    {
        var packet = new byte[40 + payload.Length];
        Ipv4Builder.Write(packet, new Ipv4Fields(
            GuestEnd.Address.Ipv4, ServerEnd.Address.Ipv4, IpProtocol.Tcp, 64, 0, 0, true, false, 0, 20 + payload.Length));
        TcpBuilder.Write(packet.AsSpan(20), fields, default);
        payload.CopyTo(packet.AsSpan(40));
        return packet;
    }

    /// <summary>Our initial number runs with the clock (RFC 6528), so a test can wait for the one it wants.</summary>
    private void ReachesNumber(uint wanted)
    {
        Guest.Connects();
        uint ahead = wanted - Guest.PeerIss.Value;
        Guest.Sends(Rst);
        World.Clock.Advance(TimeSpan.FromTicks((long)((ahead + 2.0) * 4096 / 100)));
        Host = new ScriptedHost(World);
        Guest.Connects();
        Assert.InRange(Guest.PeerIss.Value - wanted, 0u, 1000u);
    }
}
