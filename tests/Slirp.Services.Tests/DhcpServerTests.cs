using Slirp.Core;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Slirp.Wire.Dns;
using Xunit;

namespace Slirp.Services.Tests;

public class DhcpServerTests
{
    private static readonly Ipv4Address Gateway = Ipv4Address.Parse("10.0.2.2");
    private static readonly Ipv4Address First = Ipv4Address.Parse("10.0.2.15");
    private static readonly Ipv4Address Static = Ipv4Address.Parse("10.0.2.100");
    private static readonly MacAddress Other = new(0x0200_0000_0007);

    [Fact]
    public void A_client_discovers_requests_and_gets_everything_it_needs()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nsearch example.com corp.example\n");
        DhcpAnswer offer = scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!;
        Assert.Equal((DhcpMessageType.Offer, First), (offer.Type, offer.Yiaddr));
        DhcpAnswer ack = scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Requested = offer.Yiaddr, Server = Gateway })!;
        Assert.Equal((DhcpMessageType.Ack, First), (ack.Type, ack.Yiaddr));
        foreach (DhcpAnswer answer in new[] { offer, ack })
        {
            Assert.Equal((0x1234_5678u, FrameFactory.GuestMac), (answer.Xid, answer.Chaddr));
            Assert.Equal(new IpEndpoint(Gateway, 67), answer.From);
            Assert.Equal(Gateway, answer.Address(DhcpOptionCode.ServerIdentifier));
            Assert.Equal(Ipv4Address.Parse("255.255.255.0"), answer.Address(DhcpOptionCode.SubnetMask));
            Assert.Equal(Gateway, answer.Address(DhcpOptionCode.Router));
            Assert.Equal(Ipv4Address.Parse("10.0.2.3"), answer.Address(DhcpOptionCode.DomainNameServer));
            Assert.Equal(Ipv4Address.Parse("10.0.2.255"), answer.Address(DhcpOptionCode.BroadcastAddress));
            Assert.Equal(1500u, answer.Number(DhcpOptionCode.InterfaceMtu));
            Assert.Equal(86_400u, answer.Number(DhcpOptionCode.LeaseTime));
            Assert.Equal(43_200u, answer.Number(DhcpOptionCode.RenewalTime));
            Assert.Equal(75_600u, answer.Number(DhcpOptionCode.RebindingTime));
            Assert.Equal("example.com"u8.ToArray(), answer.Options[DhcpOptionCode.DomainName]);
            Assert.Equal(["example.com.", "corp.example."], Names(answer.Options[DhcpOptionCode.DomainSearch]));
        }
    }

    [Theory]
    [InlineData(false, "10.0.2.15", "02:55:0a:00:02:64", "to the address it is getting, which it does not have yet")]
    [InlineData(true, "255.255.255.255", "ff:ff:ff:ff:ff:ff", "it says that it can only take a broadcast")]
    public void An_offer_is_addressed_as_the_client_can_take_it(bool isBroadcast, string to, string mac, string why)
    {
        using Scene scene = Scene.Quiet();
        DhcpAnswer offer = scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { IsBroadcast = isBroadcast })!;
        Assert.True(MacAddress.TryParse(mac, out MacAddress expected));
        Assert.Equal((expected, FrameFactory.Endpoint(to, 68)), (offer.ToMac, offer.To));
        Assert.True(offer.IsBroadcast == isBroadcast, why);
    }

    [Fact]
    public void A_lease_is_renewed_to_the_address_in_use_and_outlives_its_first_day()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, FrameFactory.GuestMac, First);
        for (int day = 0; day < 3; day++)
        {
            scene.Clock.Advance(TimeSpan.FromHours(12));
            DhcpAnswer renewed = scene.Ask(
                new DhcpRequest(DhcpMessageType.Request) { Ciaddr = First }, new IpEndpoint(First, 68), new IpEndpoint(Gateway, 67))!;
            Assert.Equal((DhcpMessageType.Ack, First, First), (renewed.Type, renewed.Yiaddr, renewed.Ciaddr));
            Assert.Equal((FrameFactory.GuestMac, new IpEndpoint(First, 68)), (renewed.ToMac, renewed.To));
        }
        Assert.NotEqual(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other, Requested = First })!.Yiaddr);
    }

    [Fact]
    public void A_client_that_starts_again_gets_what_it_had()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, Other, First);
        Ipv4Address second = scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr;
        Bind(scene, FrameFactory.GuestMac, second);
        // INIT-REBOOT: it remembers.
        DhcpAnswer reboot = scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Requested = second })!;
        Assert.Equal((DhcpMessageType.Ack, second), (reboot.Type, reboot.Yiaddr));
        // INIT: it has forgotten; the server has not, even after the lease has ended.
        Assert.Equal(second, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
        scene.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(second, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
    }

    [Theory]
    [InlineData("10.0.2.20", DhcpMessageType.Ack, "free, and this server is the only one")]
    [InlineData("10.0.2.100", DhcpMessageType.Ack, "the guest's static address, by request")]
    [InlineData("10.0.2.15", DhcpMessageType.Nak, "bound to another")]
    [InlineData("10.0.2.2", DhcpMessageType.Nak, "ours")]
    [InlineData("10.0.2.31", DhcpMessageType.Nak, "on the link, not in the pool")]
    [InlineData("192.168.1.5", DhcpMessageType.Nak, "from another network")]
    public void A_remembered_address_is_granted_or_refused_at_once(string address, DhcpMessageType expected, string why)
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, Other, First);
        DhcpAnswer answer = scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Requested = Ipv4Address.Parse(address) })!;
        Assert.True(expected == answer.Type, why);
        if (expected == DhcpMessageType.Nak) ExpectNak(answer);
    }

    [Fact]
    public void Renewing_an_address_of_another_client_is_refused_to_everybody()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, Other, First);
        ExpectNak(scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Ciaddr = First }, new IpEndpoint(First, 68))!);
    }

    [Fact]
    public void The_static_address_is_never_offered_unasked()
    {
        using Scene scene = Scene.Quiet();
        var offered = new HashSet<Ipv4Address>();
        for (ulong i = 0; i < 40; i++)
        {
            DhcpAnswer offer = scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = new MacAddress(0x0200_0000_0100 + i) })!;
            offered.Add(offer.Yiaddr);
        }
        Assert.Equal(16, offered.Count);
        Assert.DoesNotContain(Static, offered);
        Assert.Equal(Static, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Requested = Static })!.Yiaddr);
    }

    [Fact]
    public void A_client_is_known_by_its_identifier_whatever_its_station()
    {
        using Scene scene = Scene.Quiet();
        byte[] id = [0xff, 1, 2, 3, 4];
        DhcpAnswer first = scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { ClientId = id })!;
        Assert.Equal(id, first.Options[DhcpOptionCode.ClientIdentifier]);
        Assert.Equal(first.Yiaddr, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { ClientId = id, Chaddr = Other })!.Yiaddr);
        Assert.NotEqual(first.Yiaddr, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { ClientId = [0xff, 1, 2, 3, 5] })!.Yiaddr);
        Assert.NotEqual(first.Yiaddr, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
    }

    [Fact]
    public void A_client_that_takes_another_server_leaves_its_offer()
    {
        using Scene scene = Scene.Quiet();
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Requested = First, Server = Ipv4Address.Parse("10.0.2.9") }));
        Assert.Equal(0, scene.Counters.DroppedInAll());
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other, Requested = First })!.Yiaddr);
    }

    [Fact]
    public void A_released_address_is_free_and_remembered()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, FrameFactory.GuestMac, First);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Release) { Ciaddr = First, Server = Gateway }, new IpEndpoint(First, 68)));
        Assert.Equal(0, scene.Counters.DroppedInAll());
        Assert.NotEqual(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other })!.Yiaddr);
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
    }

    [Fact]
    public void A_declined_address_is_set_aside_for_ten_minutes()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, FrameFactory.GuestMac, First);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Decline) { Requested = First, Server = Gateway }));
        Assert.NotEqual(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Requested = First })!.Yiaddr);
        scene.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other, Requested = First })!.Yiaddr);
    }

    [Theory]
    [InlineData(DhcpMessageType.Release)]
    [InlineData(DhcpMessageType.Decline)]
    public void Nobody_takes_an_address_from_another(DhcpMessageType type)
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, FrameFactory.GuestMac, First);
        Assert.Null(scene.Ask(new DhcpRequest(type) { Chaddr = Other, Ciaddr = First, Requested = First, Server = Gateway }));
        scene.ExpectDrop(DropReason.BadDhcp);
        ExpectNak(scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Chaddr = Other, Requested = First })!);
    }

    [Fact]
    public void An_inform_is_answered_without_an_address_or_a_lease()
    {
        using Scene scene = Scene.Quiet();
        DhcpAnswer answer = scene.Ask(new DhcpRequest(DhcpMessageType.Inform) { Ciaddr = Static }, new IpEndpoint(Static, 68))!;
        Assert.Equal((DhcpMessageType.Ack, default(Ipv4Address)), (answer.Type, answer.Yiaddr));
        Assert.Equal(new IpEndpoint(Static, 68), answer.To);
        Assert.DoesNotContain(DhcpOptionCode.LeaseTime, answer.Options.Keys);
        Assert.Equal(Gateway, answer.Address(DhcpOptionCode.Router));
    }

    [Fact]
    public void A_relay_on_the_link_is_answered_at_its_address()
    {
        using Scene scene = Scene.Quiet();
        Ipv4Address relay = Ipv4Address.Parse("10.0.2.100");
        DhcpAnswer offer = scene.Ask(
            new DhcpRequest(DhcpMessageType.Discover) { Giaddr = relay, Chaddr = Other }, new IpEndpoint(relay, 67), new IpEndpoint(Gateway, 67))!;
        Assert.Equal((new IpEndpoint(relay, 67), relay), (offer.To, offer.Giaddr));
    }

    [Fact]
    public void A_hundred_thousand_stations_cost_no_memory_and_cannot_take_a_lease_away()
    {
        using Scene scene = Scene.Quiet();
        Bind(scene, FrameFactory.GuestMac, First);
        scene.Host.Records = false;
        var messages = new byte[256][];
        for (int i = 0; i < messages.Length; i++) messages[i] = new DhcpRequest(DhcpMessageType.Discover).ToOctets();
        IpEndpoint nobody = FrameFactory.Endpoint("0.0.0.0", 68), everybody = FrameFactory.Endpoint("255.255.255.255", 67);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 100_000; i++)
        {
            byte[] message = messages[i % messages.Length];
            new MacAddress(0x0200_0000_0000 + (ulong)i).Write(message.AsSpan(28));
            Assert.True(scene.Udp(nobody, everybody, message));
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal(0, scene.Counters.DroppedInAll());
        scene.Host.Records = true;
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Ciaddr = First }, new IpEndpoint(First, 68))!.Yiaddr);
    }

    /// <summary>Scenario D5.</summary>
    [Fact]
    public void When_every_address_is_bound_the_next_client_gets_the_one_that_comes_back()
    {
        using Scene scene = Scene.Quiet();
        BindAll(scene);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Discover)));
        var returned = Ipv4Address.Parse("10.0.2.20");
        Assert.Null(scene.Ask(
            new DhcpRequest(DhcpMessageType.Release) { Chaddr = new MacAddress(0x0200_0000_0105), Ciaddr = returned, Server = Gateway },
            new IpEndpoint(returned, 68)));
        Assert.Equal(returned, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
        Bind(scene, FrameFactory.GuestMac, returned);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other }));
        Assert.Equal(2, scene.Counters.Dropped(DropReason.DhcpNoAddress));
    }

    [Fact]
    public void When_every_address_is_bound_there_is_no_answer_until_a_lease_ends()
    {
        using Scene scene = Scene.Quiet();
        BindAll(scene);
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Discover)));
        scene.ExpectDrop(DropReason.DhcpNoAddress);
        scene.Clock.Advance(TimeSpan.FromDays(1) - TimeSpan.FromSeconds(15));
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
    }

    /// <summary>What an earlier run of this server gave is not forgotten by those who have it.</summary>
    [Fact]
    public void An_address_that_another_station_was_heard_at_is_offered_last()
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Request, Other, First, default, First));
        Assert.NotEqual(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Other })!.Yiaddr);
    }

    [Fact]
    public void An_address_that_another_station_was_heard_at_is_better_than_none()
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Request, Other, First, default, First));
        for (ulong i = 0; i < 15; i++) Bind(scene, Another(i), scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = Another(i) })!.Yiaddr);
        Assert.Equal(First, scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!.Yiaddr);
    }

    private static MacAddress Another(ulong number) => new(0x0200_0000_0100 + number);

    /// <summary>A machine image that is booted again and again, with a client identifier made anew each time.</summary>
    [Fact]
    public void A_station_under_ever_new_names_has_its_own_oldest_lease_again()
    {
        using Scene scene = Scene.Quiet();
        var other = new MacAddress(0x0200_0000_0100);
        Bind(scene, other, First);
        var given = new List<Ipv4Address>();
        for (byte boot = 0; boot < 40; boot++)
        {
            byte[] name = [255, 1, 2, boot];
            Ipv4Address address = scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { ClientId = name })!.Yiaddr;
            DhcpAnswer taken = scene.Ask(new DhcpRequest(DhcpMessageType.Request)
            { ClientId = name, Requested = address, Server = Gateway })!;
            Assert.Equal((DhcpMessageType.Ack, address), (taken.Type, taken.Yiaddr));
            given.Add(address);
            scene.Clock.AdvanceSeconds(1);
        }
        Assert.DoesNotContain(First, given); // it is another station's
        Assert.Equal(15, given.Distinct().Count());
        Assert.Equal(given[..25], given[15..]); // the oldest first
        Assert.Null(scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = new MacAddress(0x0200_0000_0200) }));
        scene.ExpectDrop(DropReason.DhcpNoAddress);
    }

    /// <summary>To stations from 02:00:00:00:01:00 on, one a second.</summary>
    private static void BindAll(Scene scene)
    {
        for (ulong i = 0; i < 16; i++)
        {
            var mac = new MacAddress(0x0200_0000_0100 + i);
            Bind(scene, mac, scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { Chaddr = mac })!.Yiaddr);
            scene.Clock.AdvanceSeconds(1);
        }
    }

    public static TheoryData<string, object> Hostile => new()
    {
        { "no message type", new DhcpRequest(DhcpMessageType.None) },
        { "a server's message", new DhcpRequest(DhcpMessageType.Offer) },
        { "an unknown message type", new DhcpRequest((DhcpMessageType)200) },
        { "multicast station", new DhcpRequest(DhcpMessageType.Discover) { Chaddr = MacAddress.Broadcast } },
        { "no station", new DhcpRequest(DhcpMessageType.Discover) { Chaddr = default } },
        { "our station", new DhcpRequest(DhcpMessageType.Discover) { Chaddr = FrameFactory.OurMac } },
        { "relay on another network", new DhcpRequest(DhcpMessageType.Discover) { Giaddr = Ipv4Address.Parse("192.0.2.1") } },
        { "relay is ourselves", new DhcpRequest(DhcpMessageType.Discover) { Giaddr = Gateway } },
        { "request for nothing", new DhcpRequest(DhcpMessageType.Request) },
        { "inform without an address", new DhcpRequest(DhcpMessageType.Inform) },
        { "inform from another network", new DhcpRequest(DhcpMessageType.Inform) { Ciaddr = Ipv4Address.Parse("192.0.2.1") } },
        { "release of what nobody has", new DhcpRequest(DhcpMessageType.Release) { Ciaddr = First } },
        { "decline of nothing", new DhcpRequest(DhcpMessageType.Decline) },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Nonsense_is_counted_and_not_answered(string why, object request)
    {
        using Scene scene = Scene.Quiet();
        Assert.True(scene.Ask((DhcpRequest)request) is null, why);
        scene.ExpectDrop(DropReason.BadDhcp);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 2)]
    [InlineData(2, 255)]
    [InlineData(2, 0)]
    [InlineData(236, 0)]
    public void A_message_of_another_kind_is_counted(int offset, byte value)
    {
        using Scene scene = Scene.Quiet();
        byte[] message = new DhcpRequest(DhcpMessageType.Discover).ToOctets();
        message[offset] = value;
        Assert.True(scene.Udp(FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), message));
        scene.ExpectNothing();
        scene.ExpectDrop(DropReason.BadDhcp);
    }

    [Fact]
    public void Every_truncation_is_counted_or_answered_within_reason()
    {
        byte[] message = new DhcpRequest(DhcpMessageType.Discover).ToOctets();
        using Scene scene = Scene.Quiet();
        for (int length = 0; length < message.Length; length++)
            scene.Udp(FrameFactory.Endpoint("0.0.0.0", 68), FrameFactory.Endpoint("255.255.255.255", 67), message.AsSpan(0, length));
        int answered = scene.Host.TakePackets().Count;
        Assert.Equal(message.Length - answered, scene.Counters.Dropped(DropReason.BadDhcp));
        Assert.InRange(answered, 1, message.Length - 243); // the first whole message type ends at octet 243
    }

    [Theory]
    [InlineData(null, 548)]
    [InlineData((ushort)0, 548)]
    [InlineData((ushort)1000, 972)]
    [InlineData((ushort)65535, 1472)]
    public void An_answer_is_no_longer_than_the_client_takes(ushort? maxMessageSize, int limit)
    {
        string domains = string.Join(' ', Enumerable.Range(0, 32).Select(i => new string('x', 40) + i + ".example"));
        using Scene scene = Scene.Quiet("search " + domains);
        DhcpAnswer offer = scene.Ask(new DhcpRequest(DhcpMessageType.Discover) { MaxMessageSize = maxMessageSize })!;
        Assert.InRange(offer.Length, limit - 150, limit);
        Assert.NotEmpty(Names(offer.Options[DhcpOptionCode.DomainSearch]));
    }

    [Fact]
    public void Without_DNS_no_resolver_is_told_and_a_large_MTU_is()
    {
        using Scene scene = Scene.Quiet(plan: FrameFactory.Plan with { EnableDns = false, Mtu = 65520 });
        DhcpAnswer offer = scene.Ask(new DhcpRequest(DhcpMessageType.Discover))!;
        Assert.DoesNotContain(DhcpOptionCode.DomainNameServer, offer.Options.Keys);
        Assert.Equal(65520u, offer.Number(DhcpOptionCode.InterfaceMtu));
    }

    [Theory]
    [InlineData("10.0.2.2", true)]
    [InlineData("10.0.2.255", true)]
    [InlineData("255.255.255.255", true)]
    [InlineData("10.0.2.3", false)]
    [InlineData("192.0.2.1", false)]
    public void Only_what_is_sent_to_us_or_to_all_is_ours(string destination, bool isOurs)
    {
        using Scene scene = Scene.Quiet();
        byte[] message = new DhcpRequest(DhcpMessageType.Discover).ToOctets();
        Assert.Equal(isOurs, scene.Udp(FrameFactory.Endpoint("10.0.2.100", 68), FrameFactory.Endpoint(destination, 67), message));
    }

    private static void Bind(Scene scene, MacAddress mac, Ipv4Address address)
    {
        DhcpAnswer ack = scene.Ask(new DhcpRequest(DhcpMessageType.Request) { Chaddr = mac, Requested = address })!;
        Assert.Equal((DhcpMessageType.Ack, address), (ack.Type, ack.Yiaddr));
    }

    private static void ExpectNak(DhcpAnswer answer)
    {
        Assert.Equal((DhcpMessageType.Nak, default(Ipv4Address)), (answer.Type, answer.Yiaddr));
        Assert.Equal((MacAddress.Broadcast, FrameFactory.Endpoint("255.255.255.255", 68)), (answer.ToMac, answer.To));
        Assert.Equal(Gateway, answer.Address(DhcpOptionCode.ServerIdentifier));
        Assert.DoesNotContain(DhcpOptionCode.LeaseTime, answer.Options.Keys);
    }

    private static string[] Names(byte[] octets)
    {
        var names = new List<string>();
        var name = new byte[DomainName.MaxLength];
        for (int offset = 0; offset < octets.Length;)
        {
            Assert.True(DomainName.TryRead(octets, ref offset, name, out int length));
            names.Add(DomainName.ToText(name.AsSpan(0, length)));
        }
        return [.. names];
    }
}
