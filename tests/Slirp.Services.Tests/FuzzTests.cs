using Slirp.Core;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>Random and mutated messages at every server: nothing throws, and no reply holds octets of an earlier request.</summary>
/// <remarks>Each request carries a canary of its own round in whatever the server keeps or repeats; a reply may contain
/// the canary of its own request only.</remarks>
public class FuzzTests
{
    private const int Seed = 7_100_003;
    private const int Rounds = 20_000;
    private const int CanaryLength = 6;

    [Fact]
    public void Arp()
    {
        using Scene scene = Scene.Quiet();
        Run(scene, "ARP", static (random, canary) =>
        {
            var packet = new byte[ArpBuilder.Length + random.Next(20)];
            random.NextBytes(packet);
            ArpBuilder.Write(packet, new ArpFields(
                (ArpOperation)random.Next(1, 3), MacAddress.Read(canary), new Ipv4Address(0x0a00_0200 + (uint)random.Next(256)),
                default, new Ipv4Address(0x0a00_0200 + (uint)random.Next(5))));
            return packet;
        }, static (scene, _, packet) => scene.Services.OnArp(Scene.GuestMac, packet, scene.Clock.Now));
    }

    [Fact]
    public void Neighbour_discovery()
    {
        using Scene scene = Scene.Quiet();
        var from = IpAddress.Parse("fe80::1234");
        Run(scene, "NDP", (random, canary) =>
        {
            var message = new byte[24 + 8 * random.Next(4)];
            random.NextBytes(message);
            message[0] = (byte)random.Next(133, 138);
            message[1] = 0;
            new IpAddress(random.Next(2) == 0 ? 0xfd00_0000_0000_0000 : 0xfe80_0000_0000_0000, (ulong)random.Next(5)).WriteIpv6(message.AsSpan(8));
            for (int option = 24; option < message.Length; option += 8)
            {
                message[option] = (byte)random.Next(1, 6);
                message[option + 1] = random.Next(8) == 0 ? (byte)random.Next(4) : (byte)1;
                canary.CopyTo(message.AsSpan(option + 2));
            }
            return message;
        }, (scene, random, message) => scene.Services.OnNeighbourDiscovery(
            Scene.GuestMac, random.Next(8) == 0 ? IpAddress.Ipv6Any : from, IpAddress.Parse("ff02::1:ff00:2"), 255, message, scene.Clock.Now));
    }

