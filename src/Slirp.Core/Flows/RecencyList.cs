namespace Slirp.Core.Flows;

/// <summary>Table slots in the order of their last use: who is idlest is known at any time, and a use costs O(1).</summary>
/// <remarks>A doubly linked ring through arrays indexed by slot number; entry 0 is the ring's head, slot n is entry
/// n + 1, and an entry that is not in the ring has a zero on both sides and is not the only one.</remarks>
public sealed class RecencyList
{
    private int[] _newer = new int[64];
    private int[] _older = new int[64];

    public int Count { get; private set; }

    /// <summary>The slot used longest ago, or -1.</summary>
    public int Oldest => _newer[0] - 1;

    /// <summary>Makes a slot the most recently used; adds it if need be.</summary>
    public void Touch(int slot)
    {
        int entry = slot + 1;
        if (_older[0] == entry) return;
        if (entry >= _newer.Length) Grow(entry);
        if (IsLinked(entry)) Unlink(entry);
        else Count++;
        int newest = _older[0];
        _older[entry] = newest;
        _newer[newest] = entry;
        _newer[entry] = 0;
        _older[0] = entry;
    }

    public void Remove(int slot)
    {
        int entry = slot + 1;
        if (entry >= _newer.Length || !IsLinked(entry)) return;
        Unlink(entry);
        _newer[entry] = _older[entry] = 0;
        Count--;
    }

    private bool IsLinked(int entry) => _newer[entry] != 0 || _older[entry] != 0 || _newer[0] == entry;

    private void Unlink(int entry)
    {
        _newer[_older[entry]] = _newer[entry];
        _older[_newer[entry]] = _older[entry];
    }

    private void Grow(int entry)
    {
        int capacity = Math.Max(_newer.Length * 2, entry + 1);
        Array.Resize(ref _newer, capacity);
        Array.Resize(ref _older, capacity);
    }
}
