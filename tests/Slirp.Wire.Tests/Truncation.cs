namespace Slirp.Wire.Tests;

/// <summary>Runs a parser over every proper prefix of a valid message. A span knows its end, so
/// reading past it throws even though the octets are there.</summary>
internal static class Truncation
{
    public delegate bool TryParse(ReadOnlySpan<byte> octets);

    /// <summary>Fails unless the whole is taken and everything shorter refused.</summary>
    public static void RefusesEveryPrefix(byte[] message, TryParse tryParse) =>
        RefusesEveryPrefix(message, message.Length, tryParse);

    /// <param name="needed">Octets from which on a prefix is a message in its own right.</param>
    public static void RefusesEveryPrefix(byte[] message, int needed, TryParse tryParse)
    {
        for (int length = 0; length <= message.Length; length++)
            Assert.True(length >= needed == tryParse(message.AsSpan(0, length)), $"{length} of {message.Length} octets");
    }
}
