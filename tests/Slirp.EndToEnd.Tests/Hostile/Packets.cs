using System.Buffers.Binary;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>What the attacks are bent from: right packets of a station that is not the guest's own kernel.</summary>
internal sealed class Packets(MacAddress guestMac)
{
    public const string Bot4 = "10.0.2.77", Bot6 = "fd00::77", Gateway4 = "10.0.2.2", Gateway6 = "fd00::2";

    /// <summary>A port of the host's loopback that swallows what comes.</summary>
    public required int Sink { get; init; }

    public static IpAddress Address(string text) => IpAddress.Parse(text);

    public byte[] Ethernet(ReadOnlySpan<byte> payload, ushort type, ulong? source = null)
    {
        var frame = new byte[EthernetBuilder.HeaderLength + payload.Length];
        EthernetBuilder.Write(frame, FrameFactory.OurMac, source is ulong mac ? new MacAddress(mac) : guestMac, (EtherType)type);
        payload.CopyTo(frame.AsSpan(EthernetBuilder.HeaderLength));
        return frame;
    }

    public byte[] Ip(ReadOnlySpan<byte> packet, bool? asIpv6 = null) =>
        Ethernet(packet, (ushort)((asIpv6 ?? packet[0] >> 4 == 6) ? EtherType.Ipv6 : EtherType.Ipv4));

    public byte[] Udp4(int length = 32, string source = Bot4, string to = Gateway4, int port = 0, int fromPort = 4077) =>
        FrameFactory.Udp(FrameFactory.Endpoint(source, fromPort), FrameFactory.Endpoint(to, port == 0 ? Sink : port), new byte[length]);

    public byte[] Udp6(int length = 32, string source = Bot6, string to = Gateway6, int port = 0) =>
        FrameFactory.Udp(FrameFactory.Endpoint(source, 4077), FrameFactory.Endpoint(to, port == 0 ? Sink : port), new byte[length]);

    public static byte[] Packet(string from, string to, int protocol, ReadOnlySpan<byte> payload, byte hopLimit = 64) =>
        FrameFactory.Packet(Address(from), Address(to), (IpProtocol)protocol, payload, hopLimit: hopLimit);

    /// <summary>A copy with octets changed, and the IPv4 header's checksum made right again.</summary>
    public static byte[] With(byte[] packet, params (int Offset, int Value)[] octets)
    {
        byte[] bent = [.. packet];
        foreach ((int offset, int value) in octets) bent[offset] = (byte)value;
        return bent[0] >> 4 == 6 ? bent : Resummed(bent);
    }

    public static byte[] WithWord(byte[] packet, int offset, int value) => With(packet, (offset, value >> 8), (offset + 1, value));

    /// <summary>An IPv4 packet with options, whatever they are, padded to four octets.</summary>
    public static byte[] WithOptions(byte[] packet, params byte[] options)
    {
        byte[] padded = [.. options, .. new byte[-options.Length & 3]];
        byte[] whole = [.. packet.AsSpan(0, 20), .. padded, .. packet.AsSpan(20)];
        whole[0] = (byte)(0x40 | (20 + padded.Length) / 4);
        BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(2), (ushort)whole.Length);
        return Resummed(whole);
    }

    /// <summary>An IPv6 packet with headers put between the fixed one and what followed it.</summary>
    public static byte[] WithHeaders(byte[] packet, int first, params byte[] headers)
    {
        byte[] whole = [.. packet.AsSpan(0, 40), .. headers, .. packet.AsSpan(40)];
        whole[6] = (byte)first;
        BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(4), (ushort)(whole.Length - 40));
        return whole;
    }

    private static byte[] Resummed(byte[] packet)
    {
        int length = Math.Min(packet.Length, Math.Max(20, (packet[0] & 15) * 4));
        if (packet.Length < 20) return packet;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), 0);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~FrameFactory.SlowSum(packet.AsSpan(0, length)));
        return packet;
    }
}
