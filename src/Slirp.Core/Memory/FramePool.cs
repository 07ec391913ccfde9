using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Slirp.Core.Memory;

/// <summary>The memory that frames and payload live in: slots in pinned slabs, counted by reference.</summary>
/// <remarks>
/// <para>A slot holds one frame as the link delivered it, or payload received from a host socket, or many small payloads
/// packed one after the other. Payload is never copied to be kept: its holder takes another share in the slot.</para>
/// <code>
///  large slot (68 KiB)   | virtio 10 | eth 14 | ip 20-60 | l4 8-60 | payload up to 65 535 ... |
///  small slot (2 KiB)    | packed payload ...                                                |
/// </code>
/// <para>Invariants: a slot is free exactly while its count is 0; its generation rises at that moment; slabs are taken on
/// demand up to the ceiling and stay; the most recently freed slot is rented first, because its cache lines are warm.</para>
/// <para>Limits: <see cref="TryRent"/> fails at the ceiling and the caller sheds load: nothing that was promised to a
/// guest depends on it, because promises are covered by <see cref="MemoryBudget"/>.</para>
/// </remarks>
public sealed class FramePool
{
    /// <summary>Room for the largest IP packet behind its link headers: 65 535 + 14 + 10, and slack to a page boundary.</summary>
    public const int LargeSize = 68 * 1024;

    /// <summary>One small payload or several; 34 of them share a large slot's slab space.</summary>
    public const int SmallSize = 2 * 1024;

    public const int SmallBit = 1 << 30;

    private readonly SizeClass _large;
    private readonly SizeClass _small;

    /// <param name="ceiling">Octets that both size classes together may take from the system.</param>
    /// <param name="poison">Fill freed slots, so that a late read shows; for tests.</param>
    public FramePool(long ceiling, bool poison = false)
    {
        _large = new SizeClass(LargeSize, slotsPerSlab: 16, ceiling - ceiling / 8, poison);
        _small = new SizeClass(SmallSize, slotsPerSlab: 512, ceiling / 8, poison);
    }

    /// <summary>Slots of either size that somebody holds.</summary>
    public int InUse => _large.InUse + _small.InUse;

    /// <summary>Few large slots are left: for frames from the guest, whose acknowledgments are what frees the others.</summary>
    public bool IsScarce => _large.InUse >= _large.Limit - _large.Limit / 8;

    public long OctetsInUse => (long)_large.InUse * LargeSize + (long)_small.InUse * SmallSize;

    public bool TryRent(out OwnedFrame frame) => _large.TryRent(0, out frame);

    public bool TryRentSmall(out OwnedFrame frame) => _small.TryRent(SmallBit, out frame);

    /// <summary>The slot's octets; borrowed while the caller holds a share.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Octets(OwnedFrame frame) =>
        (frame.Slot & SmallBit) == 0 ? _large.Octets(frame.Slot, frame.Generation) : _small.Octets(frame.Slot & ~SmallBit, frame.Generation);

    /// <summary>Takes one more share.</summary>
    public void Retain(OwnedFrame frame) => Class(frame).Retain(frame.Slot & ~SmallBit, frame.Generation);

    /// <summary>Gives one share back; the last one frees the slot.</summary>
    public void Release(OwnedFrame frame) => Class(frame).Release(frame.Slot & ~SmallBit, frame.Generation);

    /// <summary>True if the caller's share is the only one, so that the slot may be overwritten.</summary>
    public bool IsUnshared(OwnedFrame frame) => Class(frame).Shares(frame.Slot & ~SmallBit, frame.Generation) == 1;

    public static int Size(OwnedFrame frame) => (frame.Slot & SmallBit) == 0 ? LargeSize : SmallSize;

    private SizeClass Class(OwnedFrame frame) => (frame.Slot & SmallBit) == 0 ? _large : _small;

    private sealed class SizeClass(int size, int slotsPerSlab, long ceiling, bool poison)
    {
        private const byte Poison = 0xdb;

        private readonly int _maxSlots = (int)Math.Max(slotsPerSlab, ceiling / size / slotsPerSlab * slotsPerSlab);
        private byte[][] _slabs = [];
        private int[] _shares = [];
        private uint[] _generations = [];
        private int[] _free = [];
        private int _freeCount;

        public int InUse { get; private set; }

        /// <summary>The most slots there can be.</summary>
        public int Limit => _maxSlots;

        public bool TryRent(int tag, out OwnedFrame frame)
        {
            if (_freeCount == 0 && !TryGrow())
            {
                frame = default;
                return false;
            }
            int slot = _free[--_freeCount];
            _shares[slot] = 1;
            InUse++;
            frame = new OwnedFrame(slot | tag, _generations[slot]);
            return true;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Span<byte> Octets(int slot, uint generation)
        {
            Debug.Assert(_shares[slot] > 0 && _generations[slot] == generation, "frame used after its release");
            return _slabs[slot / slotsPerSlab].AsSpan(slot % slotsPerSlab * size, size);
        }

        public void Retain(int slot, uint generation)
        {
            Check(slot, generation);
            _shares[slot]++;
        }

        public void Release(int slot, uint generation)
        {
            Check(slot, generation);
            if (--_shares[slot] > 0) return;
            if (poison) _slabs[slot / slotsPerSlab].AsSpan(slot % slotsPerSlab * size, size).Fill(Poison);
            _generations[slot]++;
            _free[_freeCount++] = slot;
            InUse--;
        }

        public int Shares(int slot, uint generation)
        {
            Check(slot, generation);
            return _shares[slot];
        }

        /// <summary>A double release would hand one slot to two flows: that must end the process, not corrupt data.</summary>
        private void Check(int slot, uint generation)
        {
            if (_shares[slot] <= 0 || _generations[slot] != generation)
                throw new InvalidOperationException($"frame slot {slot}: share given back twice or used late");
        }

        private bool TryGrow()
        {
            int old = _shares.Length;
            if (old >= _maxSlots) return false;
            int slabs = old / slotsPerSlab;
            Array.Resize(ref _slabs, slabs + 1);
            // Pinned and not cleared: pages become resident when first written.
            _slabs[slabs] = GC.AllocateUninitializedArray<byte>(size * slotsPerSlab, pinned: true);
            if (poison) _slabs[slabs].AsSpan().Fill(Poison);
            Array.Resize(ref _shares, old + slotsPerSlab);
            Array.Resize(ref _generations, old + slotsPerSlab);
            Array.Resize(ref _free, old + slotsPerSlab);
            for (int slot = old + slotsPerSlab - 1; slot >= old; slot--) _free[_freeCount++] = slot;
            return true;
        }
    }
}
