namespace Slirp.Wire;

/// <summary>IEEE 802 numbers; below 1536 the field is a length. Unknown values are legal input.</summary>
public enum EtherType : ushort
{
    Ipv4 = 0x0800,
    Arp = 0x0806,
    Vlan = 0x8100,
    Ipv6 = 0x86dd,
}
