using System.Text.Json;
using Slirp.Wire.Dhcp;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests.Judges;

/// <summary>Frames made by scapy as our views read them: the fields are what scapy was told, every checksum is good.</summary>
public class ScapyTests
{
    private const string Python = "/usr/bin/python3"; // Debian's, which has Debian's scapy
    private const string Package = "/usr/lib/python3/dist-packages/scapy";
    private const int FramesOfEachKind = 15;

    private delegate Fields Reader(in Packet packet);

    private static readonly Dictionary<string, Reader> Readers = new()
    {
        ["arp"] = ReadArp,
        ["ipv4"] = ReadIpv4,
        ["ipv6"] = ReadIpv6,
        ["extensions"] = ReadExtensions,
        ["tcp"] = ReadTcp,
        ["udp"] = ReadUdp,
        ["icmp"] = ReadIcmp,
        ["icmpv6"] = ReadIcmpv6,
        ["solicitation"] = ReadSolicitation,
        ["advertisement"] = ReadAdvertisement,
        ["routerSolicitation"] = ReadRouterSolicitation,
        ["routerAdvertisement"] = ReadRouterAdvertisement,
        ["dhcp"] = ReadDhcp,
        ["dhcpv6"] = ReadDhcpv6,
        ["dns"] = ReadDns,
    };

    [JudgeFact("python3-scapy", Package)]
    public void Frames_read_as_scapy_meant_them()
    {
        int seed = Random.Shared.Next();
        string script = Path.Combine(AppContext.BaseDirectory, "Judges", "scapy_frames.py");
        string[] lines = Judge.Run(Python, script, $"{seed}", $"{FramesOfEachKind}");
        var counts = Readers.Keys.ToDictionary(kind => kind, _ => 0);
        foreach (string line in lines)
        {
            JsonElement frame = JsonDocument.Parse(line).RootElement;
            string kind = frame.GetProperty("kind").GetString()!;
            byte[] octets = Convert.FromHexString(frame.GetProperty("hex").GetString()!);
            string expected = string.Join('\n', frame.GetProperty("fields").EnumerateObject().Select(f => $"{f.Name}={Text(f.Value)}").Order());
            Assert.Equal($"seed {seed}, {kind}\n{expected}", $"seed {seed}, {kind}\n{Readers[kind](Open(octets)).Text}");
            counts[kind]++;
        }
        Assert.All(counts, count => Assert.True(count.Value >= FramesOfEachKind, count.Key));
    }

