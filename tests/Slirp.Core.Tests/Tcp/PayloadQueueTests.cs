using Slirp.Core.Memory;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>The queues that hold payload: the right octets, and no more of the pool than <see cref="FramePool"/> promises.</summary>
public sealed class PayloadQueueTests
{
    private readonly FramePool _pool = new(256 << 20, poison: true);

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(2048)]
    [InlineData(2049)]
    [InlineData(5000)]
    [InlineData(16_383)]
    [InlineData(16_384)]
    [InlineData(65_000)]
    public void What_it_takes_of_the_pool_is_bounded(int piece)
    {
        var queue = new PayloadQueue();
        byte[] octets = FrameFactory.Pattern(piece);
        for (int held = piece; held < 300_000 || held == piece; held += piece)
        {
            Keep(ref queue, octets);
            Assert.Equal(held, queue.Length);
            Assert.True(_pool.OctetsInUse <= 4.25 * held + FramePool.SmallSize, $"{held} octets by {piece} take {_pool.OctetsInUse}");
        }
        queue.Clear(_pool);
        Assert.Equal(0, _pool.InUse);
    }

    [Fact]
    public void The_rest_of_a_slot_moves_to_a_smaller_one()
    {
        var queue = new PayloadQueue();
        byte[] octets = FrameFactory.Pattern(60_000);
        Keep(ref queue, octets);
        queue.Discard(_pool, 59_990);
        Assert.Equal(FramePool.LargeSize, _pool.OctetsInUse);
        queue.Compact(_pool);
        Assert.Equal(FramePool.SmallSize, _pool.OctetsInUse);
        Keep(ref queue, octets.AsSpan(0, 100));
        queue.Compact(_pool);
        Assert.Equal(FramePool.SmallSize, _pool.OctetsInUse);
        byte[] expected = [.. octets.AsSpan(59_990), .. octets.AsSpan(0, 100)];
        Assert.Equal(expected, queue.Peek(_pool, 0).ToArray());
        queue.Clear(_pool);
        Assert.Equal(0, _pool.InUse);
    }

    /// <summary>Scenario T10: each octet a segment, every second first; then the others fill the gaps.</summary>
    [Fact]
    public void Segments_of_one_octet_out_of_order_take_a_few_slots()
    {
        var held = new OutOfOrderQueue();
        var queue = new PayloadQueue();
        byte[] octets = FrameFactory.Pattern(2000);
        var start = new SequenceNumber(uint.MaxValue - 500);
        for (int i = 1; i < octets.Length; i += 2) Insert(held, start + i, octets.AsSpan(i, 1));
        Assert.InRange(_pool.OctetsInUse, 1, 4 * FramePool.SmallSize);
        for (int i = 0; i < octets.Length; i += 2)
        {
            Keep(ref queue, octets.AsSpan(i, 1));
            Assert.Equal(1, held.TakeInOrder(_pool, start + i + 1, ref queue));
        }
        Assert.InRange(_pool.OctetsInUse, 1, 4 * FramePool.SmallSize);
        var all = new List<byte>();
        while (!queue.IsEmpty)
        {
            ReadOnlySpan<byte> piece = queue.Peek(_pool, 0);
            all.AddRange(piece);
            queue.Discard(_pool, piece.Length);
        }
        Assert.Equal(octets, all);
        Assert.Equal(0, _pool.InUse);
    }

    private void Keep(ref PayloadQueue queue, ReadOnlySpan<byte> octets)
    {
        OwnedFrame frame = InFrame(octets);
        Assert.True(queue.TryKeep(_pool, frame, 54, octets.Length));
        _pool.Release(frame);
    }

    private void Insert(OutOfOrderQueue held, SequenceNumber start, ReadOnlySpan<byte> octets)
    {
        OwnedFrame frame = InFrame(octets);
        Assert.True(held.TryInsert(_pool, start, frame, 54, octets.Length));
        _pool.Release(frame);
    }

    private OwnedFrame InFrame(ReadOnlySpan<byte> octets)
    {
        Assert.True(_pool.TryRentForLink(out OwnedFrame frame));
        octets.CopyTo(_pool.Octets(frame)[54..]);
        return frame;
    }
}
