using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>The guest's end of one connection, saying exactly what a script says.</summary>
/// <remarks>Numbers are relative: the SYN of either side is 0, its first octet 1. What is not given is what a guest in
/// order would send: the next number, an acknowledgment of all that came.</remarks>
public sealed class ScriptedGuest(TcpHarness world, IpEndpoint local, IpEndpoint remote)
{
    public const TcpFlags Syn = TcpFlags.Syn, Ack = TcpFlags.Ack, Fin = TcpFlags.Fin, Rst = TcpFlags.Rst, Psh = TcpFlags.Psh;

    public IpEndpoint Local => local;
    public IpEndpoint Remote => remote;

    public SequenceNumber Iss { get; set; } = new(5000);

    /// <summary>Our initial number, once seen.</summary>
    public SequenceNumber PeerIss { get; private set; }

    /// <summary>The next number to send.</summary>
    public int Next { get; set; }

    /// <summary>Numbers received in order.</summary>
    public int Seen { get; private set; }

    /// <summary>What the window field holds unless told otherwise.</summary>
    public ushort Window { get; set; } = 65535;

    /// <summary>What the SYN offers.</summary>
    public TcpOptions SynOptions { get; set; } = new() { Mss = 1460, WindowScale = 7, SackPermitted = true };

    /// <summary>Timestamps go into every segment; the clock is the harness's, in milliseconds.</summary>
    public bool HasTimestamps { get; set; }

    public uint TimestampOrigin { get; set; } = 0x8000_0000;

    /// <summary>The last timestamp that came.</summary>
    public uint PeerTimestamp { get; private set; }

    public uint TimestampNow => (uint)world.Now.Milliseconds + TimestampOrigin;

    /// <summary>Sends a segment and lets the engine react to it.</summary>
    public void Sends(
        TcpFlags flags, int? seq = null, int? ack = null, ReadOnlySpan<byte> data = default, int? window = null,
        TcpOptions? options = null)
    {
        Queues(flags, seq, ack, data, window, options);
        world.Turn();
    }

    /// <summary>Sends a segment that the engine finds in one batch with those that follow.</summary>
    public void Queues(
        TcpFlags flags, int? seq = null, int? ack = null, ReadOnlySpan<byte> data = default, int? window = null,
        TcpOptions? options = null)
    {
        bool isSyn = (flags & Syn) != 0;
        TcpOptions carried = options ?? (isSyn ? SynOptions : default);
        if (HasTimestamps && options is null)
            (carried.HasTimestamps, carried.TimestampValue, carried.TimestampEcho) = (true, TimestampNow, PeerTimestamp);
        if (seq is null && isSyn) Next = 0;
        int start = seq ?? Next;
        if (seq is null) Next = start + data.Length + (isSyn ? 1 : 0) + ((flags & Fin) != 0 ? 1 : 0);
        SequenceNumber acknowledgment = (flags & Ack) != 0 ? PeerIss + (ack ?? Seen) : default;
        var fields = new TcpFields(
            local.Port, remote.Port, Iss + start, acknowledgment, flags, (ushort)(window ?? Window));
        world.Inject(FrameFactory.Tcp(local.Address, remote.Address, fields, carried, data));
    }

    /// <summary>The next frame that came, which must be this.</summary>
    /// <param name="flags">All but PSH, which is not compared.</param>
    /// <param name="seq">Relative to our first number.</param>
    /// <param name="ack">Relative to the guest's own first number.</param>
    /// <param name="length">Octets of payload.</param>
    /// <param name="window">The field, unscaled.</param>
    public SentPacket Receives(TcpFlags flags, int? seq = null, int? ack = null, int? length = null, int? window = null)
    {
        Assert.True(world.Host.Frames.Count > 0, $"nothing was sent where {flags} was expected");
        SentPacket packet = SentPacket.Parse(world.Host.Frames[0]);
        world.Host.Frames.RemoveAt(0);
        TcpView tcp = packet.Tcp;
        Assert.Equal(remote, packet.Source);
        Assert.Equal(local, packet.Destination);
        Note(packet);
        string what = Describe(packet);
        Assert.True(flags == (tcp.Flags & ~Psh), $"expected {flags}, came {what}");
        if (seq is int s) Assert.True(PeerIss + s == tcp.Sequence, $"expected seq {s}, came {what}");
        if (ack is int a) Assert.True(Iss + a == tcp.Acknowledgment, $"expected ack {a}, came {what}");
        if (length is int l) Assert.True(l == packet.TcpPayload.Length, $"expected {l} octets, came {what}");
        if (window is int w) Assert.True(w == tcp.Window, $"expected window {w}, came {what}");
        return packet;
    }

    /// <summary>The next frame carries exactly this, in order.</summary>
    public SentPacket Receives(ReadOnlySpan<byte> data)
    {
        int expected = Seen;
        SentPacket packet = Receives(Ack, seq: expected, length: data.Length);
        Assert.True(packet.TcpPayload.SequenceEqual(data), "other octets than expected");
        return packet;
    }

    public void ReceivesNothing() =>
        Assert.True(world.Host.Frames.Count == 0, world.Host.Frames.Count == 0 ? "" : "came " + Describe(SentPacket.Parse(world.Host.Frames[0])));

    /// <summary>Takes all frames that came and gives the payload that was new and in order.</summary>
    public byte[] TakesAll()
    {
        var octets = new List<byte>();
        foreach (SentPacket packet in world.Host.TakePackets())
        {
            int before = Seen;
            Note(packet);
            int known = Math.Max(0, before - packet.Tcp.Sequence.Since(PeerIss)); // sent again together with something new
            if (Seen > before && known < packet.TcpPayload.Length) octets.AddRange(packet.TcpPayload[known..]);
        }
        return octets.ToArray();
    }

    /// <summary>Takes note of the frames that came for this guest and leaves them for others to look at.</summary>
    public void TakesOwn()
    {
        foreach (byte[] frame in world.Host.Frames)
        {
            SentPacket packet = SentPacket.Parse(frame);
            if (packet.Destination == local) Note(packet);
        }
    }

    /// <summary>Three segments later both ends may send.</summary>
    public void Connects()
    {
        Sends(Syn);
        world.Host.Last.CompleteConnect();
        world.Turn();
        Receives(Syn | Ack, seq: 0, ack: 1);
        Sends(Ack);
        ReceivesNothing();
    }

    public string Describe(SentPacket packet)
    {
        if (packet.Protocol != IpProtocol.Tcp) return packet.ToString();
        TcpView tcp = packet.Tcp;
        return $"{tcp.Flags} seq {tcp.Sequence.Since(PeerIss)} ack {tcp.Acknowledgment.Since(Iss)} " +
            $"length {packet.TcpPayload.Length} window {tcp.Window}";
    }

    private void Note(SentPacket packet)
    {
        TcpView tcp = packet.Tcp;
        int before = Seen;
        if ((tcp.Flags & Syn) != 0)
        {
            PeerIss = tcp.Sequence;
            Seen = 1;
        }
        else if ((tcp.Flags & Rst) == 0)
        {
            int end = tcp.Sequence.Since(PeerIss) + packet.TcpPayload.Length + ((tcp.Flags & Fin) != 0 ? 1 : 0);
            if (tcp.Sequence.Since(PeerIss) <= Seen) Seen = Math.Max(Seen, end);
        }
        TcpOptions options = TcpOptions.Parse(tcp.Options);
        // The one to echo is that of the segment that moved the left edge (RFC 7323 section 4.3).
        if (options.HasTimestamps && Seen > before) PeerTimestamp = options.TimestampValue;
    }
}
