using FsCheck;
using FsCheck.Fluent;
using Slirp.Wire.Dhcp;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests;

/// <summary>What a builder writes its view reads back, into a buffer that is dirty before and whose rest stays so after.</summary>
/// <remarks>FsCheck prints the seed and the smallest counter-example when one of these fails.</remarks>
public class RoundTripProperties
{
    private const byte Dirt = 0xee;
    private static readonly Config Settings = Config.QuickThrowOnFailure.WithMaxTest(1000);

    private static readonly Gen<int> UInt16 = Gen.Choose(0, ushort.MaxValue);
    private static readonly Gen<uint> UInt32 = UInt16.Two().Select(halves => (uint)halves.Item1 << 16 | (uint)halves.Item2);
    private static readonly Gen<byte> Octet = Gen.Choose(0, 255).Select(value => (byte)value);
    private static readonly Gen<bool> Bit = Gen.Choose(0, 1).Select(value => value == 1);
    private static readonly Gen<Ipv4Address> V4 = UInt32.Select(value => new Ipv4Address(value));
    private static readonly Gen<MacAddress> Mac = UInt32.Two().Select(parts => new MacAddress((ulong)(parts.Item1 & 0xffff) << 32 | parts.Item2));
    private static readonly Gen<IpAddress> V6 = UInt32.Four()
        .Select(parts => new IpAddress((ulong)parts.Item1 << 32 | parts.Item2, (ulong)parts.Item3 << 32 | parts.Item4))
        .Where(address => !address.IsIpv4);

    [Fact]
    public void Arp() => Check(
        from operation in UInt16
        from macs in Mac.Two()
        from addresses in V4.Two()
        select new ArpFields((ArpOperation)operation, macs.Item1, addresses.Item1, macs.Item2, addresses.Item2),
        fields =>
        {
            byte[] buffer = Dirty();
            ArpBuilder.Write(buffer, fields);
            return ArpView.TryParse(buffer, out ArpView view) && IsDirtyFrom(buffer, ArpBuilder.Length)
                && fields == new ArpFields(view.Operation, view.SenderMac, view.SenderAddress, view.TargetMac, view.TargetAddress);
        });

    [Fact]
    public void Ipv4() => Check(
        from addresses in V4.Two()
        from octets in Octet.Three()
        from id in UInt16
        from flags in Bit.Two()
        from offset in Gen.Choose(0, 8191)
        from length in Gen.OneOf(Gen.Choose(0, 100), Gen.Choose(0, 65515))
        select new Ipv4Fields(addresses.Item1, addresses.Item2, (IpProtocol)octets.Item1, octets.Item2, octets.Item3, (ushort)id,
            flags.Item1, flags.Item2, offset * 8, length),
        fields =>
        {
            byte[] buffer = Dirty(Ipv4Builder.HeaderLength + fields.PayloadLength + 3);
            Ipv4Builder.Write(buffer, fields);
            return Ipv4View.TryParse(buffer, out Ipv4View ip) && ip.HasValidChecksum && IsDirtyFrom(buffer, Ipv4Builder.HeaderLength)
                && fields == new Ipv4Fields(ip.Source, ip.Destination, ip.Protocol, ip.TimeToLive, ip.Tos, ip.Identification,
                    ip.DontFragment, ip.MoreFragments, ip.FragmentOffset, ip.Payload.Length);
        });

    [Fact]
    public void Ipv6() => Check(
        from addresses in V6.Two()
        from octets in Octet.Three()
        from label in Gen.Choose(0, 0xf_ffff)
        from length in Gen.OneOf(Gen.Choose(1, 100), Gen.Choose(1, 65535))
        select new Ipv6Fields(
            addresses.Item1, addresses.Item2, (IpProtocol)octets.Item1, octets.Item2, octets.Item3, (uint)label, length),
        fields =>
        {
            byte[] buffer = Dirty(Ipv6Builder.HeaderLength + fields.PayloadLength + 3);
            Ipv6Builder.Write(buffer, fields);
            return Ipv6View.TryParse(buffer, out Ipv6View ip) && IsDirtyFrom(buffer, Ipv6Builder.HeaderLength)
                && fields == new Ipv6Fields(
                    ip.Source, ip.Destination, ip.NextHeader, ip.HopLimit, ip.TrafficClass, ip.FlowLabel, ip.Payload.Length);
        });

