using System.Text;

namespace Slirp.Linux;

/// <summary>The command line octet for octet (proc_pid_cmdline(5)): file names need not be UTF-8.</summary>
/// <remarks>The runtime puts U+FFFD for what is not. Here each such octet is a low surrogate by itself, which nothing in
/// UTF-8 stands for, and <see cref="CString"/> makes it that octet again.</remarks>
public static class ArgumentOctets
{
    private const char FirstAlone = '\udc00';

    /// <param name="arguments">As the runtime gave them to Main.</param>
    public static string[] Restore(string[] arguments)
    {
        if (!Array.Exists(arguments, argument => argument.Contains('\ufffd'))) return arguments;
        try
        {
            return Restore(arguments, File.ReadAllBytes("/proc/self/cmdline"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return arguments; // no procfs
        }
    }

    internal static string[] Restore(string[] arguments, ReadOnlySpan<byte> commandLine)
    {
        List<byte[]> words = CString.Split(commandLine);
        return words.Count > arguments.Length ? [.. words[^arguments.Length..].Select(word => Decode(word.AsSpan(..^1)))] : arguments;
    }

    /// <summary>Whether a character of a string stands for one octet.</summary>
    internal static bool TryGetOctet(string text, int index, out byte octet)
    {
        octet = (byte)(text[index] - FirstAlone);
        bool isAlone = index == 0 || !char.IsHighSurrogate(text[index - 1]);
        return isAlone && text[index] is >= (char)(FirstAlone + 0x80) and <= (char)(FirstAlone + 0xff);
    }

    private static string Decode(ReadOnlySpan<byte> octets)
    {
        var text = new StringBuilder(octets.Length);
        while (!octets.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(octets, out Rune rune, out int used) == System.Buffers.OperationStatus.Done)
            {
                text.Append(rune.ToString());
                octets = octets[used..];
                continue;
            }
            text.Append((char)(FirstAlone + octets[0]));
            octets = octets[1..];
        }
        return text.ToString();
    }
}
