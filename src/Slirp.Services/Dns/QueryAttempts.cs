using Slirp.Core;

namespace Slirp.Services.Dns;

/// <summary>One datagram sent for a query: where it went, under which identifier.</summary>
internal struct QueryAttempt
{
    public int Query;

    /// <summary>Slot in <see cref="UpstreamSockets{TWorld}"/>, from which the resolver follows.</summary>
    public int Slot;
    public ushort Id;

    /// <summary>A router has said that it may not have got there.</summary>
    public bool IsDoubted;
    public Instant SentAt;
    public int NextOfQuery;
}

/// <summary>What is out, found by socket and identifier: the two things an answer must have right.</summary>
/// <remarks>Entry 0 is never used and means none. Identifiers are random and unique among those out on one socket.</remarks>
internal sealed class QueryAttempts
{
    private const int SmallestCapacity = 64;

    private readonly Dictionary<int, int> _bySlotAndId = [];
    private QueryAttempt[] _attempts = new QueryAttempt[SmallestCapacity];
    private int _used = 1;
    private int _free;

    public ref QueryAttempt this[int index] => ref _attempts[index];

    /// <summary>Entries to look at when looking at all: those not in use have no query.</summary>
    public int End => _used;

    public bool TryFind(int slot, ushort id, out int index) => _bySlotAndId.TryGetValue(Key(slot, id), out index);

    public int Add(in QueryAttempt attempt)
    {
        int index = Allocate();
        ushort id;
        do id = SecureRandom.NextUInt16();
        while (!_bySlotAndId.TryAdd(Key(attempt.Slot, id), index));
        _attempts[index] = attempt;
        _attempts[index].Id = id;
        return index;
    }

    public void Remove(int index)
    {
        ref QueryAttempt attempt = ref _attempts[index];
        _bySlotAndId.Remove(Key(attempt.Slot, attempt.Id));
        attempt = new QueryAttempt { NextOfQuery = _free };
        _free = index;
    }

    private static int Key(int slot, ushort id) => slot << 16 | id;

    private int Allocate()
    {
        if (_free != 0)
        {
            int index = _free;
            _free = _attempts[index].NextOfQuery;
            return index;
        }
        if (_used == _attempts.Length) Array.Resize(ref _attempts, _attempts.Length * 2);
        return _used++;
    }
}