    [Fact]
    public void Tcp() => Check(
        from ports in UInt16.Two()
        from numbers in UInt32.Two()
        from flags in Octet
        from window in UInt16
        from options in TcpOptionSets
        select (
            new TcpFields((ushort)ports.Item1, (ushort)ports.Item2, new(numbers.Item1), new(numbers.Item2), (TcpFlags)flags, (ushort)window),
            options),
        segment =>
        {
            (TcpFields fields, TcpOptions options) = segment;
            byte[] buffer = Dirty();
            int length = TcpBuilder.Write(buffer, fields, options);
            return length == TcpView.MinHeaderLength + options.EncodedLength && IsDirtyFrom(buffer, length)
                && TcpView.TryParse(buffer.AsSpan(0, length), out TcpView tcp) && tcp.Payload.IsEmpty && TcpOptions.Parse(tcp.Options) == options
                && fields == new TcpFields(
                    tcp.SourcePort, tcp.DestinationPort, tcp.Sequence, tcp.Acknowledgment, tcp.Flags, tcp.Window);
        });

    [Fact]
    public void Udp() => Check(
        from ports in UInt16.Two()
        from addresses in Gen.OneOf(V4.Select(v4 => (IpAddress)v4).Two(), V6.Two())
        from length in Gen.Choose(8, 2000)
        select (ports, addresses, length),
        datagram =>
        {
            byte[] buffer = Dirty(datagram.length + 5);
            UdpBuilder.Write(buffer, (ushort)datagram.ports.Item1, (ushort)datagram.ports.Item2, datagram.length);
            (IpAddress source, IpAddress destination) = datagram.addresses;
            UdpBuilder.WriteChecksum(buffer, UdpBuilder.ComputeChecksum(buffer.AsSpan(0, datagram.length), source, destination));
            uint pseudoHeader = InternetChecksum.PseudoHeader(source, destination, IpProtocol.Udp, datagram.length);
            return UdpView.TryParse(buffer, out UdpView udp) && udp.Length == datagram.length && udp.Checksum != 0
                && udp.SourcePort == datagram.ports.Item1 && udp.DestinationPort == datagram.ports.Item2
                && InternetChecksum.IsValid(udp.Octets, pseudoHeader) && IsDirtyFrom(buffer, UdpBuilder.HeaderLength);
        });

    [Fact]
    public void Virtio() => Check(
        from octets in Octet.Two()
        from words in UInt16.Four()
        select new VirtioNetHeader((VirtioNetFlags)octets.Item1, (VirtioGsoType)octets.Item2, (ushort)words.Item1, (ushort)words.Item2,
            (ushort)words.Item3, (ushort)words.Item4),
        header =>
        {
            byte[] buffer = Dirty();
            header.Write(buffer);
            return VirtioNetHeader.TryParse(buffer, out VirtioNetHeader read) && read == header && IsDirtyFrom(buffer, VirtioNetHeader.Length);
        });

    [Fact]
    public void Neighbor_advertisement() => Check(
        from target in V6.Where(address => !address.IsMulticast)
        from flags in Bit.Three()
        from mac in Mac
        from hasMac in Bit
        select new NeighborAdvertisementFields(target, flags.Item1, flags.Item2, flags.Item3, hasMac ? mac : null),
        fields =>
        {
            byte[] buffer = Dirty();
            int length = NeighborBuilder.WriteAdvertisement(buffer, fields.Target, IpAddress.Ipv6Loopback, fields);
            return Icmpv6View.TryParse(buffer.AsSpan(0, length), out Icmpv6View icmp) && IsDirtyFrom(buffer, length)
                && icmp.HasValidChecksum(fields.Target, IpAddress.Ipv6Loopback)
                && NeighborAdvertisementView.TryParse(icmp, out NeighborAdvertisementView view)
                && fields == new NeighborAdvertisementFields(
                    view.Target, view.IsRouter, view.IsSolicited, view.IsOverride, view.TargetLinkLayer);
        });

