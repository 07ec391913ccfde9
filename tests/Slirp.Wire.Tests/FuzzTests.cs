using Slirp.Wire.Dhcp;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests;

/// <summary>Random octets, and valid messages with a few octets changed, through every view and every field behind it.</summary>
/// <remarks>What is asserted is the promise of STYLE 2.2: after <c>TryParse</c> said yes, no accessor fails; before, nothing
/// throws. A failure prints seed, round and octets.</remarks>
public class FuzzTests
{
    private const int Rounds = 50_000;

    /// <returns>True if the view took the octets.</returns>
    private delegate bool Reader(ReadOnlySpan<byte> octets);

    public static TheoryData<string> Formats => [.. Targets.Keys];

    private static readonly Dictionary<string, (Reader Read, string[] Seeds)> Targets = new()
    {
        ["Ethernet"] = (ReadEthernet, ["ffffffffffff5254001234560806aabb"]),
        ["ARP"] = (ReadArp, ["00010800060400015254001234560a0002640000000000000a000202"]),
        ["IPv4"] = (ReadIpv4, ["4600001c1234400040110000" + "0a00026408080808" + "01010101aa0000ff"]),
        ["IPv6"] = (ReadIpv6, Ipv6Seeds),
        ["TCP"] = (ReadTcp, ["01bbc0000000000100000002a01201f5abcd0007" + "020405b40402080a000000010000000001030307", TcpWithSack]),
        ["UDP"] = (ReadUdp, ["cf840035000c0000aa0000ff"]),
        ["ICMP"] = (ReadIcmp, ["0304f00d000005784500001c"]),
        ["ICMPv6 and NDP"] = (ReadIcmpv6, NdpSeeds),
        ["quoted IPv4"] = (octets => QuotedSegment.TryParse(octets, isIpv4: true, out _), ["4600003c123440004006000008080808" + "0a000264" + "01010101" + "01bbc00000000001"]),
        ["quoted IPv6"] = (octets => QuotedSegment.TryParse(octets, isIpv4: false, out _), ["60000000059c0640" + "20010db8000000000000000000000001fd000000000000000000000000000100" + "01bbc00000000001"]),
        ["virtio"] = (octets => VirtioNetHeader.TryParse(octets, out _), ["01814200a80522001000"]),
        ["DHCP"] = (ReadDhcp, [DhcpSeed]),
        ["DHCPv6"] = (ReadDhcpv6, ["0b1234560001000a00030001525400123456000800020000000600040017001800190000"]),
        ["DNS"] = (ReadDns, [DnsSeed]),
    };

    private const string TcpWithSack = "01bbc00000000001000000028010" + "01f5abcd0000" + "0101050a0000001000000020";
    private const string DnsSeed = "beef85800001000100000001076578616d706c6503636f6d0000010001" + "c00c000100010000003c00045db8d822"
        + "00002904d001000000000c000a00081122334455667788";

    private static string[] Ipv6Seeds
    {
        get
        {
            const string Addresses = "fd00000000000000000000000000010020010db8000000000000000000000001";
            return
            [
                "600000000008" + "1140" + Addresses + "cf84003500080000",
                "60000000001c" + "0040" + Addresses + "2c00010400000000" + "3c00000100000001" + "0600010400000000" + "aa0000ff",
            ];
        }
    }

    private static string[] NdpSeeds =>
    [
        "8700000000000000fd0000000000000000000000000001000101525400123456",
        "88000000e0000000fd0000000000000000000000000001000201525400123456",
        "85000000000000000101525400123456",
        "86000000404007080000000000000000" + "0101525400123456" + "0304" + "40c000015180000038400000000" + "0fd000000000000000000000000000000"
            + "1903000000000e10fd000000000000000000000000000003" + "1f0200000000003c0161000000000000",
        "020000000000050060000000",
    ];

    private static string DhcpSeed => "01010600deadbeef00078000" + new string('0', 16 * 2) + "525400123456" + new string('0', 10 * 2)
        + "0c0162340103ff" + new string('0', 57 * 2) + "0c0161ff" + new string('0', 124 * 2)
        + "63825363350103340103" + "3d0701525400123456" + "32040a00026436040a000202390205dc37030103" + "06ff";

