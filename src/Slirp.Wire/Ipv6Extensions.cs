using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>Where an IPv6 packet's extension headers end and what its fragment header, if any, said.</summary>
/// <remarks>All offsets are octets from the start of <see cref="Ipv6View.Payload"/>. In a fragment that is not the first,
/// the octets at <see cref="UpperOffset"/> are the middle of something and <see cref="UpperProtocol"/> is what the
/// fragment header named: the header that starts the reassembled piece, which may be another extension.</remarks>
public readonly record struct Ipv6UpperLayer
{
    public IpProtocol UpperProtocol { get; init; }
    public int UpperOffset { get; init; }

    /// <summary>The octet that names <see cref="UpperProtocol"/>: -34 for the IPv6 header's own Next Header field.</summary>
    public int UpperProtocolFieldOffset { get; init; }
    public bool HasFragment { get; init; }

    /// <summary>Octets; a multiple of 8.</summary>
    public int FragmentOffset { get; init; }
    public bool MoreFragments { get; init; }
    public uint FragmentIdentification { get; init; }
    public int FragmentHeaderOffset { get; init; }

    /// <summary>The protocol of the fragmentable part, from the fragment header itself.</summary>
    public IpProtocol FragmentNextHeader { get; init; }

    /// <summary>The octet that says "a fragment header follows": -34 for the IPv6 header's own Next Header field.</summary>
    public int NextHeaderFieldOffset { get; init; }

    /// <summary>Start of the piece a fragment carries.</summary>
    public int FragmentPayloadOffset => FragmentHeaderOffset + Ipv6FragmentBuilder.HeaderLength;

    /// <summary>Offset 0 and no more to come: a whole packet, to be taken as it is (RFC 6946).</summary>
    public bool IsAtomicFragment => HasFragment && FragmentOffset == 0 && !MoreFragments;
}

/// <summary>Finds the upper layer behind the extension headers of RFC 8200 section 4.</summary>
public static class Ipv6Extensions
{
    // A legal packet has at most one of each kind and two destination options, five in all; beyond is an attack.
    private const int MaxCount = 8;

    /// <returns>False if a header is cut short, hop-by-hop options are not first, there are two fragment headers, more
    /// than <see cref="MaxCount"/> headers, a routing header with segments left (we are nobody's waypoint; RFC 5095), or
    /// an unknown option whose type says discard (RFC 8200 section 4.2).</returns>
    public static bool TryWalk(in Ipv6View packet, out Ipv6UpperLayer upper)
    {
        upper = default;
        ReadOnlySpan<byte> octets = packet.Payload;
        IpProtocol protocol = packet.NextHeader;
        int offset = 0, nextHeaderField = Ipv6View.Field.NextHeader - Ipv6View.HeaderLength;
        var found = new Ipv6UpperLayer();

        for (int count = 0; IsExtension(protocol); count++)
        {
            if (count == MaxCount || protocol == IpProtocol.HopByHop && count > 0) return false;
            ReadOnlySpan<byte> rest = octets[offset..];
            if (!TryMeasure(protocol, rest, out int length)) return false;
            if (protocol == IpProtocol.Ipv6Fragment)
            {
                if (found.HasFragment) return false;
                found = ReadFragment(rest, offset, nextHeaderField);
            }
            nextHeaderField = offset;
            protocol = (IpProtocol)rest[0];
            offset += length;
            if (found.FragmentOffset > 0) break; // what follows continues an earlier piece: no header starts here
        }
        upper = found with { UpperProtocol = protocol, UpperOffset = offset, UpperProtocolFieldOffset = nextHeaderField };
        return true;
    }

    private static bool IsExtension(IpProtocol protocol) => protocol is IpProtocol.HopByHop or IpProtocol.Ipv6Routing
        or IpProtocol.Ipv6Fragment or IpProtocol.Ipv6DestinationOptions;

    private static bool TryMeasure(IpProtocol protocol, ReadOnlySpan<byte> header, out int length)
    {
        length = 8;
        if (header.Length < length) return false;
        if (protocol == IpProtocol.Ipv6Fragment) return true; // its second octet is reserved, not a length
        length = 8 + header[1] * 8;
        if (header.Length < length) return false;
        return protocol == IpProtocol.Ipv6Routing ? header[3] == 0 : AreOptionsAcceptable(header[2..length]);
    }

    private static bool AreOptionsAcceptable(ReadOnlySpan<byte> options)
    {
        while (!options.IsEmpty)
        {
            byte type = options[0];
            if (type >> 6 != 0) return false; // the top bits say: discard where not understood
            int length = type == 0 ? 1 : options.Length < 2 ? int.MaxValue : 2 + options[1]; // 0 is Pad1, a lone octet
            if (length > options.Length) return false;
            options = options[length..];
        }
        return true;
    }

    private static Ipv6UpperLayer ReadFragment(ReadOnlySpan<byte> header, int offset, int nextHeaderField)
    {
        int offsetAndFlags = BinaryPrimitives.ReadUInt16BigEndian(header[2..]);
        return new Ipv6UpperLayer
        {
            HasFragment = true,
            FragmentOffset = offsetAndFlags & 0xfff8,
            MoreFragments = (offsetAndFlags & 1) != 0,
            FragmentIdentification = BinaryPrimitives.ReadUInt32BigEndian(header[4..]),
            FragmentHeaderOffset = offset,
            FragmentNextHeader = (IpProtocol)header[0],
            NextHeaderFieldOffset = nextHeaderField,
        };
    }
}

/// <summary>The fragment header (RFC 8200 section 4.5).</summary>
public static class Ipv6FragmentBuilder
{
    public const int HeaderLength = 8;

    /// <param name="header">At least <see cref="HeaderLength"/> octets; exactly that many are written.</param>
    /// <param name="offset">Octets; a multiple of 8 below 65536.</param>
    public static void Write(Span<byte> header, IpProtocol nextHeader, int offset, bool moreFragments, uint identification)
    {
        header = header[..HeaderLength];
        header[0] = (byte)nextHeader;
        header[1] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(offset & 0xfff8 | (moreFragments ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(header[4..], identification);
    }
}