    [Fact]
    public void Dhcp_fields() => Check(
        from op in Gen.Choose(1, 2)
        from xid in UInt32
        from secs in UInt16
        from broadcast in Bit
        from addresses in V4.Four()
        from mac in Mac
        select new DhcpFields((DhcpOperation)op, xid, (ushort)secs, broadcast, addresses.Item1, addresses.Item2, addresses.Item3,
            addresses.Item4, mac),
        fields =>
        {
            byte[] buffer = Dirty(400);
            int length = new DhcpBuilder(buffer, fields).Finish();
            return DhcpView.TryParse(buffer.AsSpan(0, length), out DhcpView view) && IsDirtyFrom(buffer, length)
                && !view.Options.TryRead(out _, out _)
                && fields == new DhcpFields(view.Op, view.Xid, view.Secs, view.IsBroadcast, view.Ciaddr, view.Yiaddr, view.Siaddr,
                    view.Giaddr, view.Chaddr);
        });

    [Fact]
    public void Domain_names() => Check(
        from labels in Gen.Choose(1, 63).Select(length => new string('x', length)).NonEmptyListOf()
        select string.Join('.', labels),
        text =>
        {
            byte[] buffer = Dirty(300);
            bool fits = DomainName.TryWrite(text, buffer, out int written);
            if (!fits) return text.Length + 2 > DomainName.MaxLength;
            int skipped = 0, read = 0;
            byte[] name = new byte[DomainName.MaxLength];
            return DomainName.TrySkip(buffer, ref skipped, out bool compressed) && !compressed && skipped == written
                && DomainName.TryRead(buffer, ref read, name, out int length) && read == written && length == written
                && DomainName.ToText(name.AsSpan(0, length)) == text + ".";
        });

    private static Gen<TcpOptions> TcpOptionSets =>
        from mss in Gen.Choose(1, 65535)
        from scale in Gen.Choose(0, TcpOptions.MaxWindowScale)
        from has in Bit.Four()
        from times in UInt32.Two()
        from blocks in Gen.Choose(0, SackBlocks.MaxCount)
        from edges in UInt32.Two().ArrayOf(SackBlocks.MaxCount)
        select Options(has, mss, scale, times, edges[..blocks]);

    // Only as many blocks as fit beside the rest: what is left out is TcpOptionsTests' matter.
    private static TcpOptions Options(
        (bool Mss, bool Scale, bool Permitted, bool Times) has, int mss, int scale, (uint, uint) times, (uint, uint)[] edges)
    {
        var options = new TcpOptions
        {
            Mss = has.Mss ? (ushort)mss : null,
            WindowScale = has.Scale ? (byte)scale : null,
            SackPermitted = has.Permitted,
            HasTimestamps = has.Times,
            TimestampValue = has.Times ? times.Item1 : 0,
            TimestampEcho = has.Times ? times.Item2 : 0,
        };
        int room = 40 - options.EncodedLength - 4;
        var sack = new SackBlocks();
        foreach ((uint left, uint right) in edges)
            if ((sack.Count + 1) * 8 <= room) sack.Add(new(left), new(right));
        options.Sack = sack;
        return options;
    }

    private static void Check<T>(Gen<T> values, Func<T, bool> holds) =>
        Prop.ForAll(values.ToArbitrary(), holds).Check(Settings);

    private static byte[] Dirty(int length = 100)
    {
        byte[] buffer = new byte[length];
        Array.Fill(buffer, Dirt);
        return buffer;
    }

    private static bool IsDirtyFrom(byte[] buffer, int start) => !buffer.AsSpan(start).ContainsAnyExcept(Dirt);
}
