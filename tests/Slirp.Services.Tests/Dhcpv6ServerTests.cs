using System.Buffers.Binary;
using Slirp.Core;
using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.Services.Tests;

public class Dhcpv6ServerTests
{
    private static readonly IpEndpoint Client = FrameFactory.Endpoint("fe80::55:aff:fe00:264", 546);
    private static readonly IpEndpoint AllServers = FrameFactory.Endpoint("ff02::1:2", 547);
    private static readonly byte[] ClientDuid = [0, 1, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd, 2, 0x55, 10, 0, 2, 100];
    private static readonly byte[] OurDuid = [0, 3, 0, 1, 0x52, 0x55, 0x0a, 0, 2, 2];
    private static readonly byte[] Association = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_request_for_information_is_answered_with_resolver_and_search_list(bool hasClientId)
    {
        using Scene scene = Scene.Quiet("search example.com corp.example\n");
        (Dhcpv6OptionCode, byte[])[] options = hasClientId ? [(Dhcpv6OptionCode.ClientId, ClientDuid)] : [];
        Ask(scene, Dhcpv6MessageType.InformationRequest, options);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((FrameFactory.Endpoint("fe80::2", 547), Client), (packet.Source, packet.Destination));
        Assert.Equal(Scene.GuestMac, packet.DestinationMac);
        Dictionary<Dhcpv6OptionCode, List<byte[]>> answer = Parse(packet, Dhcpv6MessageType.Reply);
        Assert.Equal(OurDuid, Assert.Single(answer[Dhcpv6OptionCode.ServerId]));
        Assert.Equal(hasClientId, answer.ContainsKey(Dhcpv6OptionCode.ClientId));
        if (hasClientId) Assert.Equal(ClientDuid, Assert.Single(answer[Dhcpv6OptionCode.ClientId]));
        Assert.Equal(IpAddress.Parse("fd00::3"), IpAddress.ReadIpv6(Assert.Single(answer[Dhcpv6OptionCode.DnsServers])));
        byte[] names = Assert.Single(answer[Dhcpv6OptionCode.DomainList]);
        Assert.Equal("\aexample\u0003com\0\u0004corp\aexample\0"u8.ToArray(), names);
        Assert.True(answer.ContainsKey(Dhcpv6OptionCode.InformationRefreshTime));
    }

    [Fact]
    public void A_client_on_a_global_address_is_answered_from_one()
    {
        using Scene scene = Scene.Quiet();
        IpEndpoint client = FrameFactory.Endpoint("fd00::1234", 546);
        Ask(scene, Dhcpv6MessageType.InformationRequest, [], client);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((FrameFactory.Endpoint("fd00::2", 547), client), (packet.Source, packet.Destination));
    }

    [Theory]
    [InlineData(Dhcpv6MessageType.Solicit, false, Dhcpv6MessageType.Advertise, 3, 2)]
    [InlineData(Dhcpv6MessageType.Solicit, false, Dhcpv6MessageType.Advertise, 4, 2)]
    [InlineData(Dhcpv6MessageType.Solicit, false, Dhcpv6MessageType.Advertise, 25, 6)]
    [InlineData(Dhcpv6MessageType.Request, true, Dhcpv6MessageType.Reply, 3, 2)]
    [InlineData(Dhcpv6MessageType.Renew, true, Dhcpv6MessageType.Reply, 3, 3)]
    [InlineData(Dhcpv6MessageType.Rebind, false, Dhcpv6MessageType.Reply, 3, 3)]
    [InlineData(Dhcpv6MessageType.Release, true, Dhcpv6MessageType.Reply, 3, 3)]
    public void An_address_is_refused_with_the_status_of_each_association(
        Dhcpv6MessageType type, bool namesUs, Dhcpv6MessageType expected, ushort association, ushort status)
    {
        using Scene scene = Scene.Quiet();
        var options = new List<(Dhcpv6OptionCode, byte[])> { (Dhcpv6OptionCode.ClientId, ClientDuid) };
        if (namesUs) options.Add((Dhcpv6OptionCode.ServerId, OurDuid));
        byte[] sent = association == 4 ? Association[..4] : Association;
        options.Add(((Dhcpv6OptionCode)association, sent));
        Ask(scene, type, [.. options]);
        Dictionary<Dhcpv6OptionCode, List<byte[]>> answer = Parse(scene.TakeOne(), expected);
        byte[] refused = Assert.Single(answer[(Dhcpv6OptionCode)association]);
        Assert.Equal(sent, refused[..sent.Length]);
        Assert.Equal([0, 13, 0, 2, 0, (byte)status], refused[sent.Length..]);
        Assert.Equal(type == Dhcpv6MessageType.Release, answer.ContainsKey(Dhcpv6OptionCode.StatusCode));
        Assert.Equal(ClientDuid, Assert.Single(answer[Dhcpv6OptionCode.ClientId]));
    }

