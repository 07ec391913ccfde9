using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>A conversation in which segments toward the guest are lost: one segment to a frame, so that a script can lose one.</summary>
public abstract class LossConversation() : TcpConversation(new TcpHarnessOptions { Offloads = LinkOffloads.None })
{
    protected const int Mss = 1000;

    /// <summary>What the host says, from the first octet on.</summary>
    protected byte[] Stream { get; } = Octets(400_000, 3);

    /// <summary>How much of it was said.</summary>
    protected int Said { get; private set; }

    /// <summary>A round trip of 8 ms is measured at first.</summary>
    protected void Begins(bool sack = false, bool timestamps = false)
    {
        Guest.HasTimestamps = timestamps;
        Guest.SynOptions = new TcpOptions
        {
            Mss = (ushort)(timestamps ? Mss + 12 : Mss),
            WindowScale = 7,
            SackPermitted = sack,
            HasTimestamps = timestamps,
            TimestampValue = Guest.TimestampNow,
        };
        Guest.Sends(Syn);
        World.Host.Last.CompleteConnect();
        World.Turn();
        World.AdvanceMilliseconds(8);
        Guest.Receives(SynAck);
        Guest.Sends(Ack);
    }

    /// <summary>The host says so many segments; all frames are forgotten, so the guest saw none.</summary>
    protected void LosesSegments(int count)
    {
        Host.Says(Stream.AsSpan(Said, count * Mss));
        Said += count * Mss;
        Assert.Equal(count, World.Host.Frames.Count);
        World.Host.Frames.Clear();
    }

    protected void Acknowledges(int segments, params (int From, int To)[] sacked)
    {
        var blocks = default(SackBlocks);
        foreach ((int from, int to) in sacked) blocks.Add(Guest.PeerIss + 1 + from * Mss, Guest.PeerIss + 1 + to * Mss);
        Guest.Sends(Ack, ack: 1 + segments * Mss, options: new TcpOptions { Sack = blocks });
    }

    protected void SendsSegment(int index)
    {
        SentPacket packet = Guest.Receives(Ack, seq: 1 + index * Mss, length: Mss);
        Assert.True(packet.TcpPayload.SequenceEqual(Stream.AsSpan(index * Mss, Mss)), $"segment {index} has other octets");
    }
}
