using System.Buffers.Binary;

namespace Slirp.Wire;

[Flags]
public enum VirtioNetFlags : byte
{
    None = 0,

    /// <summary>The checksum field holds the folded pseudo-header sum; whoever puts the frame on a wire finishes it.</summary>
    NeedsCsum = 1,

    /// <summary>The checksum was verified on the way here.</summary>
    DataValid = 2,
}

/// <summary>One kind, and perhaps <see cref="Ecn"/> with it.</summary>
public enum VirtioGsoType : byte
{
    None = 0,
    TcpV4 = 1,
    Udp = 3,
    TcpV6 = 4,
    UdpL4 = 5,
    Ecn = 0x80,
}

/// <summary>What stands before each frame of a TAP opened with IFF_VNET_HDR (struct virtio_net_hdr, linux/virtio_net.h).
/// </summary>
/// <remarks>Machine byte order, which for every machine this builds for is little-endian. Not checked against the frame:
/// whoever uses the offsets compares them with the frame's length first.</remarks>
/// <param name="HeaderLength">Octets of all headers, Ethernet included; a hint.</param>
/// <param name="GsoSize">Octets of payload per segment.</param>
/// <param name="ChecksumStart">Octets from the frame's start to where the sum begins.</param>
/// <param name="ChecksumOffset">Octets from there to the field.</param>
public record struct VirtioNetHeader(
    VirtioNetFlags Flags, VirtioGsoType GsoType, ushort HeaderLength, ushort GsoSize, ushort ChecksumStart, ushort ChecksumOffset)
{
    public const int Length = 10;

    /// <returns>False if there are fewer than <see cref="Length"/> octets.</returns>
    public static bool TryParse(ReadOnlySpan<byte> octets, out VirtioNetHeader header)
    {
        header = default;
        if (octets.Length < Length) return false;
        header = new VirtioNetHeader(
            (VirtioNetFlags)octets[0],
            (VirtioGsoType)octets[1],
            BinaryPrimitives.ReadUInt16LittleEndian(octets[2..]),
            BinaryPrimitives.ReadUInt16LittleEndian(octets[4..]),
            BinaryPrimitives.ReadUInt16LittleEndian(octets[6..]),
            BinaryPrimitives.ReadUInt16LittleEndian(octets[8..]));
        return true;
    }

    public readonly void Write(Span<byte> octets)
    {
        octets = octets[..Length];
        octets[0] = (byte)Flags;
        octets[1] = (byte)GsoType;
        BinaryPrimitives.WriteUInt16LittleEndian(octets[2..], HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(octets[4..], GsoSize);
        BinaryPrimitives.WriteUInt16LittleEndian(octets[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(octets[8..], ChecksumOffset);
    }
}
