using System.Runtime.CompilerServices;

namespace Slirp.Core.Memory;

/// <summary>Gives the pages of octets that nobody uses back to the system. Their content may change.</summary>
public delegate void PageRelease(Span<byte> octets);

/// <summary>Takes the octets of a slab from the system: pinned, as they are.</summary>
/// <exception cref="OutOfMemoryException">There are none.</exception>
public delegate byte[] SlabSource(int octets);

/// <summary>The memory that frames and payload live in: slots in pinned slabs, counted by reference.</summary>
/// <remarks>
/// <para>A slot holds one frame as the link delivered it, or payload received from a host socket, or payload packed piece
/// behind piece. Payload is never copied to be kept, unless it is small: its holder takes another share in the slot.</para>
/// <code>
///  large slot (68 KiB)          | virtio 10 | eth 14 | ip 20-60 | l4 8-60 | payload up to 65 535 ... |
///  smaller ones (2, 8, 32 KiB)  | packed payload ...   |
/// </code>
/// <para>Invariants: a slot is free exactly while its count is 0; its generation rises at that moment; the most recently
/// freed slot is rented first, because its cache lines are warm.</para>
/// <para><b>How much a queue holds.</b> Payload below 16 KiB is packed, into a slot that is at most four times as large as
/// what the queue then holds; larger payload keeps its slot of 68 KiB. So a queue holds at most 4.25 times its octets, or
/// 2 KiB, and one slot besides whose front has been used up (see <see cref="Tcp.PayloadQueue"/>).</para>
/// <para><b>Limits.</b> The ceiling is divided, 5/8 for large slots and 1/8 for each smaller size; where a size has run out
/// the next larger serves. Renting fails in the end, sooner if the system has no more memory for this process, and the caller sheds load. The last few large slots are kept for
/// reading frames (<see cref="TryRentForLink"/>), so that a full pool never stops the link: the acknowledgments that
/// arrive through it are what empties the pool. From seven eighths on (<see cref="IsScarce"/>) nothing more is received
/// from hosts, and payload of any size is packed.</para>
/// <para><b>Afterwards.</b> Slabs stay mapped, but the pages of a slab that was not used for a while are given back by
/// <see cref="Trim"/>.</para>
/// </remarks>
public sealed class FramePool
{
    /// <summary>Room for the largest IP packet behind its link headers: 65 535 + 14 + 10, and slack to a page boundary.</summary>
    public const int LargeSize = 68 * 1024;

    /// <summary>A small payload or several.</summary>
    public const int SmallSize = 2 * 1024;

    private const int MediumSize = 8 * 1024, MiddlingSize = 32 * 1024;

    /// <summary>Large slots that only the link gets.</summary>
    private const int LinkReserve = 4;

    private readonly SizeClass[] _classes;
    private readonly SizeClass _large;

    /// <param name="ceiling">Octets that all sizes together may take from the system.</param>
    /// <param name="poison">Fill freed slots, so that a late read shows; for tests.</param>
    /// <param name="source">Where slabs come from; tests have some that run dry.</param>
    public FramePool(long ceiling, bool poison = false, SlabSource? source = null)
    {
        // Pages become resident when they are first written.
        source ??= static octets => GC.AllocateUninitializedArray<byte>(octets, pinned: true);
        _large = new SizeClass(LargeSize, slotsPerSlab: 16, ceiling / 8 * 5, LinkReserve, source, poison);
        _classes =
        [
            _large,
            new SizeClass(SmallSize, slotsPerSlab: 512, ceiling / 8, reserve: 0, source, poison),
            new SizeClass(MediumSize, slotsPerSlab: 128, ceiling / 8, reserve: 0, source, poison),
            new SizeClass(MiddlingSize, slotsPerSlab: 32, ceiling / 8, reserve: 0, source, poison),
        ];
    }

    /// <summary>Slots of any size that somebody holds.</summary>
    public int InUse
    {
        get
        {
            int sum = 0;
            foreach (SizeClass size in _classes) sum += size.InUse;
            return sum;
        }
    }

    /// <summary>Few large slots are left: for frames from the guest, whose acknowledgments are what frees the others.</summary>
    public bool IsScarce => _large.InUse >= _large.Limit - _large.Limit / 8;

    public long OctetsInUse
    {
        get
        {
            long sum = 0;
            foreach (SizeClass size in _classes) sum += (long)size.InUse * size.Size;
            return sum;
        }
    }

    /// <summary>Some slab has pages that nobody uses: call <see cref="Trim"/> in a while.</summary>
    public bool WantsTrim
    {
        get
        {
            foreach (SizeClass size in _classes)
                if (size.HasIdleSlab) return true;
            return false;
        }
    }

    /// <summary>A large slot for anything but reading the next frame.</summary>
    public bool TryRent(out OwnedFrame frame) => _large.TryRent(0, out frame);

    /// <summary>A slot to read a frame into. One that keeps none of them between frames, and takes one at a time, always
    /// gets it.</summary>
    public bool TryRentForLink(out OwnedFrame frame) => _large.TryRent(0, out frame, fromReserve: true);

    /// <summary>A slot with room for so many octets, the smallest there is.</summary>
    public bool TryRentFor(int octets, out OwnedFrame frame)
    {
        for (int i = 1; i < _classes.Length; i++)
            if (octets <= _classes[i].Size && _classes[i].TryRent(i << Token.ClassShift, out frame)) return true;
        return TryRent(out frame);
    }

    /// <summary>The slot's octets; borrowed while the caller holds a share.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Octets(OwnedFrame frame) =>
        frame.Slot <= Token.SlotMask
            ? _large.Octets(frame.Slot, frame.Generation) : Class(frame).Octets(frame.Slot & Token.SlotMask, frame.Generation);

    /// <summary>Takes one more share.</summary>
    public void Retain(OwnedFrame frame) => Class(frame).Retain(frame.Slot & Token.SlotMask, frame.Generation);

    /// <summary>Takes one more share in a slot that a frame was read into, unless the link would have none left.</summary>
    public bool TryKeep(OwnedFrame frame)
    {
        if (_large.Available < LinkReserve) return false;
        Retain(frame);
        return true;
    }

    /// <summary>Gives one share back; the last one frees the slot.</summary>
    public void Release(OwnedFrame frame) => Class(frame).Release(frame.Slot & Token.SlotMask, frame.Generation);

    /// <summary>True if the caller's share is the only one, so that the slot may be overwritten.</summary>
    public bool IsUnshared(OwnedFrame frame) => Class(frame).Shares(frame.Slot & Token.SlotMask, frame.Generation) == 1;

    public int Size(OwnedFrame frame) => Class(frame).Size;

    /// <summary>Gives back the pages of each slab of which no slot was in use since the last call.</summary>
    /// <returns>Octets given back.</returns>
    public long Trim(PageRelease release)
    {
        long octets = 0;
        foreach (SizeClass size in _classes) octets += size.Trim(release);
        return octets;
    }

    private SizeClass Class(OwnedFrame frame) => _classes[frame.Slot >> Token.ClassShift];

    /// <summary>How <see cref="OwnedFrame.Slot"/> names a slot: its size's index above, its own below.</summary>
    private static class Token
    {
        public const int ClassShift = 28;
        public const int SlotMask = (1 << ClassShift) - 1;
    }
}