    [Theory]
    [MemberData(nameof(Formats))]
    public void Nothing_throws_on_any_octets(string format)
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        (Reader read, string[] seeds) = Targets[format];
        byte[][] valid = [.. seeds.Select(Hex.Octets)];
        Assert.All(valid, octets => Assert.True(read(octets), $"{format}: the seed {Hex.Text(octets)} is not valid"));
        int taken = 0;
        byte[] buffer = new byte[400];
        for (int round = 0; round < Rounds; round++)
        {
            Span<byte> octets = round % 8 == 0 ? Randomise(buffer, random) : Mutate(valid[random.Next(valid.Length)], buffer, random);
            try
            {
                if (read(octets)) taken++;
            }
            catch (Exception e)
            {
                Assert.Fail($"{format}, seed {seed}, round {round}, {Hex.Text(octets)}: {e}");
            }
        }
        Assert.True(taken > Rounds / 100, $"{format}, seed {seed}: only {taken} inputs got past TryParse, which tests little");
    }

    private static Span<byte> Randomise(byte[] buffer, Random random)
    {
        Span<byte> octets = buffer.AsSpan(0, random.Next(buffer.Length));
        random.NextBytes(octets);
        return octets;
    }

    // One to four edits: an octet made random or extreme, the end cut off, octets copied over others.
    private static Span<byte> Mutate(byte[] valid, byte[] buffer, Random random)
    {
        valid.CopyTo(buffer, 0);
        Span<byte> octets = buffer.AsSpan(0, valid.Length);
        for (int edits = random.Next(1, 5); edits > 0 && octets.Length > 1; edits--)
        {
            int at = random.Next(octets.Length);
            switch (random.Next(5))
            {
                case 0:
                    octets[at] = (byte)random.Next(256);
                    break;
                case 1:
                    octets[at] = random.Next(3) switch { 0 => 0, 1 => 0xff, _ => 0xc0 };
                    break;
                case 2:
                    octets[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 3:
                    octets = random.Next(8) == 0 ? octets[..at] : octets;
                    break;
                default:
                    int from = random.Next(octets.Length);
                    octets.Slice(from, octets.Length - Math.Max(from, at)).CopyTo(octets[at..]);
                    break;
            }
        }
        return octets;
    }

    private static bool ReadEthernet(ReadOnlySpan<byte> octets)
    {
        if (!EthernetView.TryParse(octets, out EthernetView view)) return false;
        Keep(view.Destination, view.Source, view.EtherType);
        return view.Payload.Length == octets.Length - EthernetView.HeaderLength;
    }

    private static bool ReadArp(ReadOnlySpan<byte> octets)
    {
        if (!ArpView.TryParse(octets, out ArpView view)) return false;
        Keep(view.Operation, view.SenderMac, view.SenderAddress, view.TargetMac, view.TargetAddress);
        return true;
    }

    private static bool ReadIpv4(ReadOnlySpan<byte> octets)
    {
        if (!Ipv4View.TryParse(octets, out Ipv4View view)) return false;
        Keep(view.Tos, view.Identification, view.DontFragment, view.MoreFragments, view.FragmentOffset, view.TimeToLive);
        Keep(view.Protocol, view.Source, view.Destination, view.Checksum, view.HasValidChecksum, view.IsFragment);
        Assert.Equal(view.TotalLength, Ipv4View.MinHeaderLength + view.Options.Length + view.Payload.Length);
        return true;
    }

    private static bool ReadIpv6(ReadOnlySpan<byte> octets)
    {
        if (!Ipv6View.TryParse(octets, out Ipv6View view)) return false;
        Keep(view.TrafficClass, view.FlowLabel, view.NextHeader, view.HopLimit, view.Source, view.Destination);
        if (!Ipv6Extensions.TryWalk(view, out Ipv6UpperLayer upper)) return true;
        Assert.InRange(upper.UpperOffset, 0, view.Payload.Length);
        if (upper.HasFragment) Assert.InRange(upper.FragmentPayloadOffset, 8, upper.UpperOffset);
        return true;
    }

    private static bool ReadTcp(ReadOnlySpan<byte> octets)
    {
        if (!TcpView.TryParse(octets, out TcpView view)) return false;
        Keep(view.SourcePort, view.DestinationPort, view.Sequence, view.Acknowledgment, view.Flags, view.Window);
        Keep(view.Checksum, view.UrgentPointer);
        Assert.Equal(octets.Length, TcpView.MinHeaderLength + view.Options.Length + view.Payload.Length);
        TcpOptions options = TcpOptions.Parse(view.Options);
        Assert.True(options.WindowScale is null or <= TcpOptions.MaxWindowScale && options.Mss != 0);
        // What was understood can be written, and means the same when read again.
        byte[] rewritten = new byte[TcpBuilder.MaxHeaderLength];
        int length = TcpBuilder.Write(rewritten, default, options);
        TcpOptions again = TcpOptions.Parse(rewritten.AsSpan(TcpView.MinHeaderLength, length - TcpView.MinHeaderLength));
        if (again.Sack.Count == options.Sack.Count) Assert.Equal(options, again);
        return true;
    }

    private static bool ReadUdp(ReadOnlySpan<byte> octets)
    {
        if (!UdpView.TryParse(octets, out UdpView view)) return false;
        Keep(view.SourcePort, view.DestinationPort, view.Checksum);
        Assert.Equal(view.Length, UdpView.HeaderLength + view.Payload.Length);
        return true;
    }

    private static bool ReadIcmp(ReadOnlySpan<byte> octets)
    {
        if (!IcmpView.TryParse(octets, out IcmpView view)) return false;
        Keep(view.Type, view.Code, view.Checksum, view.RestOfHeader, view.Identifier, view.Sequence);
        Keep(view.NextHopMtu, view.Pointer, view.HasValidChecksum);
        if (Ipv4View.TryParse(view.Body, out Ipv4View quoted)) Keep(quoted.Source, quoted.Payload.Length);
        return true;
    }

    private static bool ReadIcmpv6(ReadOnlySpan<byte> octets)
    {
        if (!Icmpv6View.TryParse(octets, out Icmpv6View view)) return false;
        Keep(view.Type, view.Code, view.Checksum, view.RestOfHeader, view.Identifier, view.Sequence);
        Keep(view.Mtu, view.Pointer, view.IsError, view.HasValidChecksum(default, default));
        if (NeighborSolicitationView.TryParse(view, out NeighborSolicitationView ns)) Keep(ns.Target, ns.SourceLinkLayer);
        if (NeighborAdvertisementView.TryParse(view, out NeighborAdvertisementView na)) Keep(na.Target, na.TargetLinkLayer, na.IsRouter);
        if (RouterSolicitationView.TryParse(view, out RouterSolicitationView rs)) Keep(rs.SourceLinkLayer);
        if (!RouterAdvertisementView.TryParse(view, out RouterAdvertisementView ra)) return true;
        Keep(ra.Fields, ra.SourceLinkLayer);
        NdpOptionReader options = ra.Options;
        int walked = RouterAdvertisementView.HeaderLength;
        while (options.TryRead(out _, out ReadOnlySpan<byte> body))
        {
            walked += 2 + body.Length;
            if (PrefixInformation.TryParse(body, out PrefixInformation prefix)) Keep(prefix);
        }
        Assert.Equal(octets.Length, walked);
        return true;
    }

    private static bool ReadDhcp(ReadOnlySpan<byte> octets)
    {
        if (!DhcpView.TryParse(octets, out DhcpView view)) return false;
        Keep(view.Op, view.Xid, view.Secs, view.IsBroadcast, view.Ciaddr, view.Chaddr);
        Keep(view.MessageType, view.RequestedAddress, view.ServerIdentifier, view.LeaseTimeSeconds, view.MaxMessageSize);
        int walked = view.ClientIdentifier.Length + view.ParameterRequestList.Length;
        DhcpOptionReader options = view.Options;
        for (walked = 0; options.TryRead(out _, out ReadOnlySpan<byte> value); walked += 2 + value.Length) { }
        Assert.InRange(walked, 0, octets.Length - 48); // no octet is walked twice
        return true;
    }

    private static bool ReadDhcpv6(ReadOnlySpan<byte> octets)
    {
        if (!Dhcpv6View.TryParse(octets, out Dhcpv6View view)) return false;
        Keep(view.MessageType, view.TransactionId, view.Requests(Dhcpv6OptionCode.DnsServers));
        Assert.InRange(view.ClientId.Length + view.ServerId.Length, 0, octets.Length);
        return true;
    }

    private static bool ReadDns(ReadOnlySpan<byte> octets)
    {
        byte[] room = new byte[DnsView.MinUdpPayloadSize];
        int error = DnsBuilder.WriteError(room, octets, DnsResponseCode.FormatError);
        int truncated = DnsBuilder.WriteTruncated(room, octets);
        if (!DnsView.TryParse(octets, out DnsView view)) return error + truncated != 0;
        Assert.Equal(view.IsResponse, error == 0);
        Keep(view.Id, view.Opcode, view.ResponseCode, view.UdpPayloadSize, view.IsTruncated);
        if (view.TryFindEdns(out DnsEdns edns)) Keep(edns.Version, edns.DnssecOk, edns.ExtendedResponseCode, edns.Offset);
        int offset = DnsView.HeaderLength;
        byte[] name = new byte[DomainName.MaxLength];
        if (DomainName.TryRead(octets, ref offset, name, out int length)) Keep(DomainName.ToText(name.AsSpan(0, length)));
        if (!view.TryReadQuestion(out DnsQuestion question)) return true;
        Assert.True(DnsView.TryParse(room.AsSpan(0, truncated), out DnsView cut) && cut.IsTruncated);
        Assert.True(cut.TryReadQuestion(out DnsQuestion same));
        Assert.True(question.Matches(same));
        return true;
    }

    // Reads every argument, so that no accessor is optimised away.
    private static void Keep(params ReadOnlySpan<object?> values) => GC.KeepAlive(values.Length > 0 ? values[^1] : null);
}
