using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Slirp.Core.Memory;

/// <summary>The slots of one size: slabs taken on demand up to a ceiling.</summary>
/// <remarks>Where the system has no memory for another slab, that is the ceiling for the time being: until <see cref="Trim"/>
/// is called next. A slab is asked for while the reserve is still there.</remarks>
internal sealed class SizeClass
{
    private const byte Poison = 0xdb;

    private readonly int _size, _slotsPerSlab, _ceiling, _reserve;
    private readonly SlabSource _source;
    private readonly bool _poison;
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

    /// <param name="reserve">Slots of the first slab that are given only to who asks for them.</param>
    public SizeClass(int size, int slotsPerSlab, long octets, int reserve, SlabSource source, bool poison)
    {
        (_size, _slotsPerSlab, _reserve, _source, _poison) = (size, slotsPerSlab, reserve, source, poison);
        Limit = _ceiling = (int)Math.Max(slotsPerSlab, octets / size / slotsPerSlab * slotsPerSlab);
    }

    public int Size => _size;

    public int InUse { get; private set; }

    /// <summary>The most slots there can be.</summary>
    public int Limit { get; private set; }

    public int Available => Limit - InUse;

    /// <summary>A slab has become unused and its pages were not given back yet.</summary>
    public bool HasIdleSlab { get; private set; }

    public bool TryRent(int tag, out OwnedFrame frame, bool fromReserve = false)
    {
        if (_freeCount <= _reserve) Grow();
        if (_freeCount <= (fromReserve ? 0 : _reserve))
        {
            frame = default;
            return false;
        }
        int slot = _free[--_freeCount];
        _shares[slot] = 1;
        InUse++;
        ref Slab slab = ref _slabs[slot / _slotsPerSlab];
        slab.InUse++;
        slab.IsDirty = slab.WasUsed = true;
        frame = new OwnedFrame(slot | tag, _generations[slot]);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Octets(int slot, uint generation)
    {
        Debug.Assert(_shares[slot] > 0 && _generations[slot] == generation, "frame used after its release");
        return _slabs[slot / _slotsPerSlab].Octets.AsSpan(slot % _slotsPerSlab * _size, _size);
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
        ref Slab slab = ref _slabs[slot / _slotsPerSlab];
        if (_poison) slab.Octets.AsSpan(slot % _slotsPerSlab * _size, _size).Fill(Poison);
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
        Limit = _ceiling;
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

    private void Grow()
    {
        int old = _shares.Length;
        if (old >= Limit) return;
        int slabs = old / _slotsPerSlab;
        try
        {
            byte[] octets = _source(_size * _slotsPerSlab);
            if (_poison) octets.AsSpan().Fill(Poison);
            Array.Resize(ref _slabs, slabs + 1);
            _slabs[slabs].Octets = octets;
            Array.Resize(ref _free, old + _slotsPerSlab);
            Array.Resize(ref _generations, old + _slotsPerSlab);
            Array.Resize(ref _shares, old + _slotsPerSlab); // last: its length says how many slots there are
        }
        catch (OutOfMemoryException)
        {
            Limit = old;
            return;
        }
        for (int slot = old + _slotsPerSlab - 1; slot >= old; slot--) _free[_freeCount++] = slot;
    }
}
