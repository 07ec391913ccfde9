using Slirp.Testing;
using Slirp.Wire.Tests.Judges;

namespace Slirp.Wire.Tests;

public class AllocationTests
{
    private static readonly IpAddress Guest4 = IpAddress.Parse("10.0.2.100"), Host4 = IpAddress.Parse("10.0.2.2");
    private static readonly IpAddress Guest6 = IpAddress.Parse("fd00::100"), Host6 = IpAddress.Parse("fd00::2");

    [Fact]
    public void Reading_and_writing_a_segment_allocates_nothing()
    {
        var sack = new SackBlocks();
        sack.Add(new(1000), new(2000));
        var options = new TcpOptions { HasTimestamps = true, TimestampValue = 1, TimestampEcho = 2, Sack = sack };
        byte[] frame4 = Frames.Tcp(Guest4, Host4, new(40000, 80, new(1), new(2), TcpFlags.Ack, 501), options, new byte[1000]);
        byte[] frame6 = Frames.Tcp(Guest6, Host6, new(40000, 80, new(1), new(2), TcpFlags.Ack, 501), options, new byte[1000]);
        byte[] header = new byte[128];
        int good = 0;
        Assert.Equal(0, Allocation.Of(() =>
        {
            good = 0;
            for (int i = 0; i < 100; i++) good += ReadAndAnswer(frame4, header) + ReadAndAnswer(frame6, header);
        }));
        Assert.Equal(200, good);
    }

    /// <returns>1 if the segment was whole, its checksum good and its answer written.</returns>
    private static int ReadAndAnswer(ReadOnlySpan<byte> frame, Span<byte> header)
    {
        if (!EthernetView.TryParse(frame, out EthernetView ethernet)) return 0;
        ReadOnlySpan<byte> l4;
        IpAddress source, destination;
        int ipLength;
        if (ethernet.EtherType == EtherType.Ipv4)
        {
            if (!Ipv4View.TryParse(ethernet.Payload, out Ipv4View ip) || !ip.HasValidChecksum) return 0;
            l4 = ip.Payload;
            (source, destination, ipLength) = (ip.Source, ip.Destination, Ipv4Builder.HeaderLength);
            Ipv4Builder.Write(header[14..], new Ipv4Fields(ip.Destination, ip.Source, IpProtocol.Tcp, 64, 0, 0, true, false, 0, 20));
        }
        else
        {
            if (!Ipv6View.TryParse(ethernet.Payload, out Ipv6View ip) || !Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper)) return 0;
            l4 = ip.Payload[upper.UpperOffset..];
            (source, destination, ipLength) = (ip.Source, ip.Destination, Ipv6Builder.HeaderLength);
            Ipv6Builder.Write(header[14..], new Ipv6Fields(ip.Destination, ip.Source, IpProtocol.Tcp, 64, 0, 0, 20));
        }
        uint pseudoHeader = InternetChecksum.PseudoHeader(source, destination, IpProtocol.Tcp, l4.Length);
        if (!TcpView.TryParse(l4, out TcpView tcp) || !InternetChecksum.IsValid(l4, pseudoHeader)) return 0;
        TcpOptions options = TcpOptions.Parse(tcp.Options);
        EthernetBuilder.Write(header, ethernet.Source, ethernet.Destination, ethernet.EtherType);
        var fields = new TcpFields(tcp.DestinationPort, tcp.SourcePort, tcp.Acknowledgment, tcp.Sequence + tcp.Payload.Length, TcpFlags.Ack, 501);
        int length = TcpBuilder.Write(header[(14 + ipLength)..], fields, options);
        return length == tcp.HeaderLength ? 1 : 0;
    }
}
