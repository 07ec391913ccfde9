using Slirp.Core;
using Slirp.Services.Neighbours;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

public class ArpResponderTests
{
    private static readonly Ipv4Address Guest = Ipv4Address.Parse("10.0.2.100");

    [Theory]
    [InlineData("10.0.2.2", true, "the gateway")]
    [InlineData("10.0.2.3", true, "the DNS address")]
    [InlineData("10.0.2.100", false, "the guest's own")]
    [InlineData("10.0.2.15", false, "an address DHCP may give")]
    [InlineData("10.0.2.1", false, "nobody's")]
    [InlineData("10.0.2.255", false, "the broadcast address")]
    [InlineData("192.0.2.1", false, "not on this link")]
    public void A_request_is_answered_only_for_an_address_of_ours(string target, bool isAnswered, string why)
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Request, Scene.GuestMac, Guest, default, Ipv4Address.Parse(target)));
        Assert.True(scene.Host.Frames.Count == (isAnswered ? 1 : 0), why);
        if (isAnswered) ExpectReply(scene, Ipv4Address.Parse(target), Guest);
    }

    [Theory]
    [InlineData("10.0.2.100", false)]
    [InlineData("10.0.2.15", false)]
    [InlineData("10.0.2.2", true)]
    public void A_probe_is_answered_only_if_the_address_is_taken_by_us(string target, bool isAnswered)
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Request, Scene.GuestMac, default, default, Ipv4Address.Parse(target)));
        if (isAnswered) ExpectReply(scene, Ipv4Address.Parse(target), default);
        else scene.ExpectNothing();
        Assert.Equal(0, scene.Counters.DroppedInAll());
        Assert.Equal(0, scene.Services.Neighbours.Count);
    }

    [Theory]
    [InlineData(ArpOperation.Request)]
    [InlineData(ArpOperation.Reply)]
    public void An_announcement_is_learnt_and_not_answered(ArpOperation operation)
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(operation, Scene.GuestMac, Guest, default, Guest));
        scene.ExpectNothing();
        Assert.Equal(0, scene.Counters.DroppedInAll());
        Assert.True(scene.Services.Neighbours.TryFind(Guest, out MacAddress mac));
        Assert.Equal(Scene.GuestMac, mac);
    }

    [Fact]
    public void The_reply_is_padded_by_nobody_and_carries_nothing_else()
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Request, Scene.GuestMac, Guest, default, scene.Plan.Gateway));
        Assert.Equal(VirtioNetHeader.Length + EthernetView.HeaderLength + ArpView.Length, scene.Host.Frames[0].Length);
    }

    public static TheoryData<string, ArpFields> Lies => new()
    {
        { "sender is our address", new(ArpOperation.Request, Scene.GuestMac, Ipv4Address.Parse("10.0.2.2"), default, Ipv4Address.Parse("10.0.2.3")) },
        { "announces our address", new(ArpOperation.Reply, Scene.GuestMac, Ipv4Address.Parse("10.0.2.2"), default, Ipv4Address.Parse("10.0.2.2")) },
        { "sender is a multicast station", new(ArpOperation.Request, MacAddress.Broadcast, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
        { "sender is no station", new(ArpOperation.Request, default, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
        { "sender is our station", new(ArpOperation.Request, Scene.OurMac, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
        { "sender address is multicast", new(ArpOperation.Request, Scene.GuestMac, Ipv4Address.Parse("224.0.0.1"), default, Ipv4Address.Parse("10.0.2.2")) },
        { "sender address is broadcast", new(ArpOperation.Request, Scene.GuestMac, Ipv4Address.Broadcast, default, Ipv4Address.Parse("10.0.2.2")) },
        { "operation 0", new((ArpOperation)0, Scene.GuestMac, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
        { "operation 3", new((ArpOperation)3, Scene.GuestMac, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
        { "operation 65535", new((ArpOperation)65535, Scene.GuestMac, Guest, default, Ipv4Address.Parse("10.0.2.2")) },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_counted_and_changes_nothing(string why, ArpFields fields)
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(fields);
        scene.ExpectNothing();
        scene.ExpectDrop(DropReason.BadArp);
        Assert.True(scene.Services.Neighbours.Count == 0, why);
    }

    [Fact]
    public void Every_truncation_and_wrong_header_is_counted()
    {
        var packet = new byte[ArpBuilder.Length];
        ArpBuilder.Write(packet, new ArpFields(ArpOperation.Request, Scene.GuestMac, Guest, default, Ipv4Address.Parse("10.0.2.2")));
        using Scene scene = Scene.Quiet();
        for (int length = 0; length < packet.Length; length++)
            scene.Services.OnArp(Scene.GuestMac, packet.AsSpan(0, length), scene.Clock.Now);
        Assert.Equal(packet.Length, scene.Counters.Dropped(DropReason.BadArp));
        for (int at = 0; at < 6; at++) // hardware type, protocol type, both lengths
        {
            byte[] wrong = [.. packet];
            wrong[at] ^= 0xff;
            scene.Services.OnArp(Scene.GuestMac, wrong, scene.Clock.Now);
        }
        Assert.Equal(packet.Length + 6, scene.Counters.Dropped(DropReason.BadArp));
        scene.ExpectNothing();
    }

    [Fact]
    public void Neighbours_are_capped_and_the_one_not_heard_for_longest_goes()
    {
        using Scene scene = Scene.Quiet(plan: Testing.FrameFactory.Plan with { Network = Ipv4Address.Parse("10.0.0.0"), PrefixLength = 16 });
        uint first = Ipv4Address.Parse("10.0.1.0").Value;
        for (uint i = 0; i < 1000; i++)
        {
            scene.Clock.AdvanceMilliseconds(1);
            var address = new Ipv4Address(first + i);
            scene.Arp(new ArpFields(ArpOperation.Reply, new MacAddress(0x0200_0000_0000UL + i), address, default, address));
        }
        Assert.Equal(NeighbourTable.Capacity, scene.Services.Neighbours.Count);
        Assert.Equal(1000 - NeighbourTable.Capacity, scene.Services.Neighbours.EvictedCount);
        Assert.True(scene.Services.Neighbours.TryFind(new Ipv4Address(first + 999), out MacAddress last));
        Assert.Equal(new MacAddress(0x0200_0000_0000 + 999), last);
        Assert.False(scene.Services.Neighbours.TryFind(new Ipv4Address(first + 1000 - NeighbourTable.Capacity - 1), out _));
        Assert.True(scene.Services.Neighbours.TryFind(new Ipv4Address(first + 1000 - NeighbourTable.Capacity), out _));
    }

    [Fact]
    public void A_neighbour_that_moves_is_followed()
    {
        using Scene scene = Scene.Quiet();
        scene.Arp(new ArpFields(ArpOperation.Reply, new MacAddress(0x0200_0000_0001), Guest, default, Guest));
        scene.Arp(new ArpFields(ArpOperation.Reply, new MacAddress(0x0200_0000_0002), Guest, default, Guest));
        Assert.True(scene.Services.Neighbours.TryFind(Guest, out MacAddress mac));
        Assert.Equal(new MacAddress(0x0200_0000_0002), mac);
        Assert.Equal(1, scene.Services.Neighbours.Count);
    }

    [Fact]
    public void An_answer_allocates_nothing()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.Records = false;
        var request = new ArpFields(ArpOperation.Request, Scene.GuestMac, Guest, default, scene.Plan.Gateway);
        Assert.Equal(0, Allocation.Of(() =>
        {
            for (int i = 0; i < 1000; i++) scene.Arp(request);
        }));
    }

    private static void ExpectReply(Scene scene, Ipv4Address address, Ipv4Address to)
    {
        byte[] frame = Assert.Single(scene.Host.Frames);
        Assert.True(EthernetView.TryParse(frame.AsSpan(VirtioNetHeader.Length), out EthernetView ethernet));
        Assert.Equal(Scene.GuestMac, ethernet.Destination);
        Assert.Equal(Scene.OurMac, ethernet.Source);
        Assert.Equal(EtherType.Arp, ethernet.EtherType);
        Assert.True(ArpView.TryParse(ethernet.Payload, out ArpView arp));
        Assert.Equal(ArpOperation.Reply, arp.Operation);
        Assert.Equal((Scene.OurMac, address), (arp.SenderMac, arp.SenderAddress));
        Assert.Equal((Scene.GuestMac, to), (arp.TargetMac, arp.TargetAddress));
    }
}
