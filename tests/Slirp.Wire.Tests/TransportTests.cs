namespace Slirp.Wire.Tests;

public class TransportTests
{
    private const string Datagram = "cf84 0035 000c 0000  aa00 00ff"; // 53124 -> 53, 12 octets, checksum absent

    // 443 -> 49152, sequence 1, acknowledgment 2, ACK and PSH, window 501, checksum abcd, urgent 7
    private const string Ports = "01bb c000 00000001 00000002";
    private const string Segment = Ports + "5018 01f5 abcd 0007 aabb";

    public static TheoryData<string, string, bool> Datagrams => new()
    {
        { "header and payload",              Datagram,                        true },
        { "an empty datagram",               "cf84 0035 0008 0000",           true },
        { "padding after Length is cut off", Datagram + "0000 0000",          true },
        { "Length 0 (no jumbograms)",        "cf84 0035 0000 0000",           false },
        { "Length below 8 (RFC 768)",        "cf84 0035 0007 0000",           false },
        { "Length beyond the octets",        "cf84 0035 000d 0000 aa00 00ff", false },
        { "port 0 is the caller's matter",   "0000 0000 0008 0000",           true },
    };

    public static TheoryData<string, string, bool> Segments => new()
    {
        { "header and payload",              Segment,                                  true },
        { "options",                         Ports + "6010 01f5 0000 0000 01010101",   true },
        { "the longest header",              Ports + "f010 01f5 0000 0000" + new string('0', 80), true },
        { "Data Offset 0",                   Ports + "0010 01f5 0000 0000",            false },
        { "Data Offset 4",                   Ports + "4010 01f5 0000 0000",            false },
        { "Data Offset beyond the octets",   Ports + "6010 01f5 0000 0000",            false },
        { "Data Offset 15 beyond the octets", Ports + "f010 01f5 0000 0000 01010101",  false },
        { "all flags at once",               Ports + "50ff 01f5 0000 0000",            true },
        { "reserved bits set",               Ports + "5f10 01f5 0000 0000",            true },
    };

    [Theory]
    [MemberData(nameof(Datagrams))]
    public void Udp_is_judged(string why, string l4, bool expected) =>
        Assert.True(expected == UdpView.TryParse(Hex.Octets(l4), out _), why);

    [Theory]
    [MemberData(nameof(Segments))]
    public void Tcp_is_judged(string why, string l4, bool expected) =>
        Assert.True(expected == TcpView.TryParse(Hex.Octets(l4), out _), why);

    [Fact]
    public void Truncations_are_refused()
    {
        Truncation.RefusesEveryPrefix(Hex.Octets(Datagram), octets => UdpView.TryParse(octets, out _));
        Truncation.RefusesEveryPrefix(Hex.Octets(Segment), TcpView.MinHeaderLength, octets => TcpView.TryParse(octets, out _));
        Truncation.RefusesEveryPrefix(
            Hex.Octets(Ports + "f010 01f5 0000 0000" + new string('0', 80)), octets => TcpView.TryParse(octets, out _));
    }

    [Fact]
    public void Udp_fields_are_read()
    {
        Assert.True(UdpView.TryParse(Hex.Octets("cf84 0035 000a beef aa00 ffff"), out UdpView udp));
        Assert.Equal((53124, 53, 10, 0xbeef), (udp.SourcePort, udp.DestinationPort, udp.Length, udp.Checksum));
        Assert.Equal("aa00", Hex.Text(udp.Payload));
        Assert.Equal(10, udp.Octets.Length);
    }

    [Fact]
    public void Tcp_fields_are_read()
    {
        Assert.True(TcpView.TryParse(Hex.Octets(Segment), out TcpView tcp));
        Assert.Equal((443, 49152), (tcp.SourcePort, tcp.DestinationPort));
        Assert.Equal((new SequenceNumber(1), new SequenceNumber(2)), (tcp.Sequence, tcp.Acknowledgment));
        Assert.Equal((TcpFlags.Ack | TcpFlags.Psh, 501, 0xabcd, 7), (tcp.Flags, tcp.Window, tcp.Checksum, tcp.UrgentPointer));
        Assert.Equal((20, 0, "aabb"), (tcp.HeaderLength, tcp.Options.Length, Hex.Text(tcp.Payload)));
    }

    [Fact]
    public void Udp_checksum_is_that_of_pseudo_header_and_datagram()
    {
        // 0a00+0001+0a00+0002+0011+000a, then 0001+0002+000a+0304: 172f, whose complement is e8d0.
        byte[] datagram = Hex.Octets("0001 0002 000a 0000 0304");
        Assert.Equal(0xe8d0, UdpBuilder.ComputeChecksum(datagram, IpAddress.Parse("10.0.0.1"), IpAddress.Parse("10.0.0.2")));
    }

    [Fact]
    public void Udp_checksum_of_zero_is_sent_as_ffff()
    {
        IpAddress from = IpAddress.Parse("10.0.0.1"), to = IpAddress.Parse("10.0.0.2");
        byte[] datagram = Hex.Octets("0001 0002 000a 0000 ebd4"); // as above, the last word raised to make the sum ffff
        ushort checksum = UdpBuilder.ComputeChecksum(datagram, from, to);
        Assert.Equal(0xffff, checksum);
        UdpBuilder.WriteChecksum(datagram, checksum);
        Assert.True(InternetChecksum.IsValid(datagram, InternetChecksum.PseudoHeader(from, to, IpProtocol.Udp, 10)));
    }
}
