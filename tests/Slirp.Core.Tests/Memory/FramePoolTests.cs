using Slirp.Core.Memory;
using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Memory;

public sealed class FramePoolTests
{
    private readonly FramePool _pool = new(8 << 20, poison: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_slot_given_back_twice_ends_the_process(bool small)
    {
        OwnedFrame frame = Rent(small);
        _pool.Release(frame);
        Assert.Throws<InvalidOperationException>(() => _pool.Release(frame));
        Assert.Throws<InvalidOperationException>(() => _pool.Retain(frame));
        Assert.Equal(0, _pool.InUse);
    }

    [Fact]
    public void A_stale_token_does_not_release_its_successor()
    {
        OwnedFrame stale = Rent(false);
        _pool.Release(stale);
        OwnedFrame fresh = Rent(false);
        Assert.Equal(stale.Slot, fresh.Slot);
        Assert.Throws<InvalidOperationException>(() => _pool.Release(stale));
        Assert.Equal(1, _pool.InUse);
        _pool.Release(fresh);
    }

    [Fact]
    public void The_last_share_frees_the_slot()
    {
        OwnedFrame frame = Rent(false);
        Assert.True(_pool.IsUnshared(frame));
        _pool.Retain(frame);
        _pool.Retain(frame);
        Assert.False(_pool.IsUnshared(frame));
        _pool.Release(frame);
        _pool.Release(frame);
        Assert.Equal(1, _pool.InUse);
        Assert.True(_pool.IsUnshared(frame));
        _pool.Release(frame);
        Assert.Equal(0, _pool.InUse);
    }

    [Theory]
    [InlineData(false, FramePool.LargeSize)]
    [InlineData(true, FramePool.SmallSize)]
    public void Slots_do_not_touch_each_other_and_the_ceiling_holds(bool small, int size)
    {
        var frames = new List<OwnedFrame>();
        while (small ? _pool.TryRentFor(100, out OwnedFrame frame) : _pool.TryRent(out frame))
        {
            if (_pool.Size(frame) != size)
            {
                _pool.Release(frame); // this size has run out, and the next larger one serves
                break;
            }
            Assert.Equal(size, _pool.Octets(frame).Length);
            _pool.Octets(frame).Fill((byte)frames.Count);
            frames.Add(frame);
        }
        Assert.InRange(_pool.OctetsInUse, 1, 8 << 20);
        for (int i = 0; i < frames.Count; i++)
            Assert.False(_pool.Octets(frames[i]).ContainsAnyExcept((byte)i), $"slot {i} was written by another");
        foreach (OwnedFrame frame in frames) _pool.Release(frame);
        Assert.Equal(0, _pool.OctetsInUse);
        Assert.Equal(size, _pool.Size(Rent(small)));
    }

    [Fact]
    public void A_freed_slot_shows_poison_to_the_next()
    {
        OwnedFrame frame = Rent(false);
        _pool.Octets(frame).Fill(0x5e);
        _pool.Release(frame);
        Assert.False(_pool.Octets(Rent(false)).ContainsAnyExcept((byte)0xdb));
    }

    [Fact]
    public void The_link_gets_a_slot_when_nobody_else_does()
    {
        var frames = new List<OwnedFrame>();
        while (_pool.TryRent(out OwnedFrame frame)) frames.Add(frame);
        Assert.True(_pool.IsScarce);
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(_pool.TryRentForLink(out OwnedFrame next), $"no slot for frame {i}");
            bool isKept = _pool.TryKeep(next);
            _pool.Release(next);
            if (isKept) frames.Add(next);
        }
        foreach (OwnedFrame frame in frames) _pool.Release(frame);
    }

    /// <summary>A cgroup's limit, say: the link goes on, the others shed, and ask again after the next look at idle slabs.</summary>
    [Fact]
    public void Where_the_system_has_no_more_memory_is_the_ceiling()
    {
        int slabs = 2;
        byte[] Source(int octets) => GC.AllocateUninitializedArray<byte>(slabs-- > 0 ? octets : int.MaxValue, pinned: true); // no array is that long
        var pool = new FramePool(64 << 20, poison: true, Source);
        var frames = new List<OwnedFrame>();
        while (pool.TryRent(out OwnedFrame frame)) frames.Add(frame);
        Assert.Equal(2 * 16 - 4, frames.Count);
        Assert.True(pool.IsScarce);
        Assert.False(pool.TryRentFor(100, out _));
        for (int i = 0; i < 100; i++)
        {
            Assert.True(pool.TryRentForLink(out OwnedFrame next));
            Assert.False(pool.TryKeep(next));
            pool.Release(next);
        }

        foreach (OwnedFrame frame in frames) pool.Release(frame);
        frames.Clear();
        slabs = 1;
        while (pool.TryRent(out OwnedFrame frame)) frames.Add(frame);
        Assert.Equal(2 * 16 - 4, frames.Count);
        pool.Trim(_ => { });
        while (pool.TryRent(out OwnedFrame frame)) frames.Add(frame);
        Assert.Equal(3 * 16 - 4, frames.Count);
        foreach (OwnedFrame frame in frames) pool.Release(frame);
        Assert.Equal(0, pool.InUse);
    }

