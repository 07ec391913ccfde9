using Slirp.Testing;
using Slirp.Wire;
using Slirp.Wire.Dhcp;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>What a client may put into a message; null is left out.</summary>
internal sealed record DhcpRequest(DhcpMessageType Type)
{
    public MacAddress Chaddr { get; init; } = FrameFactory.GuestMac;
    public uint Xid { get; init; } = 0x1234_5678;
    public bool IsBroadcast { get; init; }
    public Ipv4Address Ciaddr { get; init; }
    public Ipv4Address Giaddr { get; init; }
    public Ipv4Address? Requested { get; init; }
    public Ipv4Address? Server { get; init; }
    public byte[]? ClientId { get; init; }
    public ushort? MaxMessageSize { get; init; }

    public byte[] ToOctets()
    {
        var buffer = new byte[1500];
        var builder = new DhcpBuilder(buffer, new DhcpFields(
            DhcpOperation.BootRequest, Xid, 7, IsBroadcast, Ciaddr, default, default, Giaddr, Chaddr));
        if (Type != DhcpMessageType.None) builder.AddMessageType(Type);
        if (Requested is { } requested) builder.AddAddress(DhcpOptionCode.RequestedAddress, requested);
        if (Server is { } server) builder.AddAddress(DhcpOptionCode.ServerIdentifier, server);
        if (ClientId is { } id) builder.AddOctets(DhcpOptionCode.ClientIdentifier, id);
        if (MaxMessageSize is { } size) builder.AddUInt16(DhcpOptionCode.MaxMessageSize, size);
        builder.AddOctets(DhcpOptionCode.ParameterRequestList, [1, 3, 6, 15, 26, 28, 51, 58, 59, 119]);
        return buffer[..builder.Finish()];
    }
}

/// <summary>What the server answered, and how it was addressed.</summary>
internal sealed record DhcpAnswer(
    DhcpMessageType Type, Ipv4Address Yiaddr, Ipv4Address Ciaddr, MacAddress ToMac, IpEndpoint To, IpEndpoint From,
    Dictionary<DhcpOptionCode, byte[]> Options, int Length, uint Xid, MacAddress Chaddr, Ipv4Address Giaddr, bool IsBroadcast)
{
    public Ipv4Address Address(DhcpOptionCode code) => Ipv4Address.Read(Options[code]);

    public uint Number(DhcpOptionCode code)
    {
        uint value = 0;
        foreach (byte octet in Options[code]) value = value << 8 | octet;
        return value;
    }
}

internal static class DhcpConversation
{
    private static readonly IpEndpoint Nobody = FrameFactory.Endpoint("0.0.0.0", DhcpView.ClientPort);
    private static readonly IpEndpoint Everybody = FrameFactory.Endpoint("255.255.255.255", DhcpView.ServerPort);

    /// <summary>The client broadcasts; null if there is no answer.</summary>
    public static DhcpAnswer? Ask(this Scene scene, DhcpRequest request, IpEndpoint? from = null, IpEndpoint? to = null)
    {
        Assert.True(scene.Udp(from ?? Nobody, to ?? Everybody, request.ToOctets(), request.Chaddr));
        return scene.TakeDhcp();
    }

    public static DhcpAnswer? TakeDhcp(this Scene scene)
    {
        if (scene.Host.Frames.Count == 0) return null;
        SentPacket packet = scene.TakeOne();
        Assert.True(DhcpView.TryParse(packet.UdpPayload, out DhcpView view));
        Assert.Equal(DhcpOperation.BootReply, view.Op);
        var options = new Dictionary<DhcpOptionCode, byte[]>();
        DhcpOptionReader reader = view.Options;
        while (reader.TryRead(out DhcpOptionCode code, out ReadOnlySpan<byte> value))
            options[code] = options.TryGetValue(code, out byte[]? before) ? [.. before, .. value] : value.ToArray();
        return new DhcpAnswer(
            view.MessageType, view.Yiaddr, view.Ciaddr, packet.DestinationMac, packet.Destination, packet.Source, options,
            packet.UdpPayload.Length, view.Xid, view.Chaddr, view.Giaddr, view.IsBroadcast);
    }
}
