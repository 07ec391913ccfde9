using Slirp.Wire;

namespace Slirp.Core.Network;

/// <summary>IPv4 addresses inside IPv6 ones: a translator or a tunnel of the host, if there is one, carries such a packet to
/// the IPv4 address, so what is refused to the one form is refused to the other.</summary>
/// <remarks>The mapped form, ::ffff:a.b.c.d, never comes so far: a packet with it is dropped where it comes in.</remarks>
internal static class EmbeddedIpv4
{
    private const ulong Nat64 = 0x0064_ff9b_0000_0000; // 64:ff9b::/96 (RFC 6052)
    private const ulong Nat64Local = 0x0064_ff9b_0001; // 64:ff9b:1::/48 (RFC 8215), read as the /96s in it
    private const ulong Ipv6To4 = 0x2002; // 2002::/16 (RFC 3056)
    private const ulong Translated = 0xffff_0000; // ::ffff:0:a.b.c.d (RFC 2765)

    public static bool TryFind(IpAddress address, out Ipv4Address embedded)
    {
        embedded = new Ipv4Address((uint)address.Low);
        if (address.IsIpv4) return false;
        ulong middle = address.Low >> 32;
        // The compatible form, ::a.b.c.d, is RFC 4291 section 2.5.5.1.
        if (address.High == 0) return middle is 0 or Translated;
        if (address.High == Nat64 && middle == 0 || address.High >> 16 == Nat64Local) return true;
        embedded = new Ipv4Address((uint)(address.High >> 16));
        return address.High >> 48 == Ipv6To4;
    }
}