    [Fact]
    public void Dhcp()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nsearch example.com\n");
        Run(scene, "DHCP", static (random, canary) => new DhcpRequest((DhcpMessageType)random.Next(10))
        {
            Chaddr = new MacAddress((MacAddress.Read(canary).Value & 0x0000_ffff_ffff) | 0x0200_0000_0000),
            IsBroadcast = random.Next(2) == 0,
            Requested = random.Next(2) == 0 ? new Ipv4Address(0x0a00_0200 + (uint)random.Next(120)) : null,
            Ciaddr = random.Next(4) == 0 ? new Ipv4Address(0x0a00_0200 + (uint)random.Next(120)) : default,
            Giaddr = random.Next(8) == 0 ? new Ipv4Address(0x0a00_0200 + (uint)random.Next(120)) : default,
            Server = random.Next(4) == 0 ? Ipv4Address.Parse("10.0.2.2") : null,
            ClientId = random.Next(3) == 0 ? [.. canary, .. new byte[random.Next(240)]] : null,
            MaxMessageSize = random.Next(3) == 0 ? (ushort)random.Next(65536) : null,
        }.ToOctets(), static (scene, _, message) =>
            scene.Udp(FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), message));
    }

    [Fact]
    public void Dhcpv6()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nsearch example.com\n");
        Run(scene, "DHCPv6", static (random, canary) =>
        {
            var message = new List<byte> { (byte)random.Next(14), 1, 2, 3 };
            for (int i = random.Next(6); i >= 0; i--)
            {
                byte[] value = [.. canary, .. new byte[random.Next(40)]];
                message.AddRange([0, (byte)random.Next(1, 33), 0, (byte)value.Length, .. value]);
            }
            return [.. message];
        }, static (scene, _, message) =>
            scene.Udp(FrameFactory.Endpoint("fe80::1234", 546), FrameFactory.Endpoint("ff02::1:2", 547), message));
    }

    [Fact]
    public void Dns_queries_and_answers()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 2001:db8::2\n", FrameFactory.Plan with { EnableIpv6 = false });
        var asked = new Dictionary<(ushort Port, int Id), List<byte[]>>();
        Run(scene, "DNS", static (random, canary) =>
        {
            string name = Convert.ToHexString(canary) + (random.Next(2) == 0 ? ".example" : "");
            int id = random.Next(65536);
            if (id == 0xa75b) id++; // behind a length it would look like the end of a canary
            return DnsMessage.Query(id, name, (ushort)random.Next(300), random.Next(2) == 0 ? random.Next(65536) : null);
        }, (scene, random, message) =>
        {
            var port = (ushort)random.Next(1, 65536);
            if (port == 0xa75b) port++; // behind 10.0.2.100 in a reply's headers it would look like a canary
            if (message.Length >= 2)
            {
                if (!asked.TryGetValue((port, DnsMessage.Id(message)), out List<byte[]>? list)) asked[(port, DnsMessage.Id(message))] = list = [];
                list.Add(message);
            }
            scene.Udp(DnsScene.Guest with { Port = port }, DnsScene.Server, message);
            AnswerSome(scene, random);
            if (random.Next(20) == 0) scene.PassMilliseconds(random.Next(1000));
            foreach (SentPacket packet in SentPacket.Reassemble(scene.Host.Frames.ConvertAll(SentPacket.Parse)))
                Assert.True(IsToOneThatAsked(asked, packet), $"seed {Seed}: {Convert.ToHexString(packet.UdpPayload)}");
        });
        scene.PassMilliseconds(5000);
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
    }

    /// <summary>Its identifier and, if it has one, its question are those of a query from the port it goes to.</summary>
    private static bool IsToOneThatAsked(Dictionary<(ushort Port, int Id), List<byte[]>> asked, SentPacket packet)
    {
        ReadOnlySpan<byte> answer = packet.UdpPayload;
        if (!asked.TryGetValue((packet.DestinationPort, DnsMessage.Id(answer)), out List<byte[]>? queries)) return false;
        if (answer[5] == 0) return true;
        ReadOnlySpan<byte> question = answer[12..DnsMessage.QuestionEnd(answer)];
        foreach (byte[] query in queries)
            if (query.AsSpan(12).StartsWith(question)) return true;
        return false;
    }

    /// <summary>Resolvers that answer well, badly, with an error, or not at all.</summary>
    private static void AnswerSome(Scene scene, Random random)
    {
        if (scene.Host.Sockets.Count == 0 || !scene.Host.Last.IsOpen || scene.Host.Last.Datagrams.Count == 0) return;
        FakeSocket socket = scene.Host.Last;
        byte[] query = socket.Datagrams[^1].Payload;
        switch (random.Next(6))
        {
            case 0:
                return;
            case 1:
                IpEndpoint peer = socket.Peer!.Value;
                socket.DeliverError(new HostIcmpError(peer, peer.Address, 3, 3, 0, IsLocal: false));
                break;
            case 2:
                byte[] mutated = DnsMessage.Answer(query, records: random.Next(5));
                Mutate(random, ref mutated);
                socket.DeliverDatagram(socket.Peer!.Value, mutated);
                break;
            default:
                byte[] answer = DnsMessage.Answer(query, random.Next(16), random.Next(60), random.Next(3) - 1);
                socket.DeliverDatagram(socket.Peer!.Value, answer);
                break;
        }
        scene.Pump();
    }

    private static void Run(
        Scene scene, string name, Func<Random, byte[], byte[]> compose, Action<Scene, Random, byte[]> deliver)
    {
        var random = new Random(Seed);
        long replies = 0;
        for (int round = 0; round < Rounds; round++)
        {
            // Unlikely octets, different in each round; the first is even, as a station's is.
            byte[] canary = [0x9e, (byte)(round >> 16), (byte)(round >> 8), (byte)round, 0xa7, 0x5b];
            byte[] message = compose(random, canary);
            if (random.Next(2) == 0) Mutate(random, ref message);
            scene.Clock.AdvanceMilliseconds(random.Next(50));
            try
            {
                deliver(scene, random, message);
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{name}, seed {Seed}, round {round}, {Convert.ToHexString(message)}: {e}");
            }
            replies += scene.Host.Frames.Count;
            foreach (byte[] frame in scene.Host.Frames)
                Assert.False(HoldsAnother(frame, message, round), $"{name}, seed {Seed}, round {round}: octets of another request in the reply {Convert.ToHexString(frame)} to {Convert.ToHexString(message)}");
            scene.Host.Frames.Clear();
        }
        Assert.InRange(replies, Rounds / 50, Rounds * 2); // the requests were not all refused
    }

    /// <summary>True if the frame holds the canary of a round up to this one that is not in the request it answers.</summary>
    private static bool HoldsAnother(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> request, int round)
    {
        for (int at = 0; at + CanaryLength <= frame.Length; at++)
        {
            if (frame[at] is not (0x9e or 0x02) || frame[at + 4] != 0xa7 || frame[at + 5] != 0x5b) continue;
            if ((frame[at + 1] << 16 | frame[at + 2] << 8 | frame[at + 3]) > round) continue; // lengths and checksums, by chance
            if (request.IndexOf(frame.Slice(at, CanaryLength)) < 0) return true;
        }
        return false;
    }

    private static void Mutate(Random random, ref byte[] message)
    {
        for (int i = random.Next(4); i >= 0; i--)
        {
            if (message.Length == 0) return;
            int at = random.Next(message.Length);
            switch (random.Next(4))
            {
                case 0:
                    message[at] = (byte)random.Next(256);
                    break;
                case 1:
                    message[at] = random.Next(2) == 0 ? (byte)0 : (byte)255;
                    break;
                case 2:
                    message = message[..at];
                    break;
                default:
                    message = [.. message, .. FrameFactory.Pattern(random.Next(64), at)];
                    break;
            }
        }
    }
}
