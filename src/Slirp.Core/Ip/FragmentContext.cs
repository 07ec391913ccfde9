using System.Numerics;
using Slirp.Core.Memory;
using Slirp.Core.Timers;
using Slirp.Wire;

namespace Slirp.Core.Ip;

/// <summary>Which packet a fragment belongs to (RFC 791 section 3.2, RFC 8200 section 4.5).</summary>
/// <param name="Protocol">IPv4 only; IPv6 fragments are told apart without it.</param>
internal readonly record struct FragmentKey(IpAddress Source, IpAddress Destination, uint Identification, IpProtocol Protocol);

/// <summary>What a fragment did to the packet that is being put together.</summary>
internal enum FragmentOutcome
{
    /// <summary>Taken; more must come.</summary>
    Incomplete,

    /// <summary>The last one missing: the packet is whole.</summary>
    Complete,

    /// <summary>It had come before, the same octets in the same place.</summary>
    Duplicate,

    /// <summary>It covers octets that another fragment brought.</summary>
    Overlap,

    /// <summary>It contradicts what is known of the packet's length.</summary>
    Contradiction,
}

/// <summary>One packet that is being put together: which octets are there, in units of eight.</summary>
/// <remarks>
/// Two bitmaps over the packet's 8192 units: which have come, and which begin a fragment. With them a fragment costs its
/// own length, however many came before, and an exact duplicate is told from any other overlap. A packet with an overlap
/// is dead: it keeps its key until it expires, so that the rest of it is thrown away too (RFC 5722 section 3).
/// </remarks>
internal sealed class FragmentContext
{
    private const int Unit = 8;
    private const int UnitCount = (ushort.MaxValue + 1) / Unit;
    private const int LengthUnknown = -1;

    private readonly ulong[] _received = new ulong[UnitCount / 64];
    private readonly ulong[] _starts = new ulong[UnitCount / 64];
    private int _receivedUnits;
    private int _lastUnit; // units below it may be set; what is beyond needs no clearing

    public FragmentKey Key { get; private set; }
    public bool IsActive { get; private set; }
    public int Generation { get; private set; }

    /// <summary>Rises with each context opened, so the oldest is the lowest.</summary>
    public long Order { get; private set; }
    public MacAddress Station { get; private set; }
    public TimerHandle Timer { get; set; }

    /// <summary>An overlap was seen: nothing more is taken, and there is no slot.</summary>
    public bool IsDead { get; private set; }
    public OwnedFrame Frame { get; private set; }

    /// <summary>Octets of headers kept in front of the payload, from the first fragment; 0 until it has come.</summary>
    public int HeaderLength { get; set; }

    /// <summary>Octets of payload that came with the first fragment.</summary>
    public int FirstLength { get; set; }

    /// <summary>IPv6: where in the kept headers the octet stands that names the fragment header.</summary>
    public int NextHeaderField { get; set; }

    /// <summary>Octets of the whole payload, once the last fragment has come; else negative.</summary>
    public int PayloadLength { get; private set; }

    public bool HasFirst => HeaderLength > 0;

    public void Open(in FragmentKey key, OwnedFrame frame, MacAddress station, long order)
    {
        (Key, Frame, Station, Order, IsActive, IsDead) = (key, frame, station, order, true, false);
        int words = (_lastUnit + 63) / 64;
        _received.AsSpan(0, words).Clear();
        _starts.AsSpan(0, words).Clear();
        _receivedUnits = _lastUnit = 0;
        HeaderLength = FirstLength = NextHeaderField = 0;
        PayloadLength = LengthUnknown;
    }

    public void Close()
    {
        IsActive = false;
        Generation = Generation + 1 & World.EventTarget.GenerationMask;
    }

    public void Die() => IsDead = true;

    /// <summary>Takes note of a fragment, and on Incomplete or Complete its octets are to be put in place.</summary>
    /// <param name="offset">A multiple of eight.</param>
    /// <param name="content">Not empty; a multiple of eight octets if <paramref name="moreFragments"/>.</param>
    /// <param name="place">Where the octets go, for comparing them with what is there if something is.</param>
    public FragmentOutcome Add(int offset, bool moreFragments, ReadOnlySpan<byte> content, ReadOnlySpan<byte> place)
    {
        int end = offset + content.Length;
        if (PayloadLength != LengthUnknown && end > PayloadLength) return FragmentOutcome.Contradiction;
        int first = offset / Unit, beyond = (end + Unit - 1) / Unit;
        int present = CountReceived(first, beyond);
        if (present > 0)
        {
            bool isWhole = present == beyond - first && IsOneFragment(first, beyond) && moreFragments == (end != PayloadLength);
            return isWhole && content.SequenceEqual(place) ? FragmentOutcome.Duplicate : FragmentOutcome.Overlap;
        }
        if (PayloadLength != LengthUnknown && !moreFragments) return FragmentOutcome.Contradiction;
        if (!moreFragments && _lastUnit > beyond) return FragmentOutcome.Contradiction;
        if (!moreFragments) PayloadLength = end;
        MarkReceived(first, beyond);
        int needed = (PayloadLength + Unit - 1) / Unit;
        return PayloadLength != LengthUnknown && _receivedUnits == needed ? FragmentOutcome.Complete : FragmentOutcome.Incomplete;
    }

    /// <summary>True if the units were brought by one fragment that ends where they end.</summary>
    private bool IsOneFragment(int first, int beyond)
    {
        if (!IsSet(_starts, first)) return false;
        for (int unit = first + 1; unit < beyond; unit++)
            if (IsSet(_starts, unit)) return false;
        return beyond == UnitCount || !IsSet(_received, beyond) || IsSet(_starts, beyond);
    }

    private int CountReceived(int first, int beyond)
    {
        int count = 0;
        for (int word = first / 64; word * 64 < beyond; word++) count += BitOperations.PopCount(_received[word] & Mask(word, first, beyond));
        return count;
    }

    private void MarkReceived(int first, int beyond)
    {
        for (int word = first / 64; word * 64 < beyond; word++) _received[word] |= Mask(word, first, beyond);
        _starts[first / 64] |= 1ul << first % 64;
        _receivedUnits += beyond - first;
        _lastUnit = Math.Max(_lastUnit, beyond);
    }

    /// <summary>The bits of one word that lie in [first, beyond).</summary>
    private static ulong Mask(int word, int first, int beyond)
    {
        int from = Math.Max(first - word * 64, 0), to = Math.Min(beyond - word * 64, 64);
        ulong below = to == 64 ? ulong.MaxValue : (1ul << to) - 1;
        return below & ~((1ul << from) - 1);
    }

    private static bool IsSet(ulong[] bits, int unit) => (bits[unit / 64] >> unit % 64 & 1) != 0;
}
