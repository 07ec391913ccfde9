using System.Text;

namespace Slirp.Linux;

/// <summary>Strings as the kernel takes them: octets up to a zero.</summary>
internal static class CString
{
    /// <summary>UTF-8 with the closing zero; octets that are none stand as <see cref="ArgumentOctets"/> has it. A name that
    /// holds a zero itself would be cut: refused.</summary>
    public static byte[] Encode(string text)
    {
        if (text.Contains('\0')) throw new ArgumentException("a zero octet inside a system call's string", nameof(text));
        var octets = new byte[Encoding.UTF8.GetMaxByteCount(text.Length) + 1];
        int length = 0, start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (!ArgumentOctets.TryGetOctet(text, i, out byte alone)) continue;
            length += Encoding.UTF8.GetBytes(text.AsSpan(start, i - start), octets.AsSpan(length));
            octets[length++] = alone;
            start = i + 1;
        }
        length += Encoding.UTF8.GetBytes(text.AsSpan(start), octets.AsSpan(length));
        return octets[..(length + 1)];
    }

    /// <summary>Strings that each end in a zero octet, which they keep.</summary>
    public static List<byte[]> Split(ReadOnlySpan<byte> octets)
    {
        var words = new List<byte[]>();
        while (octets.IndexOf((byte)0) is int end and >= 0)
        {
            words.Add(octets[..(end + 1)].ToArray());
            octets = octets[(end + 1)..];
        }
        return words;
    }

    /// <summary>Text up to the first zero octet, or all of it.</summary>
    public static string Decode(ReadOnlySpan<byte> octets)
    {
        int end = octets.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? octets : octets[..end]);
    }
}
