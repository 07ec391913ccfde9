using Slirp.Core.Flows;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Our first sequence numbers: nobody who has seen some can tell the next one (RFC 6528).</summary>
public sealed class InitialSequenceTests : TcpConversation
{
    private static readonly Instant Start = new FakeClock().Now;

    private static FlowKey Key(int guestPort = 40000, int serverPort = 80, string server = "192.0.2.7") =>
        new(FrameFactory.Endpoint("10.0.2.100", guestPort), FrameFactory.Endpoint(server, serverPort));

    /// <summary>Scenario Z1: what was learnt of one process says nothing of the next, on the same machine at the same time.</summary>
    [Fact]
    public void Two_processes_have_nothing_in_common()
    {
        var first = InitialSequence.WithRandomSecret();
        var second = InitialSequence.WithRandomSecret();
        var distances = new HashSet<int>();
        var offsets = new HashSet<uint>();
        for (int port = 1; port <= 64; port++)
        {
            FlowKey key = Key(port);
            distances.Add(second.For(key, Start).Since(first.For(key, Start)));
            offsets.Add(second.TimestampOffset(key) - first.TimestampOffset(key));
        }
        // That two of so many are the same has a probability below one in a million.
        Assert.Equal((64, 64), (distances.Count, offsets.Count));
    }

    /// <summary>So that a new connection of the same ends is beyond what the old one has sent (RFC 9293 section 3.4.1).</summary>
    [Fact]
    public void For_the_same_ends_it_rises_with_the_clock()
    {
        var sequence = InitialSequence.WithRandomSecret();
        SequenceNumber first = sequence.For(Key(), Start);
        Assert.Equal(first, sequence.For(Key(), Start));
        foreach (int seconds in (int[])[1, 60, 3600])
        {
            // One every four microseconds, or nearly.
            int risen = sequence.For(Key(), Start + TimeSpan.FromSeconds(seconds)).Since(first);
            Assert.InRange(risen, seconds * 240_000, seconds * 250_000);
        }
        Assert.Equal(sequence.TimestampOffset(Key()), sequence.TimestampOffset(Key()));
    }

    public static TheoryData<string, object> Neighbours => new()
    {
        { "one guest port after the other", (Func<int, FlowKey>)(i => Key(guestPort: 1024 + i)) },
        { "one server port after the other", (Func<int, FlowKey>)(i => Key(serverPort: 1024 + i)) },
        { "one server after the other", (Func<int, FlowKey>)(i => Key(server: $"198.51.{i >> 8}.{i & 255}")) },
    };

    [Theory]
    [MemberData(nameof(Neighbours))]
    public void Different_ends_have_unrelated_ones(string which, object keys)
    {
        const int count = 20_000, bins = 64;
        var sequence = InitialSequence.WithRandomSecret();
        var (high, low, steps) = (new int[bins], new int[bins], new int[bins]);
        uint last = 0;
        for (int i = 0; i < count; i++)
        {
            uint number = sequence.For(((Func<int, FlowKey>)keys)(i), Start).Value;
            high[number >> 26]++;
            low[number & 63]++;
            steps[number - last >> 26]++;
            last = number;
        }
        // Chi-square, 63 degrees of freedom: 140 is exceeded with a probability below 0.0000001.
        foreach (int[] found in (int[][])[high, low, steps]) Assert.True(ChiSquare.Of(found) < 140, which);
    }

    [Fact]
    public void A_connection_begins_with_it()
    {
        (SequenceNumber Number, uint Clock) first = Begins(GuestEnd.Port), other = Begins(GuestEnd.Port + 1);
        Restart(new TcpHarnessOptions());
        (SequenceNumber Number, uint Clock) again = Begins(GuestEnd.Port);
        Assert.True(first.Number != other.Number && first.Number != again.Number, $"{first.Number}, {other.Number}, {again.Number}");
        Assert.True(first.Clock != other.Clock && first.Clock != again.Clock, $"{first.Clock}, {other.Clock}, {again.Clock}");
    }

    private (SequenceNumber Number, uint Clock) Begins(int port)
    {
        Guest = AnotherGuest(port);
        Guest.SynOptions = new TcpOptions { Mss = 1460, HasTimestamps = true, TimestampValue = 1 };
        Guest.Sends(Syn);
        World.Host.Last.CompleteConnect();
        World.Turn();
        SentPacket synAck = Guest.Receives(SynAck, ack: 1);
        return (Guest.PeerIss, TcpOptions.Parse(synAck.Tcp.Options).TimestampValue);
    }
}
