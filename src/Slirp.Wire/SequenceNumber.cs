namespace Slirp.Wire;

/// <summary>A TCP sequence number: modulo 2^32, so ordered only within a window (RFC 9293 section 3.4).</summary>
/// <remarks>There is no plain comparison operator on purpose: which of two numbers is "before" the other is a question
/// about distance, true while both lie within 2^31 octets.</remarks>
public readonly record struct SequenceNumber(uint Value)
{
    /// <summary>Octets from <paramref name="earlier"/> to this one; negative if this one comes first.</summary>
    public int Since(SequenceNumber earlier) => (int)(Value - earlier.Value);

    public bool IsBefore(SequenceNumber other) => Since(other) < 0;

    public bool IsAfter(SequenceNumber other) => Since(other) > 0;

    public bool IsAtOrAfter(SequenceNumber other) => Since(other) >= 0;

    public bool IsAtOrBefore(SequenceNumber other) => Since(other) <= 0;

    /// <summary>True if this number lies in [start, start + length).</summary>
    public bool IsWithin(SequenceNumber start, uint length) => Value - start.Value < length;

    public static SequenceNumber Later(SequenceNumber a, SequenceNumber b) => a.IsBefore(b) ? b : a;

    public static SequenceNumber Earlier(SequenceNumber a, SequenceNumber b) => a.IsBefore(b) ? a : b;

    public static SequenceNumber operator +(SequenceNumber start, int octets) => new(start.Value + (uint)octets);

    public static SequenceNumber operator -(SequenceNumber start, int octets) => new(start.Value - (uint)octets);

    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
