namespace Slirp.Wire.Tests;

/// <summary>Ethernet, ARP and the virtio header: what stands in front of IP.</summary>
public class LinkTests
{
    private const string Ethernet = "ffffffffffff 525400123456 0806";
    private const string Arp = "0001 0800 06 04 0001 525400123456 0a000264 000000000000 0a000202";

    public static TheoryData<string, string, bool> ArpPackets => new()
    {
        { "a request",                        Arp,                                                                     true },
        { "Ethernet's padding behind it",     Arp + "000000000000000000000000000000000000",                            true },
        { "operation 3 is legal input",       "0001 0800 06 04 0003 525400123456 0a000264 000000000000 0a000202",      true },
        { "hardware type 6 (IEEE 802)",       "0006 0800 06 04 0001 525400123456 0a000264 000000000000 0a000202",      false },
        { "protocol type IPv6",               "0001 86dd 06 04 0001 525400123456 0a000264 000000000000 0a000202",      false },
        { "hardware length 0",                "0001 0800 00 04 0001 525400123456 0a000264 000000000000 0a000202",      false },
        { "hardware length 255",              "0001 0800 ff 04 0001 525400123456 0a000264 000000000000 0a000202",      false },
        { "protocol length 16",               "0001 0800 06 10 0001 525400123456 0a000264 000000000000 0a000202",      false },
        { "protocol length 0",                "0001 0800 06 00 0001 525400123456 0a000264 000000000000 0a000202",      false },
    };

    [Fact]
    public void Ethernet_reads_and_writes_its_fields()
    {
        byte[] frame = Hex.Octets(Ethernet + "abcd");
        Assert.True(EthernetView.TryParse(frame, out EthernetView ethernet));
        Assert.Equal("ff:ff:ff:ff:ff:ff", ethernet.Destination.ToString());
        Assert.Equal("52:54:00:12:34:56", ethernet.Source.ToString());
        Assert.Equal(EtherType.Arp, ethernet.EtherType);
        Assert.Equal("abcd", Hex.Text(ethernet.Payload));
        byte[] written = new byte[16];
        EthernetBuilder.Write(written, ethernet.Destination, ethernet.Source, ethernet.EtherType);
        Assert.Equal(Hex.Text(frame)[..28] + "0000", Hex.Text(written));
    }

    [Fact]
    public void Ethernet_refuses_what_is_shorter_than_its_header() => Truncation.RefusesEveryPrefix(
        Hex.Octets(Ethernet + "abcd"), EthernetView.HeaderLength, octets => EthernetView.TryParse(octets, out _));

    [Theory]
    [MemberData(nameof(ArpPackets))]
    public void Arp_is_judged(string why, string packet, bool expected) =>
        Assert.True(expected == ArpView.TryParse(Hex.Octets(packet), out _), why);

    [Fact]
    public void Arp_refuses_every_truncation() =>
        Truncation.RefusesEveryPrefix(Hex.Octets(Arp), octets => ArpView.TryParse(octets, out _));

    [Fact]
    public void Arp_reads_and_writes_its_fields()
    {
        Assert.True(ArpView.TryParse(Hex.Octets(Arp), out ArpView arp));
        var fields = new ArpFields(arp.Operation, arp.SenderMac, arp.SenderAddress, arp.TargetMac, arp.TargetAddress);
        Assert.Equal(
            new ArpFields(ArpOperation.Request, new(0x525400123456), new(0x0a000264), default, new(0x0a000202)), fields);
        byte[] written = new byte[ArpBuilder.Length];
        Array.Fill(written, (byte)0xee);
        ArpBuilder.Write(written, fields);
        Assert.Equal(Arp.Replace(" ", ""), Hex.Text(written));
    }

    [Fact]
    public void The_virtio_header_is_ten_octets_in_machine_order()
    {
        const string Tso = "01 81 4200 a805 2200 1000"; // NEEDS_CSUM, TCPv4 with ECN, 66 octets of headers, MSS 1448
        var expected = new VirtioNetHeader(
            VirtioNetFlags.NeedsCsum, VirtioGsoType.TcpV4 | VirtioGsoType.Ecn, 66, 1448, 34, 16);
        Assert.True(VirtioNetHeader.TryParse(Hex.Octets(Tso), out VirtioNetHeader header));
        Assert.Equal(expected, header);
        byte[] written = new byte[VirtioNetHeader.Length];
        header.Write(written);
        Assert.Equal(Tso.Replace(" ", ""), Hex.Text(written));
        Truncation.RefusesEveryPrefix(written, octets => VirtioNetHeader.TryParse(octets, out _));
    }
}
