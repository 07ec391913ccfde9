using Slirp.Wire;

namespace Slirp.Services.Neighbours;

/// <summary>Every IPv6 station of the link (RFC 4291 section 2.7.1, RFC 2464 section 7).</summary>
internal static class AllNodes
{
    public static IpAddress Address => new(0xff02_0000_0000_0000, 1);

    public static MacAddress Mac => new(0x3333_0000_0001);
}
