namespace Slirp.Core;

/// <summary>Unpredictable octets from the kernel's generator.</summary>
/// <remarks>Taken from <see cref="Guid.NewGuid"/>, whose random bits come from the system's cryptographic source, and
/// not from <c>RandomNumberGenerator</c>, which would load OpenSSL into a process that starts in a few milliseconds.
/// Octets 7 and 8 of a version 4 GUID hold its fixed bits and are left out.</remarks>
public static class SecureRandom
{
    private const int UsableOctets = 14;

    public static void Fill(Span<byte> octets)
    {
        Span<byte> guid = stackalloc byte[16];
        while (octets.Length > 0)
        {
            _ = Guid.NewGuid().TryWriteBytes(guid);
            guid[9..].CopyTo(guid[7..]);
            int count = Math.Min(octets.Length, UsableOctets);
            guid[..count].CopyTo(octets);
            octets = octets[count..];
        }
    }

    public static ulong NextUInt64()
    {
        Span<byte> octets = stackalloc byte[8];
        Fill(octets);
        return BitConverter.ToUInt64(octets);
    }

    public static ushort NextUInt16() => (ushort)NextUInt64();
}
