using System.Buffers.Binary;

namespace Slirp.Wire.Dns;

/// <summary>The few DNS messages a forwarder makes itself, and the little it changes in others.</summary>
public static class DnsBuilder
{
    /// <summary>Room that <see cref="WriteError"/> never exceeds.</summary>
    public const int MaxErrorLength = DnsView.HeaderLength + DomainName.MaxLength + DnsQuestion.FixedLength + DnsEdns.BareLength;

    // 1232: what fits the minimum IPv6 MTU without fragments; we only announce it, a client sends small queries.
    private const ushort AnnouncedUdpPayloadSize = 1232;

    /// <summary>Gives the message another identifier; nothing else changes.</summary>
    public static void WriteId(Span<byte> message, ushort id) =>
        BinaryPrimitives.WriteUInt16BigEndian(message[DnsView.Field.Id..], id);

    /// <summary>The answer "no answer" to a query: its identifier, opcode, question and, if it had one, an OPT record.</summary>
    /// <param name="destination"><see cref="MaxErrorLength"/> octets are always enough; not the query's own.</param>
    /// <returns>Length of the answer; zero if the query is shorter than a header or is itself a response, which must
    /// not be answered at all (two servers would answer each other for ever).</returns>
    public static int WriteError(Span<byte> destination, ReadOnlySpan<byte> query, DnsResponseCode code)
    {
        if (!DnsView.TryParse(query, out DnsView dns) || dns.IsResponse) return 0;
        bool hasQuestion = dns.TryReadQuestion(out DnsQuestion question);
        bool hasEdns = dns.TryFindEdns(out DnsEdns edns);
        int flags = DnsView.Field.ResponseBit | DnsView.Field.RecursionAvailableBit | dns.Opcode << 11 | (int)code & 0xf;
        if (dns.RecursionDesired) flags |= DnsView.Field.RecursionDesiredBit;

        WriteHeader(destination, dns.Id, flags, hasQuestion, hasEdns);
        int length = DnsView.HeaderLength;
        if (hasQuestion)
        {
            question.Octets.CopyTo(destination[length..]);
            length += question.Octets.Length;
        }
        return hasEdns ? length + WriteBareEdns(destination[length..], edns.DnssecOk) : length;
    }

    /// <summary>Cuts a reply down to header and question, with the TC bit set: the client asks again over TCP.</summary>
    /// <param name="destination">As long as the client takes, at least 512 octets; may be the reply's own buffer.</param>
    /// <returns>Length of what is left: the OPT record stays if it fits, without its options if only that fits. Zero if the
    /// reply has no readable question.</returns>
    public static int WriteTruncated(Span<byte> destination, ReadOnlySpan<byte> reply)
    {
        if (!DnsView.TryParse(reply, out DnsView dns) || !dns.TryReadQuestion(out DnsQuestion question)) return 0;
        int length = DnsView.HeaderLength + question.Octets.Length;
        bool hasEdns = dns.TryFindEdns(out DnsEdns edns) && length + DnsEdns.BareLength <= destination.Length;
        int flags = BinaryPrimitives.ReadUInt16BigEndian(reply[DnsView.Field.Flags..]) | DnsView.Field.TruncatedBit;
        ushort id = dns.Id;

        // In one buffer, header and question are in place already and the OPT record only moves down over what is dropped.
        reply[DnsView.HeaderLength..length].CopyTo(destination[DnsView.HeaderLength..]);
        if (hasEdns) length += CopyEdns(destination[length..], edns);
        WriteHeader(destination, id, flags, hasQuestion: true, hasEdns);
        return length;
    }

    /// <summary>Copies a query without one kind of its EDNS options; all else stays as it is.</summary>
    /// <param name="destination">As long as the query; not its own.</param>
    /// <returns>Length of the copy. It is a whole one if the options are malformed, or if anything stands behind the OPT
    /// record: a signature (RFC 8945, RFC 2931), which is the last record, covers what would be left out.</returns>
    public static int WriteWithoutOption(Span<byte> destination, ReadOnlySpan<byte> query, ushort option)
    {
        query.CopyTo(destination);
        if (!DnsView.TryParse(query, out DnsView dns) || !dns.TryFindEdns(out DnsEdns edns)) return query.Length;
        if (edns.Offset + edns.Octets.Length != query.Length) return query.Length;
        int start = edns.Offset + DnsEdns.BareLength, length = start;
        for (ReadOnlySpan<byte> rest = edns.Options; !rest.IsEmpty;)
        {
            int end = rest.Length < 4 ? int.MaxValue : 4 + BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
            if (end > rest.Length)
            {
                query.CopyTo(destination);
                return query.Length;
            }
            if (BinaryPrimitives.ReadUInt16BigEndian(rest) != option)
            {
                rest[..end].CopyTo(destination[length..]);
                length += end;
            }
            rest = rest[end..];
        }
        BinaryPrimitives.WriteUInt16BigEndian(destination[(edns.Offset + DnsEdns.Field.DataLength)..], (ushort)(length - start));
        return length;
    }

    private static int CopyEdns(Span<byte> destination, in DnsEdns edns)
    {
        bool fits = edns.Octets.Length <= destination.Length;
        int length = fits ? edns.Octets.Length : DnsEdns.BareLength;
        edns.Octets[..length].CopyTo(destination);
        if (!fits) BinaryPrimitives.WriteUInt16BigEndian(destination[DnsEdns.Field.DataLength..], 0);
        return length;
    }

    private static int WriteBareEdns(Span<byte> destination, bool dnssecOk)
    {
        destination = destination[..DnsEdns.BareLength];
        destination.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsEdns.Field.Type..], DnsEdns.OptType);
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsEdns.Field.UdpPayloadSize..], AnnouncedUdpPayloadSize);
        if (dnssecOk) destination[DnsEdns.Field.Flags] = 0x80;
        return DnsEdns.BareLength;
    }

    private static void WriteHeader(Span<byte> destination, ushort id, int flags, bool hasQuestion, bool hasEdns)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsView.Field.Id..], id);
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsView.Field.Flags..], (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsView.Field.QuestionCount..], (ushort)(hasQuestion ? 1 : 0));
        BinaryPrimitives.WriteUInt32BigEndian(destination[DnsView.Field.AnswerCount..], 0); // and the authority count
        BinaryPrimitives.WriteUInt16BigEndian(destination[DnsView.Field.AdditionalCount..], (ushort)(hasEdns ? 1 : 0));
    }
}
