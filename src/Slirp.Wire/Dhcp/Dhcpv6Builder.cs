using System.Buffers.Binary;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Dhcp;

/// <summary>Writes one DHCPv6 message: header, then options in the order they are added.</summary>
/// <remarks>An option that does not fit the buffer is left out whole and its method answers false.</remarks>
public ref struct Dhcpv6Builder
{
    /// <summary>Octets of the DUID that <see cref="WriteLinkLayerDuid"/> makes.</summary>
    public const int LinkLayerDuidLength = 4 + MacAddress.Length;

    private const int OptionHeaderLength = 4;
    private readonly Span<byte> _buffer;

    /// <param name="buffer">At least four octets; its length is the limit of the message.</param>
    /// <param name="transactionId">24 bits; what is above them is not written.</param>
    public Dhcpv6Builder(Span<byte> buffer, Dhcpv6MessageType type, uint transactionId)
    {
        _buffer = buffer;
        BinaryPrimitives.WriteUInt32BigEndian(buffer, (uint)type << 24 | transactionId & 0xff_ffff);
        Length = Dhcpv6View.HeaderLength;
    }

    /// <summary>Octets of the message so far.</summary>
    public int Length { get; private set; }

    /// <summary>A DUID made from a hardware address, which needs no storage (DUID-LL, RFC 8415 section 11.4).</summary>
    public static void WriteLinkLayerDuid(Span<byte> duid, MacAddress mac)
    {
        const uint LinkLayerOverEthernet = 0x0003_0001;
        BinaryPrimitives.WriteUInt32BigEndian(duid, LinkLayerOverEthernet);
        mac.Write(duid[4..]);
    }

    public bool AddOctets(Dhcpv6OptionCode code, scoped ReadOnlySpan<byte> octets)
    {
        if (!TryReserve(code, octets.Length, out Span<byte> value)) return false;
        octets.CopyTo(value);
        return true;
    }

    public bool AddUInt32(Dhcpv6OptionCode code, uint number)
    {
        if (!TryReserve(code, sizeof(uint), out Span<byte> value)) return false;
        BinaryPrimitives.WriteUInt32BigEndian(value, number);
        return true;
    }

    /// <returns>False also if there are no addresses: such an option must not be sent empty.</returns>
    public bool AddAddresses(Dhcpv6OptionCode code, scoped ReadOnlySpan<IpAddress> addresses)
    {
        const int AddressLength = 16;
        if (addresses.IsEmpty || !TryReserve(code, addresses.Length * AddressLength, out Span<byte> value)) return false;
        for (int i = 0; i < addresses.Length; i++) addresses[i].WriteIpv6(value[(i * AddressLength)..]);
        return true;
    }

    /// <summary>The codes a client asks for.</summary>
    public bool AddOptionRequest(scoped ReadOnlySpan<Dhcpv6OptionCode> codes)
    {
        if (codes.IsEmpty || !TryReserve(Dhcpv6OptionCode.OptionRequest, codes.Length * 2, out Span<byte> value)) return false;
        for (int i = 0; i < codes.Length; i++) BinaryPrimitives.WriteUInt16BigEndian(value[(i * 2)..], (ushort)codes[i]);
        return true;
    }

    /// <summary>The search list (RFC 3646 section 4).</summary>
    /// <returns>False if there are no names, one is not a domain name, or they do not fit: then none is written.</returns>
    public bool AddDomainList(scoped ReadOnlySpan<string> domains)
    {
        if (domains.IsEmpty || Length + OptionHeaderLength > _buffer.Length) return false;
        int at = Length + OptionHeaderLength;
        foreach (string domain in domains)
        {
            if (!DomainName.TryWrite(domain, _buffer[at..], out int written)) return false;
            at += written;
        }
        return TryReserve(Dhcpv6OptionCode.DomainList, at - Length - OptionHeaderLength, out _);
    }

    private bool TryReserve(Dhcpv6OptionCode code, int length, out Span<byte> value)
    {
        value = default;
        int end = Length + OptionHeaderLength + length;
        if (length > ushort.MaxValue || end > _buffer.Length) return false;
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[Length..], (ushort)code);
        BinaryPrimitives.WriteUInt16BigEndian(_buffer[(Length + 2)..], (ushort)length);
        value = _buffer[(Length + OptionHeaderLength)..end];
        Length = end;
        return true;
    }
}
