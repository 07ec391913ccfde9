// Slirp.Wire: theory of operation
//
// Octets to fields and back, and nothing else: no state, no clock, no I/O, no exception for anything a guest can send.
// Each format is up to three types. A view is a ref struct over a span that the caller owns; its TryParse is the only way
// to one and checks every length the accessors rely on, so that after it said yes none of them can fail. A fields value is
// what the header means, in host byte order. A builder writes every octet of what it measures, so a buffer used before
// leaks nothing, and touches no octet behind it. Messages of many options (DHCP, router advertisements) are built by a ref
// struct that adds them one by one and leaves out whole what does not fit.
//
// Invariants: a view is never longer than its message says (padding is cut where a length field allows it); whatever is
// walked is walked in time linear in the octets, whatever counts and lengths claim; a length of zero never stops progress.
// Nothing here allocates, but for texts made for logs.
//
// Limits: no jumbograms, no VLAN tags, ARP and DHCP for Ethernet only. Checksums are verified only where the caller asks,
// since frames from a TAP with offloads carry unfinished ones. Hop limits, addresses and ports are policy, not format.
//
// Sources: the RFC named at each type; linux/virtio_net.h. Independent judges in the tests are tshark and scapy.
using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Read-only view of one Ethernet II frame in octets the caller owns.</summary>
/// <remarks>The payload may end in padding: the layer above cuts it by its own length. Valid only while the span is.</remarks>
public readonly ref struct EthernetView
{
    public const int HeaderLength = 14;
    private readonly ReadOnlySpan<byte> _octets;

    private EthernetView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the frame is shorter than its header.</returns>
    public static bool TryParse(ReadOnlySpan<byte> frame, out EthernetView ethernet)
    {
        ethernet = default;
        if (frame.Length < HeaderLength) return false;
        ethernet = new EthernetView(frame);
        return true;
    }

    public MacAddress Destination => MacAddress.Read(_octets[Field.Destination..]);
    public MacAddress Source => MacAddress.Read(_octets[Field.Source..]);
    public EtherType EtherType => (EtherType)BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.EtherType..]);
    public ReadOnlySpan<byte> Payload => _octets[HeaderLength..];

    internal static class Field
    {
        public const int Destination = 0, Source = 6, EtherType = 12;
    }
}

public static class EthernetBuilder
{
    public const int HeaderLength = EthernetView.HeaderLength;

    /// <param name="header">At least <see cref="HeaderLength"/> octets; exactly that many are written.</param>
    public static void Write(Span<byte> header, MacAddress destination, MacAddress source, EtherType type)
    {
        header = header[..HeaderLength];
        destination.Write(header[EthernetView.Field.Destination..]);
        source.Write(header[EthernetView.Field.Source..]);
        BinaryPrimitives.WriteUInt16BigEndian(header[EthernetView.Field.EtherType..], (ushort)type);
    }
}
