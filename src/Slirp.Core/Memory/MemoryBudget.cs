namespace Slirp.Core.Memory;

/// <summary>The ledger of what a worker has promised to hold: the windows of flows that send, as far as they exceed the
/// least that every flow gets, and every octet received from a host socket and kept until the guest acknowledges it.</summary>
/// <remarks>A promise is made only while the ledger has room, so a segment inside an advertised window is not refused for
/// want of memory. Two things are not in the ledger: the least window of each flow, and windows told to guests that have not
/// sent for a while, which they may use again at any time. Both count on hosts taking most of what comes; should none do,
/// <see cref="FramePool"/> says what happens. The pool behind the ledger is four times as large, because payload that is
/// passed on in the slot it came in fills about a quarter of that slot or more.</remarks>
public sealed class MemoryBudget(long ceiling)
{
    public long Ceiling => ceiling;

    public long Promised { get; private set; }

    public long Available => Math.Max(0, ceiling - Promised);

    /// <summary>Moves a flow's promise from <paramref name="old"/> to <paramref name="updated"/> octets.</summary>
    public void Adjust(long old, long updated) => Promised += updated - old;

    /// <summary>The most that one flow may promise now: generous while few want memory, a share of the rest when many do.</summary>
    public long FairShare(long wanted) => Math.Min(wanted, Available / 8);
}