    [Fact]
    public void A_frame_is_kept_only_while_the_link_has_others()
    {
        int slabs = 1;
        var pool = new FramePool(64 << 20, poison: true,
            octets => GC.AllocateUninitializedArray<byte>(slabs-- > 0 ? octets : int.MaxValue, pinned: true));
        int kept = 0;
        for (int i = 0; i < 100; i++)
        {
            Assert.True(pool.TryRentForLink(out OwnedFrame next));
            if (pool.TryKeep(next)) kept++;
            pool.Release(next);
        }
        Assert.InRange(kept, 16 - 5, 16 - 1);
    }

    [Fact]
    public void A_slab_that_was_not_used_for_a_while_goes_back_to_the_system()
    {
        var frames = new List<OwnedFrame>();
        for (int i = 0; i < 40; i++) frames.Add(Rent(false));
        foreach (OwnedFrame frame in frames.Skip(1)) _pool.Release(frame);
        var released = new List<int>();
        void Note(Span<byte> octets) => released.Add(octets.Length);
        Assert.True(_pool.WantsTrim);
        Assert.Equal(0, _pool.Trim(Note)); // in use a moment ago
        Assert.True(_pool.WantsTrim);
        Assert.Equal(2 * 16 * FramePool.LargeSize, _pool.Trim(Note));
        Assert.Equal(2, released.Count); // the slab with the slot that is still held stays
        Assert.False(_pool.WantsTrim);
        Assert.Equal(0, _pool.Trim(Note));
        for (int i = 0; i < 39; i++) frames[i + 1] = Rent(false); // and serves again when it is needed
        foreach (OwnedFrame frame in frames) _pool.Release(frame);
        Assert.Equal(0, _pool.Trim(Note));
        Assert.Equal(3 * 16 * FramePool.LargeSize, _pool.Trim(Note));
    }

    [Fact]
    public void It_agrees_with_a_model()
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var model = new List<(OwnedFrame Frame, int Shares, byte Mark)>();
        var pool = new FramePool(8 << 20);
        for (int step = 0; step < 20_000; step++)
        {
            int i = model.Count == 0 ? -1 : random.Next(model.Count);
            switch (random.Next(4))
            {
                case 0 when model.Count < 80:
                    bool small = random.Next(2) == 0;
                    if (!(small ? pool.TryRentFor(100, out OwnedFrame frame) : pool.TryRent(out frame))) break;
                    byte mark = (byte)random.Next(256);
                    pool.Octets(frame)[0] = mark;
                    Assert.DoesNotContain(model, m => m.Frame.Slot == frame.Slot);
                    model.Add((frame, 1, mark));
                    break;
                case 1 when i >= 0:
                    pool.Retain(model[i].Frame);
                    model[i] = model[i] with { Shares = model[i].Shares + 1 };
                    break;
                case 2 or 3 when i >= 0:
                    Assert.Equal(model[i].Mark, pool.Octets(model[i].Frame)[0]);
                    pool.Release(model[i].Frame);
                    if (model[i].Shares == 1) model.RemoveAt(i);
                    else model[i] = model[i] with { Shares = model[i].Shares - 1 };
                    break;
                default:
                    break;
            }
            Assert.True(pool.InUse == model.Count, $"seed {seed}, step {step}");
        }
    }

    [Fact]
    public void Renting_and_releasing_allocates_nothing()
    {
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                _pool.TryRent(out OwnedFrame large);
                _pool.TryRentFor(100, out OwnedFrame small);
                _pool.Release(small);
                _pool.Release(large);
            }
        }));
    }

    private OwnedFrame Rent(bool small)
    {
        Assert.True(small ? _pool.TryRentFor(100, out OwnedFrame frame) : _pool.TryRent(out frame));
        return frame;
    }
}
