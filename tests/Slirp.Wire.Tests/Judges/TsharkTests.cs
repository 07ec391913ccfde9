using Slirp.Wire.Dhcp;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests.Judges;

/// <summary>Frames from our builders as Wireshark reads them: nothing malformed, every checksum good, the fields ours.</summary>
public class TsharkTests
{
    private const string Program = "/usr/bin/tshark";
    private static readonly IpAddress Guest4 = IpAddress.Parse("10.0.2.100"), Host4 = IpAddress.Parse("10.0.2.2");
    private static readonly IpAddress Guest6 = IpAddress.Parse("fd00::100"), Host6 = IpAddress.Parse("fd00::2");
    private static readonly IpAddress Router = IpAddress.Parse("fe80::5055:ff:feab:cdef"), AllNodes = IpAddress.Parse("ff02::1");

    // Asked of every frame: each must be empty, or 1 for "good".
    private static readonly string[] Statuses =
        ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "icmp.checksum.status", "icmpv6.checksum.status"];

    private static readonly string[] Preferences =
    [
        "ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE",
        "tcp.analyze_sequence_numbers:FALSE", "tcp.relative_sequence_numbers:FALSE",
    ];

    /// <summary>Pairs of a tshark field and what its first occurrence must say.</summary>
    private sealed record Expectation(string Why, byte[] Frame, params (string Field, string Value)[] Fields);

    [JudgeFact("tshark", Program)]
    public void Link_and_network_headers_read_as_written()
    {
        byte[] arp = new byte[ArpBuilder.Length];
        ArpBuilder.Write(arp, new ArpFields(ArpOperation.Reply, Frames.HostMac, Host4.Ipv4, Frames.GuestMac, Guest4.Ipv4));
        byte[] fragment = new byte[Ipv4Builder.HeaderLength + 16];
        Ipv4Builder.Write(fragment, new Ipv4Fields(Guest4.Ipv4, Host4.Ipv4, IpProtocol.Udp, 1, 0, 0xffff, false, true, 1480, 16));
        byte[] fragment6 = new byte[Ipv6Builder.HeaderLength + Ipv6FragmentBuilder.HeaderLength + 8];
        Ipv6Builder.Write(fragment6, new Ipv6Fields(Guest6, Host6, IpProtocol.Ipv6Fragment, 64, 0, 0, 16));
        Ipv6FragmentBuilder.Write(fragment6.AsSpan(40), IpProtocol.Udp, 1448, true, 0xfedcba98);
        AssertRead(
            new("ARP", Frames.Ethernet(EtherType.Arp, arp), ("arp.opcode", "2"), ("arp.src.hw_mac", "52:55:00:ab:cd:ef"),
                ("arp.src.proto_ipv4", "10.0.2.2"), ("arp.dst.hw_mac", "52:54:00:12:34:56"), ("arp.dst.proto_ipv4", "10.0.2.100"),
                ("eth.dst", "52:54:00:12:34:56"), ("eth.src", "52:55:00:ab:cd:ef")),
            new("IPv4", Frames.Udp(Guest4, 50123, Host4, 50124, [1, 2, 3]), ("ip.src", "10.0.2.100"), ("ip.dst", "10.0.2.2"), ("ip.ttl", "64"),
                ("ip.dsfield", "0xb8"), ("ip.id", "0x1234"), ("ip.flags.df", "1"), ("ip.flags.mf", "0"), ("ip.len", "31")),
            new("IPv4 fragment", Frames.Ethernet(EtherType.Ipv4, fragment), ("ip.frag_offset", "185"), ("ip.flags.mf", "1"),
                ("ip.flags.df", "0"), ("ip.id", "0xffff"), ("ip.proto", "17")),
            new("IPv6", Frames.Udp(Guest6, 50123, Host6, 50124, [1]), ("ipv6.src", "fd00::100"), ("ipv6.dst", "fd00::2"),
                ("ipv6.hlim", "64"), ("ipv6.tclass", "0x000000b8"), ("ipv6.flow", "0x012345"), ("ipv6.plen", "9")),
            new("IPv6 fragment", Frames.Ethernet(EtherType.Ipv6, fragment6), ("ipv6.fraghdr.nxt", "17"), ("ipv6.fraghdr.more", "1"),
                ("ipv6.fraghdr.offset", "181"), ("ipv6.fraghdr.ident", "0xfedcba98"))); // both offsets count in eights
    }

    [JudgeFact("tshark", Program)]
    public void Segments_read_as_written()
    {
        var syn = new TcpOptions
        {
            Mss = 65480,
            WindowScale = 14,
            SackPermitted = true,
            HasTimestamps = true,
            TimestampValue = 4000000000,
            TimestampEcho = 7,
        };
        var sack = new SackBlocks();
        for (uint i = 1; i <= 3; i++) sack.Add(new(i * 1000), new(i * 1000 + 500));
        var ack = new TcpOptions { HasTimestamps = true, TimestampValue = 1, TimestampEcho = 2, Sack = sack };
        AssertRead(
            new("SYN", Frames.Tcp(Guest4, Host4, new(40000, 81, new(0xfffffffe), new(0), TcpFlags.Syn, 65535), syn, []),
                ("tcp.srcport", "40000"), ("tcp.dstport", "81"), ("tcp.seq_raw", "4294967294"), ("tcp.flags", "0x0002"),
                ("tcp.window_size_value", "65535"), ("tcp.options.mss_val", "65480"), ("tcp.options.wscale.shift", "14"),
                ("tcp.options.sack_perm", "0402"), ("tcp.options.timestamp.tsval", "4000000000"), ("tcp.options.timestamp.tsecr", "7"),
                ("tcp.hdr_len", "40")),
            new("SACK", Frames.Tcp(Guest6, Host6, new(40000, 81, new(1), new(2), TcpFlags.Ack | TcpFlags.Cwr | TcpFlags.Ece, 501), ack, [1]),
                ("tcp.flags", "0x00d0"), ("tcp.ack_raw", "2"), ("tcp.options.sack.count", "3"), ("tcp.options.sack_le", "1000"),
                ("tcp.options.sack_re", "1500"), ("tcp.len", "1"), ("tcp.hdr_len", "60")));
    }

    [JudgeFact("tshark", Program)]
    public void Control_messages_read_as_written()
    {
        byte[] quoted4 = Frames.Udp(Guest4, 50123, Host4, 50124, [1, 2, 3, 4])[14..];
        byte[] quoted6 = Frames.Udp(Guest6, 50123, Host6, 50124, [1, 2, 3, 4])[14..];
        AssertRead(
            Icmp4("echo", l4 => IcmpBuilder.WriteEchoRequest(l4, 0x1234, 77, new byte[57]), ("icmp.type", "8"), ("icmp.ident", "4660"),
                ("icmp.seq", "77")),
            Icmp4("fragmentation needed", l4 => IcmpBuilder.WriteFragmentationNeeded(l4, 1400, quoted4), ("icmp.type", "3"),
                ("icmp.code", "4"), ("icmp.mtu", "1400")),
            Icmp4("time exceeded", l4 => IcmpBuilder.WriteTimeExceeded(l4, 0, quoted4), ("icmp.type", "11"), ("icmp.code", "0")),
            Icmp4("parameter problem", l4 => IcmpBuilder.WriteParameterProblem(l4, 9, quoted4), ("icmp.type", "12"), ("icmp.pointer", "9")),
            Icmp6("echo", l4 => Icmpv6Builder.WriteEchoReply(l4, Host6, Guest6, 0x1234, 77, new byte[57]), ("icmpv6.type", "129"),
                ("icmpv6.echo.identifier", "0x1234"), ("icmpv6.echo.sequence_number", "77")),
            Icmp6("too big", l4 => Icmpv6Builder.WritePacketTooBig(l4, Host6, Guest6, 1280, quoted6), ("icmpv6.type", "2"), ("icmpv6.mtu", "1280")),
            Icmp6("unreachable", l4 => Icmpv6Builder.WriteDestinationUnreachable(l4, Host6, Guest6, Icmpv6UnreachableCode.Port, quoted6),
                ("icmpv6.type", "1"), ("icmpv6.code", "4")),
            Icmp6("parameter problem", l4 => Icmpv6Builder.WriteParameterProblem(
                l4, Host6, Guest6, Icmpv6ParameterCode.UnrecognizedNextHeader, 6, quoted6), ("icmpv6.code", "1"), ("icmpv6.pointer", "6")));
    }

    [JudgeFact("tshark", Program)]
    public void Neighbour_discovery_reads_as_written()
    {
        AssertRead(
            Ndp("solicitation", l4 => NeighborBuilder.WriteSolicitation(l4, Router, AllNodes, Guest6, Frames.HostMac),
                ("icmpv6.type", "135"), ("icmpv6.nd.ns.target_address", "fd00::100"), ("icmpv6.opt.src_linkaddr", "52:55:00:ab:cd:ef")),
            Ndp("advertisement", l4 => NeighborBuilder.WriteAdvertisement(
                    l4, Router, AllNodes, new NeighborAdvertisementFields(Host6, true, false, true, Frames.HostMac)),
                ("icmpv6.nd.na.target_address", "fd00::2"), ("icmpv6.nd.na.flag.r", "1"), ("icmpv6.nd.na.flag.s", "0"),
                ("icmpv6.nd.na.flag.o", "1"), ("icmpv6.opt.target_linkaddr", "52:55:00:ab:cd:ef")),
            Ndp("router solicitation", l4 => RouterSolicitationBuilder.Write(l4, Router, AllNodes, Frames.HostMac), ("icmpv6.type", "133")),
            Ndp("router advertisement", WriteRouterAdvertisement,
                ("icmpv6.type", "134"), ("icmpv6.nd.ra.cur_hop_limit", "64"), ("icmpv6.nd.ra.flag.m", "0"), ("icmpv6.nd.ra.flag.o", "1"),
                ("icmpv6.nd.ra.router_lifetime", "1800"), ("icmpv6.nd.ra.reachable_time", "30000"), ("icmpv6.nd.ra.retrans_timer", "1000"),
                ("icmpv6.opt.mtu", "65520"), ("icmpv6.opt.prefix", "fd00::"), ("icmpv6.opt.prefix.length", "64"),
                ("icmpv6.opt.prefix.flag.l", "1"), ("icmpv6.opt.prefix.flag.a", "1"), ("icmpv6.opt.prefix.valid_lifetime", "86400"),
                ("icmpv6.opt.prefix.preferred_lifetime", "14400"), ("icmpv6.opt.rdnss", "fd00::3"),
                ("icmpv6.opt.rdnss.lifetime", "3600"), ("icmpv6.opt.dnssl", "a.example"), ("icmpv6.opt.dnssl.lifetime", "60")));
    }

    [JudgeFact("tshark", Program)]
    public void Server_messages_read_as_written()
    {
        byte[] query = Hex.Octets("beef 0100 0001 0000 0000 0001 076578616d706c6503636f6d00 0001 0001 00 0029 1000 0000 8000 0000");
        byte[] error = new byte[DnsBuilder.MaxErrorLength];
        error = error[..DnsBuilder.WriteError(error, query, DnsResponseCode.ServerFailure)];
        byte[] reply = Hex.Octets("beef 8180 0001 0001 0000 0001 076578616d706c6503636f6d00 0001 0001 c00c 0001 0001 0000003c 0004 5db8d822"
            + "00 0029 04d0 0000 0000 0000");
        reply = reply[..DnsBuilder.WriteTruncated(reply, reply)];
        AssertRead(
            new("DHCP", Frames.Udp(Host4, DhcpView.ServerPort, Guest4, DhcpView.ClientPort, DhcpOffer()), ("dhcp.type", "2"),
                ("dhcp.id", "0xdeadbeef"), ("dhcp.flags.bc", "1"), ("dhcp.ip.your", "10.0.2.100"), ("dhcp.ip.server", "10.0.2.2"),
                ("dhcp.hw.mac_addr", "52:54:00:12:34:56"), ("dhcp.option.dhcp", "2"), ("dhcp.option.dhcp_server_id", "10.0.2.2"),
                ("dhcp.option.subnet_mask", "255.255.255.0"), ("dhcp.option.router", "10.0.2.2"),
                ("dhcp.option.domain_name_server", "10.0.2.3"), ("dhcp.option.interface_mtu", "65520"),
                ("dhcp.option.ip_address_lease_time", "86400"), ("dhcp.option.broadcast_address", "10.0.2.255"),
                ("dhcp.option.domain_name", "lan"), ("dhcp.option.dhcp_dns_domain_search_list_fqdn", "a.example")),
            new("DHCPv6", Frames.Udp(Host6, Dhcpv6View.ServerPort, Guest6, Dhcpv6View.ClientPort, Dhcpv6Reply()), ("dhcpv6.msgtype", "7"),
                ("dhcpv6.xid", "0x123456"), ("dhcpv6.duidll.link_layer_addr", "52:55:00:ab:cd:ef"), ("dhcpv6.dns_server", "fd00::3"),
                ("dhcpv6.search_list_entry", "a.example."), ("dhcpv6.lifetime", "3600")),
            new("SERVFAIL", Frames.Udp(Host4, 53, Guest4, 5000, error), ("dns.id", "0xbeef"), ("dns.flags.response", "1"), ("dns.flags.rcode", "2"),
                ("dns.flags.recdesired", "1"), ("dns.flags.recavail", "1"), ("dns.qry.name", "example.com"), ("dns.qry.type", "1"),
                ("dns.count.add_rr", "1"), ("dns.resp.type", "41"), ("dns.rr.udp_payload_size", "1232"), ("dns.resp.z.do", "1")),
            new("truncated reply", Frames.Udp(Host6, 53, Guest6, 5000, reply), ("dns.flags.truncated", "1"), ("dns.flags.rcode", "0"),
                ("dns.qry.name", "example.com"), ("dns.count.answers", "0"), ("dns.count.add_rr", "1"), ("dns.resp.type", "41")));
    }

    [JudgeFact("tshark", Program)]
    public void Checksums_of_random_segments_and_datagrams_are_good()
    {
        const int seed = 4341; // always the same: some ports are those of tunnels, whose content tshark would judge as well
        var random = new Random(seed);
        var expectations = new List<Expectation>();
        for (int i = 0; i < 400; i++)
        {
            (IpAddress source, IpAddress destination) = i % 2 == 0 ? (Guest4, Host4) : (Guest6, Host6);
            byte[] payload = new byte[random.Next(3000)];
            random.NextBytes(payload);
            ushort from = (ushort)random.Next(1, 65536), to = (ushort)random.Next(1, 65536);
            bool isTcp = random.Next(2) == 0;
            byte[] frame = isTcp
                ? Frames.Tcp(source, destination, new(from, to, new((uint)random.Next()), new(1), TcpFlags.Ack, 1), default, payload)
                : Frames.Udp(source, from, destination, to, payload);
            string name = isTcp ? "tcp" : "udp";
            expectations.Add(new($"seed {seed}, frame {i}", frame, ($"{name}.srcport", $"{from}"), ($"{name}.dstport", $"{to}"),
                isTcp ? ("tcp.len", $"{payload.Length}") : ("udp.length", $"{payload.Length + 8}")));
        }
        // Random payload on random ports looks like all kinds of broken protocols: only the transport is asked about.
        AssertAllRead(expectations, mayBeMalformed: true);
    }

    private static void AssertRead(params IReadOnlyList<Expectation> expectations) => AssertAllRead(expectations, mayBeMalformed: false);

    private static void AssertAllRead(IReadOnlyList<Expectation> expectations, bool mayBeMalformed)
    {
        string[] fields = [.. Statuses, "_ws.malformed", "_ws.expert.severity", "_ws.expert.message",
            .. expectations.SelectMany(e => e.Fields).Select(f => f.Field).Distinct()];
        string[] lines = Read(fields, [.. expectations.Select(e => e.Frame)]);
        Assert.Equal(expectations.Count, lines.Length);
        for (int i = 0; i < lines.Length; i++)
        {
            string[] values = lines[i].Split('\t');
            Dictionary<string, string> read = fields.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second);
            string all = $"{expectations[i].Why}: {lines[i]} of {Hex.Text(expectations[i].Frame)}";
            Assert.True(Statuses.All(status => read[status].Split('|').All(value => value is "" or "1")), all);
            Assert.True(mayBeMalformed || read["_ws.malformed"].Length == 0 && !HasWarning(read["_ws.expert.severity"]), all);
            foreach ((string field, string value) in expectations[i].Fields)
                Assert.Equal((expectations[i].Why, field, value), (expectations[i].Why, field, read[field].Split('|')[0]));
        }
    }

    private static bool HasWarning(string severities) =>
        severities.Split('|', StringSplitOptions.RemoveEmptyEntries).Any(text => int.Parse(text) >= 0x60_0000); // PI_WARN

    private static string[] Read(string[] fields, byte[][] frames)
    {
        string pcap = Path.Combine(Path.GetTempPath(), $"slirp-wire-{Guid.NewGuid():n}.pcap");
        try
        {
            Judge.WritePcap(pcap, frames);
            string[] arguments = ["-r", pcap, "-n", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-E", "occurrence=a"];
            return Judge.Run(Program, [.. arguments, .. Preferences.SelectMany(p => new[] { "-o", p }),
                .. fields.SelectMany(f => new[] { "-e", f })]);
        }
        finally
        {
            File.Delete(pcap);
        }
    }

    private static Expectation Icmp4(string why, Frames.Writer write, params (string, string)[] fields) =>
        new(why, Frames.Ip(Host4, Guest4, IpProtocol.Icmp, write), fields);

    private static Expectation Icmp6(string why, Frames.Writer write, params (string, string)[] fields) =>
        new(why, Frames.Ip(Host6, Guest6, IpProtocol.Icmpv6, write), fields);

    private static Expectation Ndp(string why, Frames.Writer write, params (string, string)[] fields) =>
        new(why, Frames.Ip(Router, AllNodes, IpProtocol.Icmpv6, write, ttl: 255), fields);

    private static int WriteRouterAdvertisement(Span<byte> l4)
    {
        var builder = new RouterAdvertisementBuilder(l4, new RouterAdvertisementFields(64, false, true, 1800, 30_000, 1000));
        builder.AddSourceLinkLayer(Frames.HostMac);
        builder.AddMtu(65520);
        builder.AddPrefix(new PrefixInformation(IpAddress.Parse("fd00::"), 64, true, true, 86400, 14400));
        builder.AddRecursiveDns(3600, [IpAddress.Parse("fd00::3")]);
        builder.AddSearchList(60, ["a.example", "b"]);
        return builder.Finish(Router, AllNodes);
    }

    private static byte[] DhcpOffer()
    {
        byte[] buffer = new byte[576];
        var builder = new DhcpBuilder(buffer, new DhcpFields(
            DhcpOperation.BootReply, 0xdeadbeef, 0, true, default, Guest4.Ipv4, Host4.Ipv4, default, Frames.GuestMac));
        builder.AddMessageType(DhcpMessageType.Offer);
        builder.AddAddress(DhcpOptionCode.ServerIdentifier, Host4.Ipv4);
        builder.AddUInt32(DhcpOptionCode.LeaseTime, 86400);
        builder.AddAddress(DhcpOptionCode.SubnetMask, Ipv4Address.Parse("255.255.255.0"));
        builder.AddAddress(DhcpOptionCode.BroadcastAddress, Ipv4Address.Parse("10.0.2.255"));
        builder.AddAddress(DhcpOptionCode.Router, Host4.Ipv4);
        builder.AddAddress(DhcpOptionCode.DomainNameServer, Ipv4Address.Parse("10.0.2.3"));
        builder.AddUInt16(DhcpOptionCode.InterfaceMtu, 65520);
        builder.AddText(DhcpOptionCode.DomainName, "lan");
        builder.AddDomainSearch(["a.example", "b.example"]);
        builder.AddOctets(DhcpOptionCode.ClientIdentifier, Hex.Octets("01525400123456"));
        return buffer[..builder.Finish()];
    }

    private static byte[] Dhcpv6Reply()
    {
        byte[] buffer = new byte[300];
        byte[] duid = new byte[Dhcpv6Builder.LinkLayerDuidLength];
        Dhcpv6Builder.WriteLinkLayerDuid(duid, Frames.HostMac);
        var builder = new Dhcpv6Builder(buffer, Dhcpv6MessageType.Reply, 0x123456);
        builder.AddOctets(Dhcpv6OptionCode.ServerId, duid);
        builder.AddOctets(Dhcpv6OptionCode.ClientId, Hex.Octets("00030001525400123456"));
        builder.AddAddresses(Dhcpv6OptionCode.DnsServers, [IpAddress.Parse("fd00::3")]);
        builder.AddDomainList(["a.example", "b.example"]);
        builder.AddUInt32(Dhcpv6OptionCode.InformationRefreshTime, 3600);
        return buffer[..builder.Length];
    }
}
