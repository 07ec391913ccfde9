namespace Slirp.Wire.Tests;

/// <summary>Octets as they are written in test tables: hex digits, spaces where the eye wants them.</summary>
internal static class Hex
{
    public static byte[] Octets(string text) => Convert.FromHexString(text.Replace(" ", "").Replace("\n", ""));

    public static string Text(ReadOnlySpan<byte> octets) => Convert.ToHexString(octets).ToLowerInvariant();
}
