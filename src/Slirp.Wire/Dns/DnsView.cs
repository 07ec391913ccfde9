using System.Buffers.Binary;

namespace Slirp.Wire.Dns;

/// <summary>Low four bits of the flags (RFC 1035 section 4.1.1). Unknown values are legal input.</summary>
public enum DnsResponseCode : byte
{
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
}

/// <summary>Read-only view of one DNS message in octets the caller owns (RFC 1035 section 4), without the
/// length prefix of TCP.</summary>
/// <remarks>Only the header is known to be there; what follows is checked by the method that walks it, in time linear in
/// the octets whatever the counts claim. Valid only while the span is.</remarks>
public readonly ref struct DnsView
{
    public const int HeaderLength = 12;

    /// <summary>What a client without EDNS takes over UDP (RFC 1035 section 4.2.1).</summary>
    public const int MinUdpPayloadSize = 512;

    /// <summary>A message that changes a zone (RFC 2136); its question is the zone.</summary>
    public const int UpdateOpcode = 5;

    private readonly ReadOnlySpan<byte> _octets;

    private DnsView(ReadOnlySpan<byte> octets) => _octets = octets;

    /// <returns>False if there are fewer than the 12 octets of a header.</returns>
    public static bool TryParse(ReadOnlySpan<byte> message, out DnsView dns)
    {
        dns = default;
        if (message.Length < HeaderLength) return false;
        dns = new DnsView(message);
        return true;
    }

    public ushort Id => ReadUInt16(Field.Id);
    public bool IsResponse => (Flags & Field.ResponseBit) != 0;

    /// <summary>0 is a standard query.</summary>
    public int Opcode => (Flags & Field.OpcodeMask) >> 11;
    public bool IsTruncated => (Flags & Field.TruncatedBit) != 0;
    public bool RecursionDesired => (Flags & Field.RecursionDesiredBit) != 0;
    public bool RecursionAvailable => (Flags & Field.RecursionAvailableBit) != 0;
    public DnsResponseCode ResponseCode => (DnsResponseCode)(Flags & Field.ResponseCodeMask);
    public ushort QuestionCount => ReadUInt16(Field.QuestionCount);
    public ushort AnswerCount => ReadUInt16(Field.AnswerCount);
    public ushort AuthorityCount => ReadUInt16(Field.AuthorityCount);
    public ushort AdditionalCount => ReadUInt16(Field.AdditionalCount);
    public ReadOnlySpan<byte> Octets => _octets;

    /// <summary>A header and nothing else, but for an OPT record.</summary>
    public bool IsBare =>
        QuestionCount == 0 && AnswerCount == 0 && AuthorityCount == 0
        && (AdditionalCount == 0 ? _octets.Length == HeaderLength : AdditionalCount == 1 && TryFindEdns(out _));

    /// <summary>The one question every query in use has.</summary>
    /// <returns>False if there is none or more than one, or it is cut short or compressed: in front of the first question
    /// there is no name to point to.</returns>
    public bool TryReadQuestion(out DnsQuestion question)
    {
        question = default;
        if (QuestionCount != 1) return false;
        int nameEnd = HeaderLength;
        if (!DomainName.TrySkip(_octets, ref nameEnd, out bool endsInPointer) || endsInPointer) return false;
        if (nameEnd + DnsQuestion.FixedLength > _octets.Length) return false;
        question = new DnsQuestion(_octets[HeaderLength..(nameEnd + DnsQuestion.FixedLength)]);
        return true;
    }

    /// <summary>Finds the OPT record (RFC 6891 section 6.1), the first if there are several.</summary>
    /// <returns>False if there is none, or the sections in front of it are malformed.</returns>
    public bool TryFindEdns(out DnsEdns edns)
    {
        edns = default;
        int offset = HeaderLength;
        for (int i = 0; i < QuestionCount; i++)
        {
            if (!DomainName.TrySkip(_octets, ref offset, out _)) return false;
            offset += DnsQuestion.FixedLength;
            if (offset > _octets.Length) return false;
        }
        int count = AnswerCount + AuthorityCount + AdditionalCount, firstAdditional = AnswerCount + AuthorityCount;
        for (int i = 0; i < count; i++)
        {
            int start = offset;
            if (!TrySkipRecord(ref offset, out ushort type)) return false;
            bool isOpt = type == DnsEdns.OptType && _octets[start] == 0; // its owner name is the root
            if (!isOpt || i < firstAdditional) continue;
            edns = new DnsEdns(_octets[start..offset], start);
            return true;
        }
        return false;
    }

    /// <summary>Octets the sender takes over UDP: what its OPT record says, and never below 512 (RFC 6891
    /// section 6.2.3).</summary>
    public int UdpPayloadSize =>
        TryFindEdns(out DnsEdns edns) ? Math.Max((int)edns.UdpPayloadSize, MinUdpPayloadSize) : MinUdpPayloadSize;

    private ushort Flags => ReadUInt16(Field.Flags);

    private ushort ReadUInt16(int offset) => BinaryPrimitives.ReadUInt16BigEndian(_octets[offset..]);

    private bool TrySkipRecord(ref int offset, out ushort type)
    {
        const int FixedLength = 10; // type, class, time to live, data length
        type = 0;
        int at = offset;
        if (!DomainName.TrySkip(_octets, ref at, out _) || at + FixedLength > _octets.Length) return false;
        type = ReadUInt16(at);
        int end = at + FixedLength + ReadUInt16(at + 8);
        if (end > _octets.Length) return false;
        offset = end;
        return true;
    }

    internal static class Field // octet offsets and bits, RFC 1035 section 4.1.1
    {
        public const int Id = 0, Flags = 2, QuestionCount = 4, AnswerCount = 6, AuthorityCount = 8, AdditionalCount = 10;
        public const int ResponseBit = 0x8000, OpcodeMask = 0x7800, TruncatedBit = 0x0200, RecursionDesiredBit = 0x0100,
            RecursionAvailableBit = 0x0080, ResponseCodeMask = 0x000f;
    }
}