    private static string Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => "1",
        JsonValueKind.False => "0",
        JsonValueKind.Array => string.Join(',', value.EnumerateArray().Select(Text)),
        JsonValueKind.String => value.GetString()!,
        _ => value.GetRawText(),
    };

    /// <summary>A frame opened down to the transport; checksums were good on the way.</summary>
    private readonly ref struct Packet
    {
        public EtherType EtherType { get; init; }
        public ReadOnlySpan<byte> Network { get; init; }
        public ReadOnlySpan<byte> L4 { get; init; }
        public IpAddress Source { get; init; }
        public IpAddress Destination { get; init; }

        public Icmpv6View Icmpv6
        {
            get
            {
                Assert.True(Icmpv6View.TryParse(L4, out Icmpv6View icmp));
                Assert.True(icmp.HasValidChecksum(Source, Destination));
                return icmp;
            }
        }

        public UdpView Udp
        {
            get
            {
                Assert.True(UdpView.TryParse(L4, out UdpView udp));
                uint pseudoHeader = InternetChecksum.PseudoHeader(Source, Destination, IpProtocol.Udp, udp.Length);
                Assert.True(InternetChecksum.IsValid(udp.Octets, pseudoHeader));
                return udp;
            }
        }
    }

    /// <summary>Names and values in one notation, sorted by name.</summary>
    private sealed class Fields
    {
        private readonly SortedDictionary<string, string> _fields = new(StringComparer.Ordinal);

        public string Text => string.Join('\n', _fields.Select(pair => $"{pair.Key}={pair.Value}").Order());

        public object? this[string name]
        {
            set
            {
                if (value != null) _fields[name] = value is bool bit ? (bit ? "1" : "0") : $"{value}";
            }
        }
    }

    private static Packet Open(byte[] frame)
    {
        Assert.True(EthernetView.TryParse(frame, out EthernetView ethernet));
        if (ethernet.EtherType == EtherType.Ipv4)
        {
            Assert.True(Ipv4View.TryParse(ethernet.Payload, out Ipv4View ip));
            Assert.True(ip.HasValidChecksum);
            return new Packet
            {
                EtherType = EtherType.Ipv4,
                Network = ethernet.Payload,
                L4 = ip.Payload,
                Source = ip.Source,
                Destination = ip.Destination,
            };
        }
        if (ethernet.EtherType != EtherType.Ipv6) return new Packet { EtherType = ethernet.EtherType, Network = ethernet.Payload };
        Assert.True(Ipv6View.TryParse(ethernet.Payload, out Ipv6View ip6));
        return new Packet
        {
            EtherType = EtherType.Ipv6,
            Network = ethernet.Payload,
            L4 = ip6.Payload,
            Source = ip6.Source,
            Destination = ip6.Destination,
        };
    }

    private static Fields ReadArp(in Packet packet)
    {
        Assert.True(ArpView.TryParse(packet.Network, out ArpView arp));
        return new Fields
        {
            ["op"] = (int)arp.Operation,
            ["hwsrc"] = arp.SenderMac,
            ["psrc"] = arp.SenderAddress,
            ["hwdst"] = arp.TargetMac,
            ["pdst"] = arp.TargetAddress,
        };
    }

    private static Fields ReadIpv4(in Packet packet)
    {
        Assert.True(Ipv4View.TryParse(packet.Network, out Ipv4View ip));
        return new Fields
        {
            ["src"] = ip.Source,
            ["dst"] = ip.Destination,
            ["proto"] = (int)ip.Protocol,
            ["ttl"] = ip.TimeToLive,
            ["tos"] = ip.Tos,
            ["id"] = ip.Identification,
            ["frag"] = ip.FragmentOffset,
            ["df"] = ip.DontFragment,
            ["mf"] = ip.MoreFragments,
            ["options"] = Hex.Text(ip.Options),
            ["payload"] = Hex.Text(ip.Payload),
        };
    }

    private static Fields ReadIpv6(in Packet packet)
    {
        Assert.True(Ipv6View.TryParse(packet.Network, out Ipv6View ip));
        return new Fields
        {
            ["src"] = ip.Source,
            ["dst"] = ip.Destination,
            ["nh"] = (int)ip.NextHeader,
            ["hlim"] = ip.HopLimit,
            ["tc"] = ip.TrafficClass,
            ["fl"] = ip.FlowLabel,
            ["payload"] = Hex.Text(ip.Payload),
        };
    }

    private static Fields ReadExtensions(in Packet packet)
    {
        Assert.True(Ipv6View.TryParse(packet.Network, out Ipv6View ip));
        Assert.True(Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper));
        return new Fields
        {
            ["upper"] = (int)upper.UpperProtocol,
            ["upperAt"] = upper.UpperOffset,
            ["id"] = upper.FragmentIdentification,
            ["fragment"] = upper.FragmentOffset,
            ["more"] = upper.MoreFragments,
            ["fragmentAt"] = upper.FragmentHeaderOffset,
        };
    }

    private static Fields ReadTcp(in Packet packet)
    {
        Assert.True(TcpView.TryParse(packet.L4, out TcpView tcp));
        uint pseudoHeader = InternetChecksum.PseudoHeader(packet.Source, packet.Destination, IpProtocol.Tcp, packet.L4.Length);
        Assert.True(InternetChecksum.IsValid(packet.L4, pseudoHeader));
        TcpOptions options = TcpOptions.Parse(tcp.Options);
        var edges = new List<SequenceNumber>();
        for (int i = 0; i < options.Sack.Count; i++) edges.AddRange([options.Sack[i].Left, options.Sack[i].Right]);
        return new Fields
        {
            ["sport"] = tcp.SourcePort,
            ["dport"] = tcp.DestinationPort,
            ["seq"] = tcp.Sequence,
            ["ack"] = tcp.Acknowledgment,
            ["flags"] = (int)tcp.Flags,
            ["window"] = tcp.Window,
            ["urgptr"] = tcp.UrgentPointer,
            ["payload"] = Hex.Text(tcp.Payload),
            ["mss"] = options.Mss,
            ["scale"] = options.WindowScale,
            ["sackok"] = options.SackPermitted ? true : null,
            ["timestamps"] = options.HasTimestamps ? $"{options.TimestampValue},{options.TimestampEcho}" : null,
            ["sack"] = edges.Count > 0 ? string.Join(',', edges) : null,
        };
    }

    private static Fields ReadUdp(in Packet packet) => new()
    {
        ["sport"] = packet.Udp.SourcePort,
        ["dport"] = packet.Udp.DestinationPort,
        ["payload"] = Hex.Text(packet.Udp.Payload),
    };

    private static Fields ReadIcmp(in Packet packet)
    {
        Assert.True(IcmpView.TryParse(packet.L4, out IcmpView icmp));
        Assert.True(icmp.HasValidChecksum);
        bool isEcho = icmp.Type == IcmpType.EchoRequest;
        return new Fields
        {
            ["type"] = (int)icmp.Type,
            ["code"] = icmp.Code,
            ["payload"] = Hex.Text(icmp.Body),
            ["id"] = isEcho ? icmp.Identifier : null,
            ["seq"] = isEcho ? icmp.Sequence : null,
            ["mtu"] = isEcho ? null : icmp.NextHopMtu,
        };
    }

    private static Fields ReadIcmpv6(in Packet packet)
    {
        Icmpv6View icmp = packet.Icmpv6;
        bool isEcho = icmp.Type == Icmpv6Type.EchoRequest;
        return new Fields
        {
            ["type"] = (int)icmp.Type,
            ["code"] = icmp.Code,
            ["payload"] = Hex.Text(icmp.Body),
            ["id"] = isEcho ? icmp.Identifier : null,
            ["seq"] = isEcho ? icmp.Sequence : null,
            ["mtu"] = isEcho ? null : icmp.Mtu,
        };
    }

    private static Fields ReadSolicitation(in Packet packet)
    {
        Assert.True(NeighborSolicitationView.TryParse(packet.Icmpv6, out NeighborSolicitationView view));
        return new Fields { ["target"] = view.Target, ["mac"] = view.SourceLinkLayer };
    }

    private static Fields ReadAdvertisement(in Packet packet)
    {
        Assert.True(NeighborAdvertisementView.TryParse(packet.Icmpv6, out NeighborAdvertisementView view));
        return new Fields
        {
            ["target"] = view.Target,
            ["mac"] = view.TargetLinkLayer,
            ["R"] = view.IsRouter,
            ["S"] = view.IsSolicited,
            ["O"] = view.IsOverride,
        };
    }

    private static Fields ReadRouterSolicitation(in Packet packet)
    {
        Assert.True(RouterSolicitationView.TryParse(packet.Icmpv6, out RouterSolicitationView view));
        return new Fields { ["mac"] = view.SourceLinkLayer };
    }

    private static Fields ReadRouterAdvertisement(in Packet packet)
    {
        Assert.True(RouterAdvertisementView.TryParse(packet.Icmpv6, out RouterAdvertisementView view));
        RouterAdvertisementFields ra = view.Fields;
        var fields = new Fields
        {
            ["mac"] = view.SourceLinkLayer,
            ["chlim"] = ra.CurHopLimit,
            ["M"] = ra.IsManaged,
            ["O"] = ra.HasOtherConfiguration,
            ["routerlifetime"] = ra.RouterLifetimeSeconds,
            ["reachabletime"] = ra.ReachableTimeMilliseconds,
            ["retranstimer"] = ra.RetransTimerMilliseconds,
        };
        NdpOptionReader options = view.Options;
        while (options.TryRead(out NdpOptionType type, out ReadOnlySpan<byte> body))
        {
            if (type == NdpOptionType.Mtu) fields["mtu"] = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(body[2..]);
            if (type == NdpOptionType.RecursiveDns) fields["resolver"] = IpAddress.ReadIpv6(body[6..]);
            if (type != NdpOptionType.PrefixInformation) continue;
            Assert.True(PrefixInformation.TryParse(body, out PrefixInformation prefix));
            fields["prefix"] = prefix.Prefix;
            fields["prefixlen"] = prefix.Length;
            fields["L"] = prefix.IsOnLink;
            fields["A"] = prefix.IsAutonomous;
            fields["validlifetime"] = prefix.ValidSeconds;
            fields["preferredlifetime"] = prefix.PreferredSeconds;
        }
        return fields;
    }

    private static Fields ReadDhcp(in Packet packet)
    {
        Assert.True(DhcpView.TryParse(packet.Udp.Payload, out DhcpView dhcp));
        Assert.True(dhcp.IsBroadcast && dhcp.Op == DhcpOperation.BootRequest);
        Assert.Equal("01" + dhcp.Chaddr.ToString().Replace(":", ""), Hex.Text(dhcp.ClientIdentifier));
        return new Fields
        {
            ["xid"] = dhcp.Xid,
            ["secs"] = dhcp.Secs,
            ["ciaddr"] = dhcp.Ciaddr,
            ["yiaddr"] = dhcp.Yiaddr,
            ["siaddr"] = dhcp.Siaddr,
            ["giaddr"] = dhcp.Giaddr,
            ["mac"] = dhcp.Chaddr,
            ["type"] = (int)dhcp.MessageType,
            ["wanted"] = dhcp.RequestedAddress,
            ["server"] = dhcp.ServerIdentifier,
            ["codes"] = Hex.Text(dhcp.ParameterRequestList),
            ["size"] = dhcp.MaxMessageSize,
        };
    }

    private static Fields ReadDhcpv6(in Packet packet)
    {
        Assert.True(Dhcpv6View.TryParse(packet.Udp.Payload, out Dhcpv6View dhcp));
        Assert.Equal(Dhcpv6MessageType.InformationRequest, dhcp.MessageType);
        return new Fields
        {
            ["xid"] = dhcp.TransactionId,
            ["duid"] = Hex.Text(dhcp.ClientId),
            ["dns"] = dhcp.Requests(Dhcpv6OptionCode.DnsServers),
            ["domains"] = dhcp.Requests(Dhcpv6OptionCode.DomainList),
        };
    }

    private static Fields ReadDns(in Packet packet)
    {
        Assert.True(DnsView.TryParse(packet.Udp.Payload, out DnsView dns));
        Assert.True(dns.TryReadQuestion(out DnsQuestion question));
        return new Fields
        {
            ["id"] = dns.Id,
            ["rd"] = dns.RecursionDesired,
            ["name"] = DomainName.ToText(question.Name),
            ["type"] = question.Type,
            ["size"] = dns.UdpPayloadSize,
        };
    }
}
