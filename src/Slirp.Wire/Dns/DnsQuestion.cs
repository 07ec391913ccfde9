using System.Buffers.Binary;

namespace Slirp.Wire.Dns;

/// <summary>The question of a DNS message, borrowed from it (RFC 1035 section 4.1.2).</summary>
public readonly ref struct DnsQuestion
{
    internal const int FixedLength = 4; // type and class, behind the name

    internal DnsQuestion(ReadOnlySpan<byte> octets) => Octets = octets;

    /// <summary>The whole entry as it stands in the message, from octet 12 on.</summary>
    public ReadOnlySpan<byte> Octets { get; }

    /// <summary>Uncompressed labels, the closing zero included; <see cref="DomainName.ToText"/> makes them readable.</summary>
    public ReadOnlySpan<byte> Name => Octets[..^FixedLength];

    /// <summary>1 is A, 28 AAAA; RFC 1035 section 3.2.2 and later.</summary>
    public ushort Type => BinaryPrimitives.ReadUInt16BigEndian(Octets[^4..]);

    /// <summary>1 is the Internet.</summary>
    public ushort Class => BinaryPrimitives.ReadUInt16BigEndian(Octets[^2..]);

    /// <summary>True if an answer to one is an answer to the other: names compared without regard to case.</summary>
    public bool Matches(in DnsQuestion other) =>
        Type == other.Type && Class == other.Class && DomainName.AreEqual(Name, other.Name);
}

/// <summary>The OPT pseudo-record of a DNS message, borrowed from it (RFC 6891 section 6.1.2).</summary>
public readonly ref struct DnsEdns
{
    public const ushort OptType = 41;

    /// <summary>The option of DNS cookies (RFC 7873 section 4).</summary>
    public const ushort CookieOption = 10;

    /// <summary>An OPT record without options: root name, type, size, extended flags, data length of zero.</summary>
    public const int BareLength = 11;

    internal DnsEdns(ReadOnlySpan<byte> octets, int offset)
    {
        Octets = octets;
        Offset = offset;
    }

    public ReadOnlySpan<byte> Octets { get; }

    /// <summary>Octets from the start of the message.</summary>
    public int Offset { get; }

    /// <summary>Octets, as sent: may be below 512, which counts as 512.</summary>
    public ushort UdpPayloadSize => BinaryPrimitives.ReadUInt16BigEndian(Octets[Field.UdpPayloadSize..]);

    /// <summary>The high eight of twelve response code bits.</summary>
    public byte ExtendedResponseCode => Octets[Field.ExtendedResponseCode];
    public byte Version => Octets[Field.Version];

    /// <summary>The DO bit: the client wants DNSSEC records (RFC 3225).</summary>
    public bool DnssecOk => (Octets[Field.Flags] & 0x80) != 0;

    /// <summary>Options one after another: code, length, that many octets. Not looked at.</summary>
    internal ReadOnlySpan<byte> Options => Octets[BareLength..];

    internal static class Field // octet offsets from the root name
    {
        public const int Type = 1, UdpPayloadSize = 3, ExtendedResponseCode = 5, Version = 6, Flags = 7, DataLength = 9;
    }
}
