using System.Text;

namespace Slirp.Cli.Options;

/// <summary>The rules of Linux for the name of a network interface (dev_valid_name in net/core/dev.c).</summary>
public static class InterfaceName
{
    /// <summary>IFNAMSIZ less the terminating zero, in octets.</summary>
    public const int MaxLength = 15;

    public static bool IsTooLong(string name) => Encoding.UTF8.GetByteCount(name) > MaxLength;

    /// <summary>True if the kernel would take the name; whether such an interface exists is not asked.</summary>
    public static bool IsValid(string name)
    {
        if (name.Length == 0 || IsTooLong(name) || name is "." or "..") return false;
        foreach (char c in name)
            if (c is '/' or ':' or '\0' || char.IsWhiteSpace(c)) return false;
        return true;
    }
}
