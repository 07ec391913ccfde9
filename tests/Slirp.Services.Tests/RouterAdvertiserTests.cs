using System.Text;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dns;
using Xunit;

namespace Slirp.Services.Tests;

public class RouterAdvertiserTests
{
    private static readonly IpAddress Guest = IpAddress.Parse("fe80::55:aff:fe00:264");
    private static readonly IpAddress AllNodes = IpAddress.Parse("ff02::1");
    private static readonly IpAddress AllRouters = IpAddress.Parse("ff02::2");

    [Fact]
    public void The_first_advertisement_goes_out_at_start_with_everything_a_guest_needs()
    {
        using var scene = new Scene("nameserver 192.0.2.1\nsearch example.com corp.example\n");
        SentPacket packet = scene.TakeOne();
        Assert.Equal((IpAddress.Parse("fe80::2"), AllNodes), (packet.From, packet.To));
        Assert.Equal(new MacAddress(0x3333_0000_0001), packet.DestinationMac);
        Assert.Equal(255, packet.HopLimit);
        Advertisement advertisement = Parse(packet);
        RouterAdvertisementFields fields = advertisement.Fields;
        Assert.Equal((false, true), (fields.IsManaged, fields.HasOtherConfiguration));
        Assert.Equal(1800, fields.RouterLifetimeSeconds);
        Assert.Equal(Scene.OurMac, advertisement.SourceLinkLayer);

        PrefixInformation prefix = Prefix(advertisement);
        Assert.Equal((IpAddress.Parse("fd00::"), 64), (prefix.Prefix, prefix.Length));
        Assert.True(prefix.IsOnLink && prefix.IsAutonomous);
        Assert.True(prefix.PreferredSeconds >= 3 * 600 && prefix.ValidSeconds >= prefix.PreferredSeconds);

        ReadOnlySpan<byte> mtu = Option(advertisement, NdpOptionType.Mtu);
        Assert.Equal([0, 0, 0, 0, 1500 >> 8, 1500 & 0xff], mtu.ToArray());
        ReadOnlySpan<byte> dns = Option(advertisement, NdpOptionType.RecursiveDns);
        Assert.Equal(IpAddress.Parse("fd00::3"), IpAddress.ReadIpv6(dns[6..]));
        Assert.Equal(1800, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(dns[2..]));
        Assert.Equal(["example.com.", "corp.example."], Names(Option(advertisement, NdpOptionType.DnsSearchList)[6..]));
    }

    [Theory]
    [InlineData("resolver", true, true)]
    [InlineData("no resolver is told with DNS disabled", false, true)]
    [InlineData("no search list if there is none", true, false)]
    public void What_is_not_there_is_not_told(string why, bool enableDns, bool hasSearch)
    {
        using var scene = new Scene(hasSearch ? "search example.com\n" : "", FrameFactory.Plan with { EnableDns = enableDns });
        Advertisement advertisement = Parse(scene.TakeOne());
        Assert.True(Has(advertisement, NdpOptionType.RecursiveDns) == enableDns, why);
        Assert.True(Has(advertisement, NdpOptionType.DnsSearchList) == hasSearch, why);
    }

