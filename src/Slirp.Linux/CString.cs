using System.Text;

namespace Slirp.Linux;

/// <summary>Strings as the kernel takes them: octets up to a zero.</summary>
internal static class CString
{
    /// <summary>UTF-8 with the closing zero. A name that holds a zero itself would be cut: refused.</summary>
    public static byte[] Encode(string text)
    {
        if (text.Contains('\0')) throw new ArgumentException("a zero octet inside a system call's string", nameof(text));
        byte[] octets = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        _ = Encoding.UTF8.GetBytes(text, octets);
        return octets;
    }

    /// <summary>Text up to the first zero octet, or all of it.</summary>
    public static string Decode(ReadOnlySpan<byte> octets)
    {
        int end = octets.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? octets : octets[..end]);
    }
}
