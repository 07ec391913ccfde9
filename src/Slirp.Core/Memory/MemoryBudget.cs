namespace Slirp.Core.Memory;

/// <summary>The ledger of what a worker has promised to hold: every octet of every window it advertised, and every octet
/// it received from a host socket and must keep until the guest acknowledges it.</summary>
/// <remarks>Beyond the small minimum that each flow gets, a promise is made only while the ledger has room, so a segment
/// inside an advertised window is never refused for want of memory. The pool behind it is four times as large, because
/// payload that is passed on in the slot it came in fills about a quarter of that slot or more.</remarks>
public sealed class MemoryBudget(long ceiling)
{
    public long Ceiling => ceiling;

    public long Promised { get; private set; }

    public long Available => Math.Max(0, ceiling - Promised);

    /// <summary>Moves a flow's promise from <paramref name="old"/> to <paramref name="updated"/> octets.</summary>
    public void Adjust(long old, long updated) => Promised += updated - old;

    /// <summary>The most that one flow may promise now: generous while few want memory, a share of the rest when many do.</summary>
    public long FairShare(long wanted, long minimum) => Math.Max(minimum, Math.Min(wanted, Available / 8));
}
