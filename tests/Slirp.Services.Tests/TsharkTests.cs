using System.Buffers.Binary;
using System.Diagnostics;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>Skipped by name where tshark is not installed.</summary>
public sealed class TsharkFactAttribute : FactAttribute
{
    private const string Program = "/usr/bin/tshark";

    public TsharkFactAttribute()
    {
        if (!File.Exists(Program)) Skip = "tshark is not installed";
    }
}

/// <summary>What the servers send, in the words of a judge that knows nothing of this code.</summary>
public class TsharkTests
{
    [TsharkFact]
    public void Every_kind_of_answer_is_well_formed_and_says_what_it_should()
    {
        using var scene = new Scene("nameserver 192.0.2.1\nsearch example.com corp.example\n", offloads: LinkOffloads.None);
        SayEverything(scene);
        List<Dictionary<string, string>> packets = Judge(
            scene.Host.Frames, "_ws.malformed", "arp.opcode", "arp.src.proto_ipv4", "icmpv6.type",
            "icmpv6.nd.ra.router_lifetime", "icmpv6.opt.prefix", "icmpv6.opt.mtu", "icmpv6.opt.rdnss", "icmpv6.opt.dnssl",
            "icmpv6.nd.ra.flag.o", "icmpv6.checksum.status", "ipv6.hlim", "dhcp.option.dhcp", "dhcp.ip.your",
            "dhcp.option.router", "dhcp.option.domain_name_server", "dhcp.option.ip_address_lease_time",
            "dhcp.option.domain_name", "dhcpv6.msgtype", "dhcpv6.dns_server", "dhcpv6.search_list_entry",
            "dns.flags.rcode", "dns.flags.truncated", "dns.a", "udp.checksum.status");
        const string domains = "example.com,corp.example";
        string[] advertisement =
        [
            "icmpv6.type=134", "icmpv6.nd.ra.router_lifetime=1800", "icmpv6.opt.prefix=fd00::", "icmpv6.opt.mtu=1500",
            "icmpv6.opt.rdnss=fd00::3", "icmpv6.opt.dnssl=" + domains, "icmpv6.nd.ra.flag.o=1", "icmpv6.checksum.status=1", "ipv6.hlim=255",
        ];
        string[] lease =
        [
            "dhcp.ip.your=10.0.2.15", "dhcp.option.router=10.0.2.2", "dhcp.option.domain_name_server=10.0.2.3",
            "dhcp.option.ip_address_lease_time=86400", "dhcp.option.domain_name=example.com", "udp.checksum.status=1",
        ];
        string[][] expected =
        [
            advertisement,
            ["arp.opcode=2", "arp.src.proto_ipv4=10.0.2.2"],
            ["icmpv6.type=136", "icmpv6.checksum.status=1", "ipv6.hlim=255"],
            advertisement,
            ["dhcp.option.dhcp=2", .. lease],
            ["dhcp.option.dhcp=5", .. lease],
            ["dhcp.option.dhcp=6", "dhcp.ip.your=0.0.0.0", "dhcp.option.router=", "udp.checksum.status=1"],
            ["dhcpv6.msgtype=7", "dhcpv6.dns_server=fd00::3", "dhcpv6.search_list_entry=example.com.,corp.example.", "udp.checksum.status=1"],
            ["dns.flags.rcode=0", "dns.flags.truncated=0", "dns.a=192.0.0.0,192.0.0.1", "udp.checksum.status=1"],
            ["dns.flags.rcode=0", "dns.flags.truncated=1", "dns.a=", "udp.checksum.status=1"],
            ["dns.flags.rcode=2", "dns.flags.truncated=0", "dns.a=", "udp.checksum.status=1"],
        ];
        Assert.Equal(expected.Length, packets.Count);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal("", packets[i]["_ws.malformed"]);
            foreach (string fact in expected[i])
            {
                string field = fact[..fact.IndexOf('=', StringComparison.Ordinal)];
                Assert.True(fact == $"{field}={packets[i][field]}", $"packet {i}: {fact} is {packets[i][field]}");
            }
        }
    }

    private static void SayEverything(Scene scene)
    {
        var guest = new ArpFields(ArpOperation.Request, Scene.GuestMac, scene.Plan.Guest, default, scene.Plan.Gateway);
        scene.Arp(guest);
        IpAddress from = IpAddress.Parse("fe80::1234"), node = IpAddress.Parse("ff02::1:ff00:2"), routers = IpAddress.Parse("ff02::2");
        var message = new byte[NeighborBuilder.MaxLength];
        NeighborBuilder.WriteSolicitation(message, from, node, scene.Plan.Gateway6, Scene.GuestMac);
        scene.Services.OnNeighbourDiscovery(Scene.GuestMac, from, node, 255, message, scene.Clock.Now);
        int length = RouterSolicitationBuilder.Write(message, from, routers, Scene.GuestMac);
        scene.Services.OnNeighbourDiscovery(Scene.GuestMac, from, routers, 255, message.AsSpan(0, length), scene.Clock.Now);

        IpEndpoint nobody = FrameFactory.Endpoint("0.0.0.0", 68), everybody = FrameFactory.Endpoint("255.255.255.255", 67);
        scene.Udp(nobody, everybody, new DhcpRequest(DhcpMessageType.Discover).ToOctets());
        scene.Udp(nobody, everybody, new DhcpRequest(DhcpMessageType.Request) { Requested = scene.Plan.DhcpFirst }.ToOctets());
        scene.Udp(nobody, everybody, new DhcpRequest(DhcpMessageType.Request) { Requested = scene.Plan.Gateway }.ToOctets());
        scene.Udp(new IpEndpoint(from, 546), FrameFactory.Endpoint("ff02::1:2", 547), [11, 1, 2, 3]);

        scene.Query(DnsMessage.Query(7, ednsSize: 1232));
        scene.AnswerLast(records: 2);
        scene.Query(DnsMessage.Query(8, ednsSize: 1232));
        scene.AnswerLast(records: 100);
        scene.UpdateResolvers("search example.com corp.example\n");
        scene.Query(DnsMessage.Query(9, ednsSize: 1232));
    }

    /// <summary>What tshark finds in each frame; a field that is not there is empty. Checksums are checked.</summary>
    private static List<Dictionary<string, string>> Judge(List<byte[]> frames, params string[] fields)
    {
        string path = Path.Combine(Path.GetTempPath(), $"slirp-services-{Guid.NewGuid():n}.pcap");
        try
        {
            WriteCapture(path, frames);
            var start = new ProcessStartInfo("tshark") { RedirectStandardOutput = true, RedirectStandardError = true };
            string[] arguments =
            [
                "-r", path, "-n", "-T", "fields", "-E", "separator=|", "-o", "udp.check_checksum:TRUE",
            ];
            foreach (string argument in arguments) start.ArgumentList.Add(argument);
            foreach (string field in fields)
            {
                start.ArgumentList.Add("-e");
                start.ArgumentList.Add(field);
            }
            using Process tshark = Process.Start(start)!;
            Task<string> errors = tshark.StandardError.ReadToEndAsync();
            string output = tshark.StandardOutput.ReadToEnd();
            tshark.WaitForExit();
            Assert.True(tshark.ExitCode == 0, errors.GetAwaiter().GetResult());
            var packets = new List<Dictionary<string, string>>();
            foreach (string line in output.TrimEnd('\n').Split('\n'))
            {
                string[] values = line.Split('|');
                var packet = new Dictionary<string, string>();
                for (int i = 0; i < fields.Length; i++) packet[fields[i]] = values[i];
                packets.Add(packet);
            }
            return packets;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void WriteCapture(string path, List<byte[]> frames)
    {
        using FileStream file = File.Create(path);
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xa1b2_c3d4);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], 1 << 18);
        BinaryPrimitives.WriteInt32LittleEndian(header[20..], 1); // Ethernet
        file.Write(header);
        foreach (byte[] frame in frames)
        {
            Span<byte> record = header[..16];
            record.Clear();
            BinaryPrimitives.WriteInt32LittleEndian(record[8..], frame.Length - VirtioNetHeader.Length);
            BinaryPrimitives.WriteInt32LittleEndian(record[12..], frame.Length - VirtioNetHeader.Length);
            file.Write(record);
            file.Write(frame.AsSpan(VirtioNetHeader.Length));
        }
    }
}
