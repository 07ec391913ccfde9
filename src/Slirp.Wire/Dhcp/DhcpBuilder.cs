using System.Buffers.Binary;
using System.Text;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Dhcp;

/// <summary>The fixed fields of a DHCP message; <c>sname</c> and <c>file</c> are sent empty.</summary>
public record struct DhcpFields(
    DhcpOperation Op, uint Xid, ushort Secs, bool IsBroadcast, Ipv4Address Ciaddr, Ipv4Address Yiaddr, Ipv4Address Siaddr,
    Ipv4Address Giaddr, MacAddress Chaddr);

/// <summary>Writes one DHCP message over Ethernet: fixed fields, then options in the order they are added, then
/// <see cref="Finish"/>.</summary>
/// <remarks>An option that does not fit the buffer is left out whole and its method answers false.</remarks>
public ref struct DhcpBuilder
{
    /// <summary>The shortest message old clients and relays take (RFC 1542 section 2.1).</summary>
    public const int MinLength = 300;

    private const int MaxOptionLength = 255;
    private readonly Span<byte> _buffer;
    private int _length;

    /// <param name="buffer">At least <see cref="MinLength"/> octets; its length is the limit of the message.</param>
    public DhcpBuilder(Span<byte> buffer, in DhcpFields fields)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(buffer.Length, MinLength, nameof(buffer));
        _buffer = buffer;
        _length = DhcpView.HeaderLength;
        Span<byte> header = buffer[..DhcpView.HeaderLength];
        header.Clear();
        header[DhcpView.Field.Op] = (byte)fields.Op;
        header[DhcpView.Field.HardwareType] = DhcpView.Field.Ethernet;
        header[DhcpView.Field.HardwareLength] = MacAddress.Length;
        BinaryPrimitives.WriteUInt32BigEndian(header[DhcpView.Field.Xid..], fields.Xid);
        BinaryPrimitives.WriteUInt16BigEndian(header[DhcpView.Field.Secs..], fields.Secs);
        if (fields.IsBroadcast) header[DhcpView.Field.Flags] = 0x80;
        fields.Ciaddr.Write(header[DhcpView.Field.Ciaddr..]);
        fields.Yiaddr.Write(header[DhcpView.Field.Yiaddr..]);
        fields.Siaddr.Write(header[DhcpView.Field.Siaddr..]);
        fields.Giaddr.Write(header[DhcpView.Field.Giaddr..]);
        fields.Chaddr.Write(header[DhcpView.Field.Chaddr..]);
        BinaryPrimitives.WriteUInt32BigEndian(header[DhcpView.Field.Cookie..], DhcpView.Field.MagicCookie);
    }

    public bool AddMessageType(DhcpMessageType type) => AddOctets(DhcpOptionCode.MessageType, [(byte)type]);

    public bool AddAddress(DhcpOptionCode code, Ipv4Address address) => AddAddresses(code, [address]);

    /// <returns>False also if there are no addresses: such an option must not be sent empty.</returns>
    public bool AddAddresses(DhcpOptionCode code, scoped ReadOnlySpan<Ipv4Address> addresses)
    {
        if (addresses.IsEmpty || !TryReserve(code, addresses.Length * Ipv4Address.Length, out Span<byte> value)) return false;
        for (int i = 0; i < addresses.Length; i++) addresses[i].Write(value[(i * Ipv4Address.Length)..]);
        return true;
    }

    public bool AddUInt16(DhcpOptionCode code, ushort number)
    {
        if (!TryReserve(code, sizeof(ushort), out Span<byte> value)) return false;
        BinaryPrimitives.WriteUInt16BigEndian(value, number);
        return true;
    }

    public bool AddUInt32(DhcpOptionCode code, uint number)
    {
        if (!TryReserve(code, sizeof(uint), out Span<byte> value)) return false;
        BinaryPrimitives.WriteUInt32BigEndian(value, number);
        return true;
    }

    /// <param name="text">ASCII; other characters are sent as question marks. No zero is put behind it.</param>
    public bool AddText(DhcpOptionCode code, scoped ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !TryReserve(code, text.Length, out Span<byte> value)) return false;
        Encoding.ASCII.GetBytes(text, value);
        return true;
    }

    public bool AddOctets(DhcpOptionCode code, scoped ReadOnlySpan<byte> octets)
    {
        if (!TryReserve(code, octets.Length, out Span<byte> value)) return false;
        octets.CopyTo(value);
        return true;
    }

    /// <summary>The search list, uncompressed (RFC 3397), split over several options where 255 octets are too few
    /// (RFC 3396).</summary>
    /// <returns>False if there are no names, one is not a domain name, or they do not fit: then none is written.</returns>
    public bool AddDomainSearch(scoped ReadOnlySpan<string> domains)
    {
        Span<byte> names = stackalloc byte[MaxSearchLength];
        if (domains.IsEmpty || !TryWriteNames(domains, names, out int length)) return false;
        int start = _length;
        for (int at = 0; at < length; at += MaxOptionLength)
        {
            if (AddOctets(DhcpOptionCode.DomainSearch, names[at..Math.Min(at + MaxOptionLength, length)])) continue;
            _length = start;
            return false;
        }
        return true;
    }

    /// <summary>Closes the options and fills up to <see cref="MinLength"/> with zeros.</summary>
    /// <returns>Length of the message.</returns>
    public int Finish()
    {
        _buffer[_length++] = (byte)DhcpOptionCode.End;
        if (_length < MinLength)
        {
            _buffer[_length..MinLength].Clear();
            _length = MinLength;
        }
        return _length;
    }

    private const int MaxSearchLength = 1024; // more than fits a message of an ordinary MTU beside the other options

    private static bool TryWriteNames(ReadOnlySpan<string> domains, Span<byte> names, out int length)
    {
        length = 0;
        foreach (string domain in domains)
        {
            if (!DomainName.TryWrite(domain, names[length..], out int written)) return false;
            length += written;
        }
        return true;
    }

    private bool TryReserve(DhcpOptionCode code, int length, out Span<byte> value)
    {
        value = default;
        int end = _length + 2 + length;
        if (length > MaxOptionLength || end + 1 > _buffer.Length) return false; // one octet is kept for End
        _buffer[_length] = (byte)code;
        _buffer[_length + 1] = (byte)length;
        value = _buffer[(_length + 2)..end];
        _length = end;
        return true;
    }
}
