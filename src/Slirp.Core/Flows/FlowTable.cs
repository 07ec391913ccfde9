using System.Diagnostics.CodeAnalysis;

namespace Slirp.Core.Flows;

/// <summary>What a table entry must tell the table.</summary>
public interface IFlow
{
    FlowKey Key { get; }

    /// <summary>Its place in the table; set by the table when it is added.</summary>
    int Index { get; set; }

    /// <summary>Set by the table; an event or timer that carries another one is for a flow that has died.</summary>
    int Generation { get; set; }
}

/// <summary>The flows of one protocol of one worker, found by key (from a frame) or by index and generation (from an
/// event or a timer).</summary>
/// <remarks>
/// <para>Slots hold the flows; an open-addressing bucket array of slot numbers finds them by hash, linear probing,
/// deletion by shifting back, so there are no tombstones and a lookup ends at the first empty bucket. Load is kept at or
/// below one half.</para>
/// <para>Invariants: every flow in a slot is reachable from its hash's home bucket without an empty bucket between; a
/// slot's generation rises when its flow is removed. Limits: <paramref name="limit"/> flows.</para>
/// </remarks>
public sealed class FlowTable<TFlow>(int limit) where TFlow : class, IFlow
{
    private const int Empty = -1;
    private const int SmallestCapacity = 64;

    private readonly FlowHash _hash = FlowHash.WithRandomSecret();
    private TFlow?[] _flows = new TFlow?[SmallestCapacity];
    private int[] _generations = new int[SmallestCapacity];
    private uint[] _hashes = new uint[SmallestCapacity];
    private int[] _freeSlots = NewFreeList(0, SmallestCapacity);
    private int _freeCount = SmallestCapacity;
    private int[] _buckets = NewBuckets(SmallestCapacity * 2);

    public int Count { get; private set; }

    public bool IsFull => Count >= limit;

    public bool TryFind(in FlowKey key, [NotNullWhen(true)] out TFlow? flow)
    {
        uint hash = _hash.Of(key);
        int mask = _buckets.Length - 1;
        for (int b = (int)(hash & (uint)mask); _buckets[b] != Empty; b = (b + 1) & mask)
        {
            int slot = _buckets[b];
            if (_hashes[slot] != hash || _flows[slot]!.Key != key) continue;
            flow = _flows[slot]!;
            return true;
        }
        flow = null;
        return false;
    }

    /// <summary>The flow an event or timer was meant for, unless it has died since.</summary>
    public bool TryGet(int index, int generation, [NotNullWhen(true)] out TFlow? flow)
    {
        flow = (uint)index < (uint)_flows.Length && _generations[index] == generation ? _flows[index] : null;
        return flow is not null;
    }

    /// <summary>Adds a flow whose key is not in the table; false if the table is at its limit.</summary>
    public bool TryAdd(TFlow flow)
    {
        if (IsFull) return false;
        if (_freeCount == 0) Grow();
        int slot = _freeSlots[--_freeCount];
        _flows[slot] = flow;
        _hashes[slot] = _hash.Of(flow.Key);
        flow.Index = slot;
        flow.Generation = _generations[slot];
        Insert(slot);
        Count++;
        return true;
    }

    /// <summary>Removes a flow that is there; references to its slot are stale from now on.</summary>
    public void Remove(TFlow flow)
    {
        int slot = flow.Index;
        if (_flows[slot] != flow) throw new InvalidOperationException($"flow {flow.Key} removed twice");
        RemoveFromBuckets(slot);
        _flows[slot] = null;
        _generations[slot] = (_generations[slot] + 1) & World.EventTarget.GenerationMask;
        _freeSlots[_freeCount++] = slot;
        Count--;
    }

    /// <summary>Slots, used and not, for walking over: <see cref="At"/> gives null for the unused.</summary>
    public int SlotCount => _flows.Length;

    public TFlow? At(int slot) => _flows[slot];

    private void Insert(int slot)
    {
        int mask = _buckets.Length - 1;
        int b = (int)(_hashes[slot] & (uint)mask);
        while (_buckets[b] != Empty) b = (b + 1) & mask;
        _buckets[b] = slot;
    }

    private void RemoveFromBuckets(int slot)
    {
        int mask = _buckets.Length - 1;
        int hole = (int)(_hashes[slot] & (uint)mask);
        while (_buckets[hole] != slot) hole = (hole + 1) & mask;
        for (int b = (hole + 1) & mask; _buckets[b] != Empty; b = (b + 1) & mask)
        {
            int home = (int)(_hashes[_buckets[b]] & (uint)mask);
            // It may move into the hole unless its home lies cyclically in (hole, b].
            if (((b - home) & mask) < ((b - hole) & mask)) continue;
            _buckets[hole] = _buckets[b];
            hole = b;
        }
        _buckets[hole] = Empty;
    }

    private void Grow()
    {
        int old = _flows.Length, capacity = old * 2;
        Array.Resize(ref _flows, capacity);
        Array.Resize(ref _generations, capacity);
        Array.Resize(ref _hashes, capacity);
        _freeSlots = NewFreeList(old, capacity);
        _freeCount = capacity - old;
        _buckets = NewBuckets(capacity * 2);
        for (int slot = 0; slot < old; slot++) Insert(slot);
    }

    private static int[] NewFreeList(int from, int capacity)
    {
        var free = new int[capacity];
        for (int slot = capacity - 1, n = 0; slot >= from; slot--) free[n++] = slot;
        return free;
    }

    private static int[] NewBuckets(int count)
    {
        var buckets = new int[count];
        Array.Fill(buckets, Empty);
        return buckets;
    }
}
