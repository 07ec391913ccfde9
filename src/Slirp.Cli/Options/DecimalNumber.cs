using System.Globalization;

namespace Slirp.Cli.Options;

/// <summary>Whole numbers on the command line, as strtol(3) with base 10 and an end check reads them.</summary>
public static class DecimalNumber
{
    /// <summary>Leading white space and a sign are allowed, as callers of strtol got used to; trailing text is not, nor
    /// is an empty string (which strtol takes for 0) or a value beyond int.</summary>
    public static bool TryParse(string text, out int value) => int.TryParse(
        text, NumberStyles.AllowLeadingWhite | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
