using Slirp.Wire;
using Slirp.Wire.Dhcp;

namespace Slirp.Services.Dhcp;

/// <summary>What tells one client from another: option 61 if it sent one, else its hardware address (RFC 2131 section 2).</summary>
internal readonly ref struct DhcpClient
{
    /// <summary>A marker octet in front of the longest option, or of a hardware address.</summary>
    public const int MaxLength = 1 + byte.MaxValue;

    private const byte ByIdentifier = 1, ByHardwareAddress = 2;

    private DhcpClient(ReadOnlySpan<byte> octets, MacAddress hardwareAddress)
    {
        Octets = octets;
        HardwareAddress = hardwareAddress;
    }

    public ReadOnlySpan<byte> Octets { get; }

    public MacAddress HardwareAddress { get; }

    /// <param name="buffer"><see cref="MaxLength"/> octets, which the client borrows.</param>
    public static DhcpClient Of(in DhcpView message, Span<byte> buffer)
    {
        ReadOnlySpan<byte> identifier = message.ClientIdentifier;
        if (identifier.Length >= 2) // RFC 2132 section 9.14: its minimum length is 2
        {
            buffer[0] = ByIdentifier;
            identifier.CopyTo(buffer[1..]);
            return new DhcpClient(buffer[..(1 + identifier.Length)], message.Chaddr);
        }
        buffer[0] = ByHardwareAddress;
        message.Chaddr.Write(buffer[1..]);
        return new DhcpClient(buffer[..(1 + MacAddress.Length)], message.Chaddr);
    }
}
