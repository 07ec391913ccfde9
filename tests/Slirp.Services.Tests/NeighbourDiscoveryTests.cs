using Slirp.Core;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

public class NeighbourDiscoveryTests
{
    private static readonly IpAddress Guest = IpAddress.Parse("fe80::55:aff:fe00:264");
    private static readonly IpAddress GuestGlobal = IpAddress.Parse("fd00::55:aff:fe00:264");
    private static readonly IpAddress AllNodes = IpAddress.Parse("ff02::1");
    private static readonly IpAddress Any = IpAddress.Ipv6Any;

    [Theory]
    [InlineData("fe80::2", true)]
    [InlineData("fd00::2", true)]
    [InlineData("fd00::3", false)]
    public void A_solicitation_for_an_address_of_ours_is_answered_to_its_sender(string target, bool isRouter)
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, Guest, IpAddress.Parse(target), Scene.GuestMac);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((IpAddress.Parse(target), Guest), (packet.From, packet.To));
        Assert.Equal((Scene.OurMac, Scene.GuestMac), (packet.SourceMac, packet.DestinationMac));
        Assert.Equal(255, packet.HopLimit);
        NeighborAdvertisementFields advertisement = Advertisement(packet);
        Assert.Equal(IpAddress.Parse(target), advertisement.Target);
        Assert.Equal((isRouter, true, true), (advertisement.IsRouter, advertisement.IsSolicited, advertisement.IsOverride));
        Assert.Equal(Scene.OurMac, advertisement.TargetLinkLayer);
        Assert.Equal(0, scene.Counters.DroppedInAll());
    }

    [Fact]
    public void A_unicast_solicitation_without_the_option_is_answered_to_the_station_that_sent_it()
    {
        using Scene scene = Scene.Quiet();
        Deliver(scene, Guest, scene.Plan.Gateway6, Solicitation(Guest, scene.Plan.Gateway6, scene.Plan.Gateway6, null));
        Assert.Equal(Scene.GuestMac, scene.TakeOne().DestinationMac);
        Assert.Equal(0, scene.Services.Neighbours.Count);
    }

    /// <summary>A kernel may ask from any address it has (RFC 4861 section 7.2.2). Where others are that are not of this
    /// network is not learnt from it.</summary>
    [Fact]
    public void Whoever_has_an_address_of_another_network_finds_us_too()
    {
        using Scene scene = Scene.Quiet();
        IpAddress other = IpAddress.Parse("2001:db8:5::1");
        Solicit(scene, other, scene.Plan.Gateway6, Scene.GuestMac);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((other, Scene.GuestMac), (packet.To, packet.DestinationMac));
        Assert.Equal(0, scene.Services.Neighbours.Count);
    }

    [Theory]
    [InlineData("fd00::55:aff:fe00:264")]
    [InlineData("fe80::55:aff:fe00:264")]
    [InlineData("fd00::1234")]
    public void Duplicate_address_detection_of_the_guest_gets_no_answer(string target)
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, Any, IpAddress.Parse(target), null);
        scene.ExpectNothing();
        Assert.Equal(0, scene.Counters.DroppedInAll());
    }

    [Theory]
    [InlineData("fd00::2")]
    [InlineData("fd00::3")]
    [InlineData("fe80::2")]
    public void Duplicate_address_detection_of_our_address_is_answered_to_all_nodes(string target)
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, Any, IpAddress.Parse(target), null);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((AllNodes, new MacAddress(0x3333_0000_0001)), (packet.To, packet.DestinationMac));
        NeighborAdvertisementFields advertisement = Advertisement(packet);
        Assert.Equal((false, true), (advertisement.IsSolicited, advertisement.IsOverride));
        Assert.Equal(IpAddress.Parse(target), advertisement.Target);
    }

    [Fact]
    public void What_the_guest_says_about_itself_is_learnt()
    {
        using Scene scene = Scene.Quiet();
        Solicit(scene, Guest, scene.Plan.Gateway6, Scene.GuestMac);
        var message = new byte[NeighborBuilder.MaxLength];
        var other = new MacAddress(0x0200_0000_0042);
        NeighborBuilder.WriteAdvertisement(
            message, GuestGlobal, AllNodes, new NeighborAdvertisementFields(GuestGlobal, false, false, true, other));
        Deliver(scene, GuestGlobal, AllNodes, message);
        Assert.True(scene.Services.Neighbours.TryFind(Guest, out MacAddress mac));
        Assert.Equal(Scene.GuestMac, mac);
        Assert.True(scene.Services.Neighbours.TryFind(GuestGlobal, out mac));
        Assert.Equal(other, mac);
        Assert.Equal(0, scene.Counters.DroppedInAll());
    }

    public static TheoryData<string, string, string, byte[], byte> Lies
    {
        get
        {
            const string gateway = "fd00::2", node = "ff02::1:ff00:2";
            IpAddress target = IpAddress.Parse(gateway);
            byte[] good = Solicitation(Guest, IpAddress.Parse(node), target, Scene.GuestMac);
            byte[] zeroLength = [.. good];
            zeroLength[25] = 0;
            byte[] code = [.. good];
            code[1] = 1;
            var advertisesOurs = new byte[NeighborBuilder.MaxLength];
            NeighborBuilder.WriteAdvertisement(
                advertisesOurs, target, AllNodes, new NeighborAdvertisementFields(target, true, false, true, Scene.GuestMac));
            var solicitedToAll = new byte[NeighborBuilder.MaxLength];
            NeighborBuilder.WriteAdvertisement(
                solicitedToAll, Guest, AllNodes, new NeighborAdvertisementFields(Guest, true, true, true, Scene.GuestMac));
            var routerAdvertisement = new byte[RouterAdvertisementView.HeaderLength];
            new RouterAdvertisementBuilder(routerAdvertisement, default).Finish(Guest, AllNodes);
            byte[] redirect = new byte[40];
            redirect[0] = (byte)Icmpv6Type.Redirect;
            string guest = Guest.ToString();
            return new TheoryData<string, string, string, byte[], byte>
            {
                { "hop limit 254: from beyond the link", guest, node, good, 254 },
                { "hop limit 64", guest, node, good, 64 },
                { "source is our address", gateway, node, good, 255 },
                { "source is multicast", "ff02::1", node, good, 255 },
                { "option of length 0", guest, node, zeroLength, 255 },
                { "code not 0", guest, node, code, 255 },
                { "target is multicast", guest, node, Solicitation(Guest, IpAddress.Parse(node), AllNodes, Scene.GuestMac), 255 },
                { "no source but a source link-layer address", "::", node, good, 255 },
                { "no source to a unicast address", "::", gateway, Solicitation(Any, target, target, null), 255 },
                { "link-layer address is multicast", guest, node, Solicitation(Guest, target, target, MacAddress.Broadcast), 255 },
                { "link-layer address is ours", guest, node, Solicitation(Guest, target, target, Scene.OurMac), 255 },
                { "advertises our address", guest, "ff02::1", advertisesOurs, 255 },
                { "solicited advertisement to all", guest, "ff02::1", solicitedToAll, 255 },
                { "pretends to be a router", guest, "ff02::1", routerAdvertisement, 255 },
                { "redirects us", guest, "fe80::2", redirect, 255 },
                { "shorter than any message", guest, node, good[..7], 255 },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_counted_and_changes_nothing(string why, string from, string to, byte[] message, byte hopLimit)
    {
        using Scene scene = Scene.Quiet();
        scene.Services.OnNeighbourDiscovery(
            Scene.GuestMac, IpAddress.Parse(from), IpAddress.Parse(to), hopLimit, message, scene.Clock.Now);
        scene.ExpectNothing();
        scene.ExpectDrop(DropReason.BadNeighbourDiscovery);
        Assert.True(scene.Services.Neighbours.Count == 0, why);
    }

    [Fact]
    public void Every_truncation_is_counted()
    {
        byte[] good = Solicitation(Guest, IpAddress.Parse("ff02::1:ff00:2"), IpAddress.Parse("fd00::2"), Scene.GuestMac);
        using Scene scene = Scene.Quiet();
        int refused = 0;
        for (int length = 0; length < good.Length; length++)
        {
            if (length == 24) continue; // whole, without the option
            Deliver(scene, Guest, IpAddress.Parse("ff02::1:ff00:2"), good[..length]);
            refused++;
        }
        Assert.Equal(refused, scene.Counters.Dropped(DropReason.BadNeighbourDiscovery));
        scene.ExpectNothing();
    }

    [Fact]
    public void Without_IPv6_nothing_is_said_and_no_timer_runs()
    {
        using var scene = new Scene(plan: FrameFactory.Plan with { EnableIpv6 = false });
        Solicit(scene, Guest, scene.Plan.Gateway6, Scene.GuestMac);
        scene.Pass(TimeSpan.FromHours(2));
        scene.ExpectNothing();
    }

    [Fact]
    public void An_answer_allocates_nothing()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.Records = false;
        byte[] message = Solicitation(Guest, IpAddress.Parse("ff02::1:ff00:2"), IpAddress.Parse("fd00::2"), Scene.GuestMac);
        for (int i = 0; i < 100; i++) Deliver(scene, Guest, IpAddress.Parse("ff02::1:ff00:2"), message);
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 1000; i++) Deliver(scene, Guest, scene.Plan.Gateway6, message);
        }));
    }

    private static void Solicit(Scene scene, IpAddress from, IpAddress target, MacAddress? linkLayer)
    {
        var node = new IpAddress(0xff02_0000_0000_0000, 0x1_ff00_0000 | target.Low & 0xff_ffff);
        Deliver(scene, from, node, Solicitation(from, node, target, linkLayer));
    }

    private static void Deliver(Scene scene, IpAddress from, IpAddress to, byte[] message) =>
        scene.Services.OnNeighbourDiscovery(Scene.GuestMac, from, to, 255, message, scene.Clock.Now);

    private static byte[] Solicitation(IpAddress from, IpAddress to, IpAddress target, MacAddress? linkLayer)
    {
        var buffer = new byte[NeighborBuilder.MaxLength];
        return buffer[..NeighborBuilder.WriteSolicitation(buffer, from, to, target, linkLayer)];
    }

    private static NeighborAdvertisementFields Advertisement(SentPacket packet)
    {
        Assert.True(Icmpv6View.TryParse(packet.Upper, out Icmpv6View icmp));
        Assert.True(NeighborAdvertisementView.TryParse(icmp, out NeighborAdvertisementView view));
        return new NeighborAdvertisementFields(view.Target, view.IsRouter, view.IsSolicited, view.IsOverride, view.TargetLinkLayer);
    }
}
