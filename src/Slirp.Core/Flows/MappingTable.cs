using System.Diagnostics.CodeAnalysis;
using Slirp.Core.Timers;
using Slirp.Core.World;

namespace Slirp.Core.Flows;

/// <summary>The mappings of one datagram protocol: found by guest endpoint, opened with a host socket, expired by the
/// wheel, and evicted, idlest first, when there are too many of them or the host has no more descriptors.</summary>
/// <remarks>
/// <para>Deadlines only ever move; the wheel is touched when one comes nearer than the timer that is set. A timer that
/// fires early for its mapping schedules itself again, so a datagram costs no wheel operation.</para>
/// <para>Sockets report edges, so a mapping with something left to read waits in the ready queue; entries are references
/// with a generation, so a mapping closed meanwhile is skipped.</para>
/// <para>Invariants: every mapping in the table has an open socket, one timer and a place in the recency list. Closed
/// mappings are kept and used again: opening one allocates nothing once the table has been as full as it gets.</para>
/// </remarks>
public sealed class MappingTable<TMapping, TWorld>(TWorld world, TimerWheel timers, EventKind kind, int limit)
    where TMapping : DatagramMapping, new()
    where TWorld : struct, IWorld
{
    private readonly FlowTable<TMapping> _table = new(limit);
    private readonly RecencyList _recency = new();
    private readonly Stack<TMapping> _unused = new();
    private readonly Queue<EventTarget> _ready = new();
    private TWorld _world = world;

    public int Count => _table.Count;

    /// <summary>For walking over all: <see cref="At"/> gives null for unused slots.</summary>
    public int SlotCount => _table.SlotCount;

    /// <summary>Closed to make room for another.</summary>
    public long EvictedCount { get; private set; }

    public int ReadyCount => _ready.Count;

    public TMapping? At(int slot) => _table.At(slot);

    public bool TryFind(in FlowKey key, [NotNullWhen(true)] out TMapping? mapping) => _table.TryFind(key, out mapping);

    public bool TryGet(EventTarget target, [NotNullWhen(true)] out TMapping? mapping) =>
        _table.TryGet(target.Index, target.Generation, out mapping);

    /// <summary>Opens a mapping for a guest endpoint that has none; it must be touched before the loop turns.</summary>
    public HostError TryOpen(in FlowKey key, out TMapping? mapping)
    {
        if (_table.IsFull) EvictIdlest();
        if (!_unused.TryPop(out mapping)) mapping = new TMapping();
        mapping.Reset(key);
        if (!_table.TryAdd(mapping)) return Discard(ref mapping, HostError.NoBuffers);
        HostError error = HostError.Other;
        try
        {
            error = OpenSocket(mapping);
            if (error is HostError.NoDescriptors or HostError.AddressInUse && EvictIdlest()) error = OpenSocket(mapping);
        }
        finally
        {
            if (error != HostError.None) _table.Remove(mapping);
        }
        if (error != HostError.None) return Discard(ref mapping, error);
        return HostError.None;
    }

    /// <summary>The mapping was used: it is the last to be evicted now, and lives until <paramref name="deadline"/>.</summary>
    public void Touch(TMapping mapping, Instant deadline)
    {
        _recency.Touch(mapping.Index);
        mapping.Deadline = deadline;
        if (deadline < mapping.TimerDue) Schedule(mapping);
    }

    /// <returns>True if the mapping had outlived its deadline and is closed.</returns>
    public bool OnTimer(EventTarget target, Instant now)
    {
        if (!TryGet(target, out TMapping? mapping)) return false;
        mapping.Timer = default;
        if (mapping.Deadline > now)
        {
            Schedule(mapping);
            return false;
        }
        Close(mapping);
        return true;
    }

    public void Close(TMapping mapping)
    {
        TimerHandle timer = mapping.Timer;
        timers.Cancel(ref timer);
        HostSocket socket = mapping.Socket;
        _recency.Remove(mapping.Index);
        _table.Remove(mapping);
        mapping.Reset(default);
        _unused.Push(mapping);
        _world.Close(socket, reset: false);
    }

    public void CloseAll()
    {
        for (int slot = 0; slot < _table.SlotCount; slot++)
        {
            if (_table.At(slot) is { } mapping) Close(mapping);
        }
        _ready.Clear();
    }

    /// <summary>Remembers that a mapping has more to be read than its turn allowed.</summary>
    public void Enqueue(TMapping mapping)
    {
        if (mapping.IsQueued) return;
        mapping.IsQueued = true;
        _ready.Enqueue(TargetOf(mapping));
    }

    /// <summary>Takes one entry of the ready queue, which may be for a mapping that is gone.</summary>
    /// <returns>False if the queue is empty.</returns>
    public bool TryDequeue(out TMapping? mapping)
    {
        mapping = null;
        if (!_ready.TryDequeue(out EventTarget target)) return false;
        if (TryGet(target, out mapping)) mapping.IsQueued = false;
        return true;
    }

    private HostError OpenSocket(TMapping mapping)
    {
        AddressFamily family = mapping.IsIpv4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6;
        EventTarget owner = TargetOf(mapping);
        IoResult result = kind == EventKind.PingMapping
            ? _world.OpenPing(family, owner, out HostSocket socket)
            : _world.OpenUdp(family, null, owner, out socket);
        if (result.IsOk) mapping.Socket = socket;
        return result.Error;
    }

    private HostError Discard(ref TMapping? mapping, HostError error)
    {
        _unused.Push(mapping!);
        mapping = null;
        return error;
    }

    private bool EvictIdlest()
    {
        if (_recency.Oldest < 0 || _table.At(_recency.Oldest) is not { } idlest) return false;
        Close(idlest);
        EvictedCount++;
        return true;
    }

    private void Schedule(TMapping mapping)
    {
        TimerHandle timer = mapping.Timer;
        timers.Schedule(ref timer, TargetOf(mapping), mapping.Deadline);
        mapping.Timer = timer;
        mapping.TimerDue = mapping.Deadline;
    }

    private EventTarget TargetOf(TMapping mapping) => new(kind, mapping.Index, mapping.Generation);
}
