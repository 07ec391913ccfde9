using System.Buffers.Binary;

namespace Slirp.Wire.Dhcp;

/// <summary>Read-only view of one DHCP message over Ethernet in octets the caller owns (RFC 2131 section 2).</summary>
/// <remarks>Options are found by walking at each call: a server asks for a handful, once a message. Valid only while the
/// span is.</remarks>
public readonly ref struct DhcpView
{
    /// <summary>Fixed fields and magic cookie, in front of the options.</summary>
    public const int HeaderLength = 240;

    public const ushort ServerPort = 67, ClientPort = 68;
    private readonly ReadOnlySpan<byte> _octets;

    private DhcpView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the message is shorter than its fixed fields and cookie, the cookie is another (plain BOOTP), op is
    /// neither request nor reply, or the hardware is not Ethernet with six octets.</returns>
    public static bool TryParse(ReadOnlySpan<byte> message, out DhcpView dhcp)
    {
        dhcp = default;
        if (message.Length < HeaderLength) return false;
        if (BinaryPrimitives.ReadUInt32BigEndian(message[Field.Cookie..]) != Field.MagicCookie) return false;
        if (message[Field.Op] is not ((byte)DhcpOperation.BootRequest or (byte)DhcpOperation.BootReply)) return false;
        if (message[Field.HardwareType] != Field.Ethernet || message[Field.HardwareLength] != MacAddress.Length) return false;
        dhcp = new DhcpView(message);
        return true;
    }

    public DhcpOperation Op => (DhcpOperation)_octets[Field.Op];
    public uint Xid => BinaryPrimitives.ReadUInt32BigEndian(_octets[Field.Xid..]);
    public ushort Secs => BinaryPrimitives.ReadUInt16BigEndian(_octets[Field.Secs..]);

    /// <summary>The client cannot take unicast before it has an address (RFC 2131 section 4.1).</summary>
    public bool IsBroadcast => (_octets[Field.Flags] & 0x80) != 0;
    public Ipv4Address Ciaddr => Ipv4Address.Read(_octets[Field.Ciaddr..]);
    public Ipv4Address Yiaddr => Ipv4Address.Read(_octets[Field.Yiaddr..]);
    public Ipv4Address Siaddr => Ipv4Address.Read(_octets[Field.Siaddr..]);
    public Ipv4Address Giaddr => Ipv4Address.Read(_octets[Field.Giaddr..]);
    public MacAddress Chaddr => MacAddress.Read(_octets[Field.Chaddr..]);

    public DhcpOptionReader Options => new(
        _octets[HeaderLength..], _octets[Field.File..Field.Cookie], _octets[Field.ServerName..Field.File]);

    /// <summary><see cref="DhcpMessageType.None"/> if the option is missing or not one octet long: not DHCP, then.</summary>
    public DhcpMessageType MessageType =>
        TryFind(DhcpOptionCode.MessageType, 1, out ReadOnlySpan<byte> value) ? (DhcpMessageType)value[0] : DhcpMessageType.None;

    public Ipv4Address? RequestedAddress => FindAddress(DhcpOptionCode.RequestedAddress);
    public Ipv4Address? ServerIdentifier => FindAddress(DhcpOptionCode.ServerIdentifier);

    public uint? LeaseTimeSeconds =>
        TryFind(DhcpOptionCode.LeaseTime, 4, out ReadOnlySpan<byte> value) ? BinaryPrimitives.ReadUInt32BigEndian(value) : null;

    /// <summary>Octets of DHCP message, IP and UDP headers included, that the client takes; 576 if it does not say or says less
    /// (RFC 2132 section 9.10).</summary>
    public int MaxMessageSize => TryFind(DhcpOptionCode.MaxMessageSize, 2, out ReadOnlySpan<byte> value)
        ? Math.Max((int)BinaryPrimitives.ReadUInt16BigEndian(value), Field.MinMaxMessageSize)
        : Field.MinMaxMessageSize;

    /// <summary>Empty if not sent.</summary>
    public ReadOnlySpan<byte> ClientIdentifier =>
        TryFindOption(DhcpOptionCode.ClientIdentifier, out ReadOnlySpan<byte> value) ? value : default;

    /// <summary>Option codes the client asks for, in its order; empty if not sent.</summary>
    public ReadOnlySpan<byte> ParameterRequestList =>
        TryFindOption(DhcpOptionCode.ParameterRequestList, out ReadOnlySpan<byte> value) ? value : default;

    /// <summary>The first option of this code, of any length.</summary>
    public bool TryFindOption(DhcpOptionCode code, out ReadOnlySpan<byte> value)
    {
        DhcpOptionReader options = Options;
        while (options.TryRead(out DhcpOptionCode found, out value))
            if (found == code) return true;
        return false;
    }

    private bool TryFind(DhcpOptionCode code, int length, out ReadOnlySpan<byte> value) =>
        TryFindOption(code, out value) && value.Length == length;

    private Ipv4Address? FindAddress(DhcpOptionCode code) =>
        TryFind(code, Ipv4Address.Length, out ReadOnlySpan<byte> value) ? Ipv4Address.Read(value) : null;

    internal static class Field // octet offsets, RFC 2131 figure 1
    {
        public const int Op = 0, HardwareType = 1, HardwareLength = 2, Xid = 4, Secs = 8, Flags = 10, Ciaddr = 12, Yiaddr = 16,
            Siaddr = 20, Giaddr = 24, Chaddr = 28, ServerName = 44, File = 108, Cookie = 236;
        public const uint MagicCookie = 0x6382_5363;
        public const byte Ethernet = 1;
        public const int MinMaxMessageSize = 576;
    }
}
