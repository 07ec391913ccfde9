using System.Buffers.Binary;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>The frame path allocates nothing: not for bulk in either direction, not for small messages.</summary>
public sealed class AllocationTests : TcpConversation
{
    private const int Frames = 10_000;

    [Theory]
    [InlineData(43_800)] // 30 full segments
    [InlineData(100)]
    public void An_open_flow_costs_the_collector_nothing(int length)
    {
        Guest.Connects();
        FakeSocket socket = World.Host.Last;
        World.Host.Records = false;
        int unread = 0, exchanged = 0;
        socket.OnReceive = into =>
        {
            int count = Math.Min(unread, into.Length);
            unread -= count;
            return count == 0 ? -(int)Slirp.Core.World.HostError.WouldBlock : count;
        };
        var fields = new TcpFields(GuestEnd.Port, ServerEnd.Port, Guest.Iss + 1, Guest.PeerIss + 1, Ack, 65535);
        byte[] packet = FrameFactory.Tcp(GuestEnd.Address, ServerEnd.Address, fields, default, Octets(length));
        Exchange(1000); // what grows once has grown
        Assert.Equal(0, Allocation.Of(() => Exchange(Frames)));
        Assert.InRange(exchanged, Frames, int.MaxValue);
        Assert.Equal((long)length * exchanged, socket.SentCount);

        void Exchange(int count)
        {
            for (int i = 0; i < count; i++)
            {
                unread = length;
                socket.Raise(Slirp.Core.World.HostEvents.Readable);
                World.Turn();
                fields.Acknowledgment += length;
                BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(24), fields.Sequence.Value);
                BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(28), fields.Acknowledgment.Value);
                World.Inject(packet);
                fields.Sequence += length;
                World.Turn();
                exchanged++;
            }
        }
    }
}
