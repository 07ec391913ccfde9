using System.Globalization;
using System.Text;

namespace Slirp.Wire.Dns;

/// <summary>Domain names as labels (RFC 1035 section 3.1): in DNS messages, DHCP options and router advertisements.</summary>
public static class DomainName
{
    /// <summary>Octets of a name on the wire, its closing zero included.</summary>
    public const int MaxLength = 255;

    public const int MaxLabelLength = 63;
    private const int PointerBits = 0xc0;

    /// <summary>Writes <paramref name="text"/> ("example.com", with or without the final dot) as labels, uncompressed.</summary>
    /// <returns>False, with nothing said about the buffer's contents, if a label is empty or beyond 63 octets, the name
    /// beyond 255, a character not printable ASCII, or the buffer too small.</returns>
    public static bool TryWrite(ReadOnlySpan<char> text, Span<byte> destination, out int written)
    {
        written = 0;
        if (text.EndsWith('.')) text = text[..^1];
        if (text.Length + 2 > Math.Min(MaxLength, destination.Length)) return false;
        foreach (Range range in text.Split('.'))
        {
            ReadOnlySpan<char> label = text[range];
            if (label.Length is 0 or > MaxLabelLength || label.ContainsAnyExceptInRange('!', '~')) return false;
            destination[written] = (byte)label.Length;
            Encoding.ASCII.GetBytes(label, destination[(written + 1)..]);
            written += 1 + label.Length;
        }
        destination[written++] = 0;
        return true;
    }

    /// <summary>Steps over a name that may end in a compression pointer, which is not followed: so there is no loop.</summary>
    /// <param name="offset">Where the name starts; left where it was if the answer is false.</param>
    /// <returns>False if the name runs past the end, past 255 octets, or uses a reserved label type.</returns>
    public static bool TrySkip(ReadOnlySpan<byte> message, ref int offset, out bool endsInPointer)
    {
        int at = offset;
        endsInPointer = false;
        while (at < message.Length)
        {
            int length = message[at];
            if (length >= PointerBits)
            {
                if (at + 2 > message.Length) return false;
                offset = at + 2;
                endsInPointer = true;
                return true;
            }
            if (length > MaxLabelLength) return false;
            at += 1 + length;
            if (at - offset > MaxLength) return false;
            if (length != 0) continue;
            if (at > message.Length) return false;
            offset = at;
            return true;
        }
        return false;
    }

    /// <summary>Steps over a name and copies it, pointers followed, as plain labels.</summary>
    /// <remarks>Each pointer must lead before the place where the labels it ends began, so the walk always ends.</remarks>
    /// <param name="offset">Where the name starts; afterwards what follows it there. Unchanged if the answer is false.</param>
    /// <param name="name">At least <see cref="MaxLength"/> octets.</param>
    public static bool TryRead(ReadOnlySpan<byte> message, ref int offset, Span<byte> name, out int length)
    {
        length = 0;
        int at = offset, runStart = offset, end = -1;
        while (at < message.Length)
        {
            int label = message[at];
            if (label >= PointerBits)
            {
                if (at + 2 > message.Length) return false;
                int target = (label & ~PointerBits) << 8 | message[at + 1];
                if (target >= runStart) return false;
                if (end < 0) end = at + 2;
                at = runStart = target;
                continue;
            }
            if (label > MaxLabelLength || at + 1 + label > message.Length || length + 1 + label > MaxLength) return false;
            message.Slice(at, 1 + label).CopyTo(name[length..]);
            length += 1 + label;
            at += 1 + label;
            if (label != 0) continue;
            offset = end < 0 ? at : end;
            return true;
        }
        return false;
    }

    /// <summary>True if two uncompressed names are the same to a resolver: letters without regard to case (RFC 4343).</summary>
    public static bool AreEqual(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        if (a.Length != b.Length) return false;
        // Length octets are below 64, so folding the case of 'A' to 'Z' (from 65) leaves them alone.
        for (int i = 0; i < a.Length; i++)
            if (ToLower(a[i]) != ToLower(b[i])) return false;
        return true;
    }

    /// <summary>For logs: an uncompressed name with its final dot, odd octets escaped as RFC 1035 section 5.1 does.</summary>
    public static string ToText(ReadOnlySpan<byte> name)
    {
        var text = new StringBuilder();
        for (int at = 0; at < name.Length && name[at] != 0; at += 1 + name[at])
        {
            int labelEnd = Math.Min(at + 1 + name[at], name.Length);
            foreach (byte octet in name[(at + 1)..labelEnd]) AppendOctet(text, octet);
            text.Append('.');
        }
        return text.Length == 0 ? "." : text.ToString();
    }

    private static void AppendOctet(StringBuilder text, byte octet)
    {
        if (octet is (byte)'.' or (byte)'\\') text.Append('\\').Append((char)octet);
        else if (octet is >= (byte)'!' and <= (byte)'~') text.Append((char)octet);
        else text.Append('\\').Append(octet.ToString("d3", CultureInfo.InvariantCulture));
    }

    private static byte ToLower(byte octet) => octet is >= (byte)'A' and <= (byte)'Z' ? (byte)(octet | 0x20) : octet;
}
