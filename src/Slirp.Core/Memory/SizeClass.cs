using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Slirp.Core.Memory;

/// <summary>The slots of one size: slabs taken on demand up to a ceiling.</summary>
internal sealed class SizeClass(int size, int slotsPerSlab, long ceiling, bool poison)
{
    private const byte Poison = 0xdb;

    private readonly int _maxSlots = (int)Math.Max(slotsPerSlab, ceiling / size / slotsPerSlab * slotsPerSlab);
    private Slab[] _slabs = [];
    private int[] _shares = [];
    private uint[] _generations = [];
    private int[] _free = [];
    private int _freeCount;

    private struct Slab
    {
        public byte[] Octets;
        public int InUse;

        /// <summary>Pages may be resident.</summary>
        public bool IsDirty;

        /// <summary>Some slot was in use since the last look.</summary>
        public bool WasUsed;
    }

    public int Size => size;

    public int InUse { get; private set; }

    /// <summary>The most slots there can be.</summary>
    public int Limit => _maxSlots;

    public int Available => _maxSlots - InUse;

    /// <summary>A slab has become unused and its pages were not given back yet.</summary>
    public bool HasIdleSlab { get; private set; }

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
        ref Slab slab = ref _slabs[slot / slotsPerSlab];
        slab.InUse++;
        slab.IsDirty = slab.WasUsed = true;
        frame = new OwnedFrame(slot | tag, _generations[slot]);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Octets(int slot, uint generation)
    {
        Debug.Assert(_shares[slot] > 0 && _generations[slot] == generation, "frame used after its release");
        return _slabs[slot / slotsPerSlab].Octets.AsSpan(slot % slotsPerSlab * size, size);
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
        ref Slab slab = ref _slabs[slot / slotsPerSlab];
        if (poison) slab.Octets.AsSpan(slot % slotsPerSlab * size, size).Fill(Poison);
        _generations[slot]++;
        _free[_freeCount++] = slot;
        InUse--;
        if (--slab.InUse == 0) HasIdleSlab = true;
    }

    public int Shares(int slot, uint generation)
    {
        Check(slot, generation);
        return _shares[slot];
    }

    public long Trim(PageRelease release)
    {
        long octets = 0;
        HasIdleSlab = false;
        foreach (ref Slab slab in _slabs.AsSpan())
        {
            if (!slab.IsDirty || slab.InUse > 0) continue;
            if (slab.WasUsed)
            {
                slab.WasUsed = false;
                HasIdleSlab = true; // the next look decides
                continue;
            }
            release(slab.Octets);
            slab.IsDirty = false;
            octets += slab.Octets.Length;
        }
        return octets;
    }

    /// <summary>A double release would hand one slot to two flows: that must show, not corrupt data.</summary>
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
        _slabs[slabs].Octets = GC.AllocateUninitializedArray<byte>(size * slotsPerSlab, pinned: true);
        if (poison) _slabs[slabs].Octets.AsSpan().Fill(Poison);
        Array.Resize(ref _shares, old + slotsPerSlab);
        Array.Resize(ref _generations, old + slotsPerSlab);
        Array.Resize(ref _free, old + slotsPerSlab);
        for (int slot = old + slotsPerSlab - 1; slot >= old; slot--) _free[_freeCount++] = slot;
        return true;
    }
}
