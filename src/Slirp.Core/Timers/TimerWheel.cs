using Slirp.Core.World;

namespace Slirp.Core.Timers;

/// <summary>A scheduled timer; the default value is "none". Belongs to the flow that set it.</summary>
public record struct TimerHandle(int Node)
{
    public readonly bool IsSet => Node > 0;
}

/// <summary>Deadlines of one worker: a hierarchical wheel whose cost per timer does not depend on their number.</summary>
/// <remarks>
/// <para>Three levels of 256 slots, 1 ms, 256 ms and 65.5 s wide: deadlines up to 4.6 hours ahead, later ones wait in the
/// last slot and are placed again. A timer never fires early, and late by at most one millisecond plus the loop's turn.</para>
/// <para>A flow has one timer, for the earliest of its deadlines. Moving a deadline further away does not touch the wheel:
/// the timer fires at the old time, the flow sees that nothing is due and schedules again. That keeps the per-segment
/// cost of "restart the retransmission timer" at one store.</para>
/// <para>Invariants: node 0 is never used, so a default handle is none; a node is in exactly one list; a fired timer is
/// unlinked before its owner is told.</para>
/// </remarks>
public sealed class TimerWheel
{
    private const int SlotBits = 8, SlotCount = 1 << SlotBits, SlotMask = SlotCount - 1, LevelCount = 3;
    private const long NanosecondsPerTick = 1_000_000;

    private readonly int[] _heads = new int[SlotCount * LevelCount];
    private Node[] _nodes = new Node[256];
    private int _freeNode;
    private int _nodeCount = 1;
    private long _tick;

    private struct Node
    {
        public EventTarget Target;
        public long Due; // tick
        public int Next, Previous;
        public int Slot;
    }

    public TimerWheel(Instant now) => _tick = now.Nanoseconds / NanosecondsPerTick;

    /// <summary>Timers set.</summary>
    public int Count { get; private set; }

    /// <summary>Sets or moves a timer; <paramref name="handle"/> is the owner's only reference to it.</summary>
    public void Schedule(ref TimerHandle handle, EventTarget target, Instant due)
    {
        Cancel(ref handle);
        int n = Allocate();
        _nodes[n].Target = target;
        _nodes[n].Due = Math.Max((due.Nanoseconds + NanosecondsPerTick - 1) / NanosecondsPerTick, _tick + 1);
        Link(n);
        handle = new TimerHandle(n);
        Count++;
    }

    public void Cancel(ref TimerHandle handle)
    {
        if (!handle.IsSet) return;
        Unlink(handle.Node);
        Free(handle.Node);
        handle = default;
    }

    /// <summary>Takes one timer that is due. Call until false; the owner's handle is to be cleared by the owner.</summary>
    public bool TryTakeDue(Instant now, out EventTarget target)
    {
        long nowTick = now.Nanoseconds / NanosecondsPerTick;
        while (true)
        {
            int head = _heads[(int)(_tick & SlotMask)];
            if (head != 0 && _nodes[head].Due <= _tick)
            {
                target = _nodes[head].Target;
                Unlink(head);
                Free(head);
                return true;
            }
            if (_tick >= nowTick)
            {
                target = default;
                return false;
            }
            if (Count == 0) _tick = nowTick;
            else Advance();
        }
    }

    /// <summary>When to look again: the earliest deadline, or an earlier time at which the wheel turns a level.</summary>
    public Instant NextWake()
    {
        if (Count == 0) return Instant.Never;
        long earliest = long.MaxValue;
        for (int level = 0; level < LevelCount; level++)
        {
            int shift = level * SlotBits;
            long position = _tick >> shift;
            // A slot of a higher level may hold what is due right after its turn, and so before what a lower level holds.
            if (level > 0 && (position + 1) << shift >= earliest) break;
            for (int i = level == 0 ? 0 : 1; i <= SlotCount; i++)
            {
                if (_heads[level * SlotCount + (int)((position + i) & SlotMask)] == 0) continue;
                earliest = Math.Min(earliest, Math.Max((position + i) << shift, _tick));
                break;
            }
        }
        return new Instant(earliest * NanosecondsPerTick);
    }

    private void Advance()
    {
        _tick++;
        if ((_tick & SlotMask) != 0) return;
        if (((_tick >> SlotBits) & SlotMask) == 0) Cascade((2 * SlotCount) + (int)((_tick >> (2 * SlotBits)) & SlotMask));
        Cascade(SlotCount + (int)((_tick >> SlotBits) & SlotMask));
    }

    private void Cascade(int slot)
    {
        int n = _heads[slot];
        _heads[slot] = 0;
        while (n != 0)
        {
            int next = _nodes[n].Next;
            Link(n);
            n = next;
        }
    }

    private void Link(int n)
    {
        ref Node node = ref _nodes[n];
        long ahead = node.Due - _tick;
        // What lies beyond the highest level waits in the last slot that its hand will reach, and is linked again from there.
        long lastReachable = _tick + (1L << (3 * SlotBits)) - 1 - (1L << (2 * SlotBits));
        int slot = ahead < SlotCount ? (int)(node.Due & SlotMask)
            : ahead < 1L << (2 * SlotBits) ? SlotCount + (int)((node.Due >> SlotBits) & SlotMask)
            : (2 * SlotCount) + (int)((Math.Min(node.Due, lastReachable) >> (2 * SlotBits)) & SlotMask);
        node.Slot = slot;
        node.Previous = 0;
        node.Next = _heads[slot];
        if (node.Next != 0) _nodes[node.Next].Previous = n;
        _heads[slot] = n;
    }

    private void Unlink(int n)
    {
        ref Node node = ref _nodes[n];
        if (node.Previous != 0) _nodes[node.Previous].Next = node.Next;
        else _heads[node.Slot] = node.Next;
        if (node.Next != 0) _nodes[node.Next].Previous = node.Previous;
    }

    private int Allocate()
    {
        if (_freeNode != 0)
        {
            int n = _freeNode;
            _freeNode = _nodes[n].Next;
            return n;
        }
        if (_nodeCount == _nodes.Length) Array.Resize(ref _nodes, _nodes.Length * 2);
        return _nodeCount++;
    }

    private void Free(int n)
    {
        _nodes[n].Next = _freeNode;
        _freeNode = n;
        Count--;
    }
}
