using System.Buffers.Binary;

namespace Slirp.Wire.Dhcp;

/// <summary>RFC 8415 section 7.3. Unknown values are legal input.</summary>
public enum Dhcpv6MessageType : byte
{
    Solicit = 1,
    Advertise = 2,
    Request = 3,
    Confirm = 4,
    Renew = 5,
    Rebind = 6,
    Reply = 7,
    Release = 8,
    Decline = 9,
    Reconfigure = 10,
    InformationRequest = 11,
    RelayForward = 12,
    RelayReply = 13,
}

/// <summary>RFC 8415 section 21, RFC 3646. Unknown values are legal input.</summary>
public enum Dhcpv6OptionCode : ushort
{
    ClientId = 1,
    ServerId = 2,
    IdentityAssociation = 3,
    IdentityAssociationAddress = 5,
    OptionRequest = 6,
    ElapsedTime = 8,
    StatusCode = 13,
    RapidCommit = 14,
    DnsServers = 23,
    DomainList = 24,
    InformationRefreshTime = 32,
}

/// <summary>Read-only view of one DHCPv6 client or server message in octets the caller owns (RFC 8415 section 8).</summary>
/// <remarks>Valid only while the span is.</remarks>
public readonly ref struct Dhcpv6View
{
    public const int HeaderLength = 4;
    public const ushort ServerPort = 547, ClientPort = 546;

    /// <summary>A DUID is a type of two octets and one to 128 more (RFC 8415 section 11.1).</summary>
    public const int MinDuidLength = 3, MaxDuidLength = 130;

    private readonly ReadOnlySpan<byte> _octets;

    private Dhcpv6View(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if the message is shorter than its header, an option runs past the end, or it is a relay's: there is
    /// no relay between us and the guest.</returns>
    public static bool TryParse(ReadOnlySpan<byte> message, out Dhcpv6View dhcp)
    {
        dhcp = default;
        if (message.Length < HeaderLength) return false;
        if ((Dhcpv6MessageType)message[0] is Dhcpv6MessageType.RelayForward or Dhcpv6MessageType.RelayReply) return false;
        var reader = new Dhcpv6OptionReader(message[HeaderLength..]);
        while (reader.TryRead(out _, out _)) { }
        if (!reader.IsAtEnd) return false;
        dhcp = new Dhcpv6View(message);
        return true;
    }

    public Dhcpv6MessageType MessageType => (Dhcpv6MessageType)_octets[0];

    /// <summary>24 bits.</summary>
    public uint TransactionId => BinaryPrimitives.ReadUInt32BigEndian(_octets) & 0xff_ffff;

    public Dhcpv6OptionReader Options => new(_octets[HeaderLength..]);

    /// <summary>The client's DUID; empty if it was not sent or is not of a DUID's length.</summary>
    public ReadOnlySpan<byte> ClientId => FindDuid(Dhcpv6OptionCode.ClientId);

    /// <summary>The DUID of the server that is meant; empty if it was not sent or is not of a DUID's length.</summary>
    public ReadOnlySpan<byte> ServerId => FindDuid(Dhcpv6OptionCode.ServerId);

    /// <summary>True if the option request option names <paramref name="code"/>.</summary>
    public bool Requests(Dhcpv6OptionCode code)
    {
        if (!TryFindOption(Dhcpv6OptionCode.OptionRequest, out ReadOnlySpan<byte> codes)) return false;
        for (int at = 0; at + 2 <= codes.Length; at += 2)
            if (BinaryPrimitives.ReadUInt16BigEndian(codes[at..]) == (ushort)code) return true;
        return false;
    }

    /// <summary>The first option of this code at the outer level.</summary>
    public bool TryFindOption(Dhcpv6OptionCode code, out ReadOnlySpan<byte> value)
    {
        Dhcpv6OptionReader options = Options;
        while (options.TryRead(out Dhcpv6OptionCode found, out value))
            if (found == code) return true;
        return false;
    }

    private ReadOnlySpan<byte> FindDuid(Dhcpv6OptionCode code) =>
        TryFindOption(code, out ReadOnlySpan<byte> duid) && duid.Length is >= MinDuidLength and <= MaxDuidLength ? duid : default;
}

/// <summary>Walks the options of one level; those inside a container are the container's value.</summary>
public ref struct Dhcpv6OptionReader
{
    private ReadOnlySpan<byte> _rest;

    internal Dhcpv6OptionReader(ReadOnlySpan<byte> options) => _rest = options;

    /// <summary>False, once <see cref="TryRead"/> has said no, tells that it stopped at a fault.</summary>
    public readonly bool IsAtEnd => _rest.IsEmpty;

    public bool TryRead(out Dhcpv6OptionCode code, out ReadOnlySpan<byte> value)
    {
        const int OptionHeaderLength = 4;
        code = default;
        value = default;
        if (_rest.Length < OptionHeaderLength) return false;
        int end = OptionHeaderLength + BinaryPrimitives.ReadUInt16BigEndian(_rest[2..]);
        if (end > _rest.Length) return false;
        code = (Dhcpv6OptionCode)BinaryPrimitives.ReadUInt16BigEndian(_rest);
        value = _rest[OptionHeaderLength..end];
        _rest = _rest[end..];
        return true;
    }
}