    [Fact]
    public void A_solicitation_is_answered_at_once_to_its_sender()
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, Guest, Scene.GuestMac);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((Guest, Scene.GuestMac), (packet.To, packet.DestinationMac));
        Assert.True(scene.Services.Neighbours.TryFind(Guest, out _));
        Prefix(Parse(packet));
    }

    [Fact]
    public void A_solicitation_without_a_source_is_answered_to_all_nodes()
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, IpAddress.Ipv6Any, null);
        Assert.Equal((AllNodes, new MacAddress(0x3333_0000_0001)), Where(scene.TakeOne()));
        Solicit(scene, IpAddress.Ipv6Any, Scene.GuestMac);
        scene.ExpectNothing();
        Assert.Equal(1, scene.Counters.Dropped(Core.DropReason.BadNeighbourDiscovery));

        static (IpAddress, MacAddress) Where(SentPacket packet) => (packet.To, packet.DestinationMac);
    }

    [Fact]
    public void Nothing_expires_in_six_hours()
    {
        using Scene scene = Scene.Quiet();
        double last = 0;
        int count = 0;
        for (double second = 0; second < 21_600; second++)
        {
            scene.Pass(TimeSpan.FromSeconds(1));
            if (scene.Host.Frames.Count == 0) continue;
            Assert.Equal(AllNodes, scene.TakeOne().To);
            double interval = second - last;
            // RFC 4861 section 6.2.4: the first three at most 16 s apart, then 200 to 600 s.
            if (count < 2) Assert.InRange(interval, 0, 17);
            else Assert.InRange(interval, 199, 601);
            (last, count) = (second, count + 1);
        }
        Assert.InRange(count, 21_600 / 600, 21_600 / 200);
    }

    [Fact]
    public void A_guest_whose_interface_was_down_at_start_is_told_soon_after()
    {
        using var scene = new Scene(link: LinkResult.Down);
        scene.ExpectNothing();
        scene.Host.LinkResult = LinkResult.Ok;
        scene.Pass(TimeSpan.FromSeconds(16));
        Assert.Equal(AllNodes, scene.TakeOne().To);
    }

    [Fact]
    public void A_changed_search_list_is_told_at_once_and_what_is_gone_is_withdrawn()
    {
        using Scene scene = Scene.Quiet("search old.example kept.example\n");
        scene.UpdateResolvers("search kept.example new.example\n");
        List<SentPacket> packets = scene.Host.TakePackets();
        Assert.Equal(2, packets.Count);
        ReadOnlySpan<byte> withdrawn = Option(Parse(packets[0]), NdpOptionType.DnsSearchList);
        Assert.Equal([0, 0, 0, 0], withdrawn.Slice(2, 4).ToArray());
        Assert.Equal(["old.example."], Names(withdrawn[6..]));
        Assert.Equal(1800, Parse(packets[0]).Fields.RouterLifetimeSeconds); // a lifetime of 0 would remove the router
        Assert.Equal(["kept.example.", "new.example."], Names(Option(Parse(packets[1]), NdpOptionType.DnsSearchList)[6..]));

        scene.UpdateResolvers("nameserver 192.0.2.9\nsearch kept.example new.example\n");
        scene.ExpectNothing();
    }

    [Fact]
    public void A_search_list_that_does_not_fit_is_told_as_far_as_it_does()
    {
        var domains = new StringBuilder("search");
        for (int i = 0; i < 32; i++) domains.Append(' ').Append(new string((char)('a' + i % 26), 60)).Append(i).Append(".example");
        using var scene = new Scene(domains.ToString());
        SentPacket packet = scene.TakeOne();
        Assert.InRange(packet.IpLength, 1100, 1280);
        string[] names = Names(Option(Parse(packet), NdpOptionType.DnsSearchList)[6..]);
        Assert.InRange(names.Length, 10, 31);
        Assert.StartsWith(new string('a', 60) + "0.", names[0], StringComparison.Ordinal);
    }

    private static void Solicit(Scene scene, IpAddress from, MacAddress? linkLayer)
    {
        Span<byte> message = stackalloc byte[RouterSolicitationBuilder.MaxLength];
        int length = RouterSolicitationBuilder.Write(message, from, AllRouters, linkLayer);
        scene.Services.OnNeighbourDiscovery(Scene.GuestMac, from, AllRouters, 255, message[..length], scene.Clock.Now);
    }

    private sealed record Advertisement(
        RouterAdvertisementFields Fields, MacAddress? SourceLinkLayer, Dictionary<NdpOptionType, byte[]> Options);

    private static Advertisement Parse(SentPacket packet)
    {
        Assert.True(Icmpv6View.TryParse(packet.Upper, out Icmpv6View icmp));
        Assert.True(RouterAdvertisementView.TryParse(icmp, out RouterAdvertisementView view));
        var options = new Dictionary<NdpOptionType, byte[]>();
        NdpOptionReader reader = view.Options;
        while (reader.TryRead(out NdpOptionType type, out ReadOnlySpan<byte> body)) options.Add(type, body.ToArray());
        return new Advertisement(view.Fields, view.SourceLinkLayer, options);
    }

    private static PrefixInformation Prefix(Advertisement advertisement)
    {
        Assert.True(PrefixInformation.TryParse(Option(advertisement, NdpOptionType.PrefixInformation), out PrefixInformation prefix));
        return prefix;
    }

    private static bool Has(Advertisement advertisement, NdpOptionType type) => advertisement.Options.ContainsKey(type);

    private static ReadOnlySpan<byte> Option(Advertisement advertisement, NdpOptionType type) => advertisement.Options[type];

    private static string[] Names(ReadOnlySpan<byte> octets)
    {
        var names = new List<string>();
        var name = new byte[DomainName.MaxLength];
        int offset = 0;
        while (offset < octets.Length && octets[offset] != 0)
        {
            Assert.True(DomainName.TryRead(octets, ref offset, name, out int length));
            names.Add(DomainName.ToText(name.AsSpan(0, length)));
        }
        return [.. names];
    }
}
