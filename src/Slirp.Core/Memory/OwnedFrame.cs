namespace Slirp.Core.Memory;

/// <summary>A share in one slot of a <see cref="FramePool"/>: whoever holds it releases it or passes it on, once.</summary>
/// <param name="Slot">Which slot, and of which size.</param>
/// <param name="Generation">Raised when the slot becomes free, so a stale token is caught and not obeyed.</param>
public readonly record struct OwnedFrame(int Slot, uint Generation);
