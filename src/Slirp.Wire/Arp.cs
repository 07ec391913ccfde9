using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Unknown values are legal input.</summary>
public enum ArpOperation : ushort
{
    Request = 1,
    Reply = 2,
}

/// <summary>Read-only view of one ARP packet for IPv4 over Ethernet, the only kind there is here (RFC 826).</summary>
public readonly ref struct ArpView
{
    public const int Length = 28;
    private readonly ReadOnlySpan<byte> _octets;

    private ArpView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the packet is short, or hardware and protocol are not Ethernet and IPv4 with their lengths.</returns>
    public static bool TryParse(ReadOnlySpan<byte> packet, out ArpView arp)
    {
        arp = default;
        if (packet.Length < Length || BinaryPrimitives.ReadUInt64BigEndian(packet) >> 16 != Field.EthernetAndIpv4) return false;
        arp = new ArpView(packet[..Length]);
        return true;
    }

    public ArpOperation Operation => (ArpOperation)BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Operation..]);
    public MacAddress SenderMac => MacAddress.Read(_octets[Field.SenderMac..]);
    public Ipv4Address SenderAddress => Ipv4Address.Read(_octets[Field.SenderAddress..]);
    public MacAddress TargetMac => MacAddress.Read(_octets[Field.TargetMac..]);
    public Ipv4Address TargetAddress => Ipv4Address.Read(_octets[Field.TargetAddress..]);

    internal static class Field
    {
        // hardware type 1, protocol type 0x0800, lengths 6 and 4: the first six octets
        public const ulong EthernetAndIpv4 = 0x0001_0800_0604;
        public const int Operation = 6, SenderMac = 8, SenderAddress = 14, TargetMac = 18, TargetAddress = 24;
    }
}

public record struct ArpFields(
    ArpOperation Operation, MacAddress SenderMac, Ipv4Address SenderAddress, MacAddress TargetMac, Ipv4Address TargetAddress);

public static class ArpBuilder
{
    public const int Length = ArpView.Length;

    /// <param name="packet">At least <see cref="Length"/> octets; exactly that many are written.</param>
    public static void Write(Span<byte> packet, in ArpFields fields)
    {
        packet = packet[..Length];
        BinaryPrimitives.WriteUInt64BigEndian(packet, ArpView.Field.EthernetAndIpv4 << 16 | (ushort)fields.Operation);
        fields.SenderMac.Write(packet[ArpView.Field.SenderMac..]);
        fields.SenderAddress.Write(packet[ArpView.Field.SenderAddress..]);
        fields.TargetMac.Write(packet[ArpView.Field.TargetMac..]);
        fields.TargetAddress.Write(packet[ArpView.Field.TargetAddress..]);
    }
}