    public static TheoryData<string, byte, byte[]> Discarded
    {
        get
        {
            byte[] client = Option(Dhcpv6OptionCode.ClientId, ClientDuid), us = Option(Dhcpv6OptionCode.ServerId, OurDuid);
            byte[] other = Option(Dhcpv6OptionCode.ServerId, ClientDuid), association = Option(Dhcpv6OptionCode.IdentityAssociation, Association);
            return new TheoryData<string, byte, byte[]>
            {
                { "information for an association (16.12)", 11, association },
                { "information from another server (16.12)", 11, other },
                { "solicit without a client (16.2)", 1, [] },
                { "solicit of one server (16.2)", 1, [.. client, .. us] },
                { "request of no server (16.4)", 3, client },
                { "request of another server (16.4)", 3, [.. client, .. other] },
                { "renew without a client (16.6)", 5, us },
                { "rebind of a server (16.7)", 6, [.. client, .. us] },
                { "confirm: we know nothing of addresses (18.3.3)", 4, client },
                { "a server's message", 7, client },
                { "a relay's", 12, new byte[64] },
                { "an unknown type", 99, client },
                { "client identifier of no length", 1, Option(Dhcpv6OptionCode.ClientId, []) },
                { "client identifier of 131 octets", 1, Option(Dhcpv6OptionCode.ClientId, new byte[131]) },
                { "option past the end", 11, [0, 1, 0, 200, 1, 2] },
                { "half an option", 11, [0, 1, 0] },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Discarded))]
    public void What_the_RFC_discards_is_counted_and_not_answered(string why, byte type, byte[] options)
    {
        using Scene scene = Scene.Quiet();
        Assert.True(scene.Udp(Client, AllServers, [type, 1, 2, 3, .. options]));
        Assert.True(scene.Host.Frames.Count == 0, why);
        scene.ExpectDrop(DropReason.BadDhcpv6);
    }

    [Theory]
    [InlineData("2001:db8::1")]
    [InlineData("ff02::1")]
    [InlineData("::")]
    [InlineData("fd00::2")]
    public void A_source_that_cannot_be_is_counted(string source)
    {
        using Scene scene = Scene.Quiet();
        Ask(scene, Dhcpv6MessageType.InformationRequest, [], FrameFactory.Endpoint(source, 546));
        scene.ExpectNothing();
        scene.ExpectDrop(DropReason.BadDhcpv6);
    }

    [Fact]
    public void A_thousand_associations_make_one_small_answer()
    {
        using Scene scene = Scene.Quiet();
        var options = new List<(Dhcpv6OptionCode, byte[])> { (Dhcpv6OptionCode.ClientId, ClientDuid) };
        for (int i = 0; i < 1000; i++) options.Add((Dhcpv6OptionCode.IdentityAssociation, Association));
        Ask(scene, Dhcpv6MessageType.Solicit, [.. options]);
        SentPacket packet = scene.TakeOne();
        Assert.InRange(packet.IpLength, 100, 1280);
        Assert.Equal(16, Parse(packet, Dhcpv6MessageType.Advertise)[Dhcpv6OptionCode.IdentityAssociation].Count);
    }

    [Fact]
    public void It_listens_only_to_its_group_and_only_with_IPv6()
    {
        using Scene scene = Scene.Quiet();
        byte[] message = [(byte)Dhcpv6MessageType.InformationRequest, 1, 2, 3];
        Assert.False(scene.Udp(Client, FrameFactory.Endpoint("fd00::2", 547), message));
        Assert.True(scene.Udp(Client, AllServers, message));
        using Scene without = Scene.Quiet(plan: FrameFactory.Plan with { EnableIpv6 = false });
        Assert.False(without.Udp(Client, AllServers, message));
        without.ExpectNothing();
    }

    private static void Ask(
        Scene scene, Dhcpv6MessageType type, (Dhcpv6OptionCode Code, byte[] Value)[] options, IpEndpoint? client = null)
    {
        var message = new List<byte> { (byte)type, 0xab, 0xcd, 0xef };
        foreach ((Dhcpv6OptionCode code, byte[] value) in options) message.AddRange(Option(code, value));
        Assert.True(scene.Udp(client ?? Client, AllServers, message.ToArray()));
    }

    private static byte[] Option(Dhcpv6OptionCode code, byte[] value)
    {
        var option = new byte[4 + value.Length];
        BinaryPrimitives.WriteUInt16BigEndian(option, (ushort)code);
        BinaryPrimitives.WriteUInt16BigEndian(option.AsSpan(2), (ushort)value.Length);
        value.CopyTo(option, 4);
        return option;
    }

    private static Dictionary<Dhcpv6OptionCode, List<byte[]>> Parse(SentPacket packet, Dhcpv6MessageType expected)
    {
        Assert.True(Dhcpv6View.TryParse(packet.UdpPayload, out Dhcpv6View view));
        Assert.Equal((expected, 0xab_cdefu), (view.MessageType, view.TransactionId));
        var options = new Dictionary<Dhcpv6OptionCode, List<byte[]>>();
        Dhcpv6OptionReader reader = view.Options;
        while (reader.TryRead(out Dhcpv6OptionCode code, out ReadOnlySpan<byte> value))
        {
            if (!options.TryGetValue(code, out List<byte[]>? values)) options[code] = values = [];
            values.Add(value.ToArray());
        }
        return options;
    }
}
