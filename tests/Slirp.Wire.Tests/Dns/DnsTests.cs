using System.Buffers.Binary;
using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests.Dns;

public class DnsTests
{
    private const string Question = "076578616d706c6503636f6d00 0001 0001"; // example.com A IN
    private const string Opt = "00 0029 1000 00 00 8000 0000";               // 4096 octets, DO, no options
    private const string Query = "beef 0100 0001 0000 0000 0000" + Question;
    private const string QueryWithOpt = "beef 0100 0001 0000 0000 0001" + Question + Opt;
    private const string Answer = "c00c 0001 0001 0000003c 0004 5db8d822";
    private const string OptWithCookie = "00 0029 04d0 01 00 0000 000c 000a0008 1122334455667788";
    private const string Reply = "beef 8580 0001 0001 0000 0001" + Question + Answer + OptWithCookie;

    public static TheoryData<string, string, bool> Questions => new()
    {
        { "one question",                          Query,                                              true },
        { "no question",                           "beef 0100 0000 0000 0000 0000" + Question,         false },
        { "two questions",                         "beef 0100 0002 0000 0000 0000" + Question + Question, false },
        { "65535 questions",                       "beef 0100 ffff 0000 0000 0000" + Question,         false },
        { "the root's name servers",               "beef 0100 0001 0000 0000 0000 00 0002 0001",       true },
        { "a pointer into the header",             "beef 0100 0001 0000 0000 0000 c000 0001 0001",     false },
        { "a label, then a pointer",               "beef 0100 0001 0000 0000 0000 0161 c00c 0001 0001", false },
        { "label of 64",                           "beef 0100 0001 0000 0000 0000 4061 00 0001 0001",  false },
        { "class cut short",                       "beef 0100 0001 0000 0000 0000 0161 00 0001 00",    false },
    };

    public static TheoryData<string, string, int> PayloadSizes => new()
    {
        { "no OPT record",                         Query,                                              512 },
        { "4096",                                  QueryWithOpt,                                       4096 },
        { "below 512 counts as 512",               "beef 0100 0000 0000 0000 0001 00 0029 0100 00000000 0000", 512 },
        { "behind other records",                  Reply,                                              1232 },
        { "an OPT in the answer section is none",  "beef 0100 0001 0001 0000 0000" + Question + Opt,   512 },
        { "an OPT whose owner is not the root",    "beef 0100 0000 0000 0000 0001 0161 00 0029 1000 00008000 0000", 512 },
        { "the record in front runs past the end", "beef 0100 0001 0001 0000 0001" + Question + "c00c 0001 0001 0000003c ffff" + Opt, 512 },
        { "the OPT itself runs past the end",      "beef 0100 0000 0000 0000 0001 00 0029 1000 00008000 0004", 512 },
        { "counts claim records that are not there", "beef 0100 0001 ffff ffff ffff" + Question,       512 },
    };

    [Theory]
    [MemberData(nameof(Questions))]
    public void TryReadQuestion_judges(string why, string message, bool expected)
    {
        Assert.True(DnsView.TryParse(Hex.Octets(message), out DnsView dns));
        Assert.True(expected == dns.TryReadQuestion(out _), why);
    }

    [Theory]
    [MemberData(nameof(PayloadSizes))]
    public void Udp_payload_size_is_found(string why, string message, int expected)
    {
        Assert.True(DnsView.TryParse(Hex.Octets(message), out DnsView dns));
        Assert.Equal((why, expected), (why, dns.UdpPayloadSize));
    }

    [Fact]
    public void Fields_are_read()
    {
        Assert.True(DnsView.TryParse(Hex.Octets(Reply), out DnsView dns));
        Assert.Equal((0xbeef, true, 0, false), (dns.Id, dns.IsResponse, dns.Opcode, dns.IsTruncated));
        Assert.Equal((true, true, DnsResponseCode.NoError), (dns.RecursionDesired, dns.RecursionAvailable, dns.ResponseCode));
        Assert.Equal((1, 1, 0, 1), (dns.QuestionCount, dns.AnswerCount, dns.AuthorityCount, dns.AdditionalCount));
        Assert.True(dns.TryReadQuestion(out DnsQuestion question));
        Assert.Equal(("example.com.", 1, 1), (DomainName.ToText(question.Name), question.Type, question.Class));
        Assert.True(dns.TryFindEdns(out DnsEdns edns));
        Assert.Equal((1232, 1, 0, false), (edns.UdpPayloadSize, edns.ExtendedResponseCode, edns.Version, edns.DnssecOk));
        Assert.Equal(OptWithCookie.Replace(" ", ""), Hex.Text(edns.Octets));
    }

    [Fact]
    public void Truncations_never_throw()
    {
        byte[] reply = Hex.Octets(Reply);
        byte[] buffer = new byte[600];
        for (int length = 0; length < reply.Length; length++)
        {
            byte[] cut = reply[..length];
            Assert.Equal(length >= DnsView.HeaderLength, DnsView.TryParse(cut, out DnsView dns));
            if (length < DnsView.HeaderLength) continue;
            Assert.Equal(length >= 29, dns.TryReadQuestion(out _));
            Assert.False(dns.TryFindEdns(out _));
            Assert.Equal(length >= 29 ? 29 : 0, DnsBuilder.WriteTruncated(buffer, cut));
            Assert.Equal(length, DnsBuilder.WriteWithoutOption(buffer, cut, DnsEdns.CookieOption));
        }
    }

    [Fact]
    public void Questions_match_without_regard_to_case()
    {
        byte[] other = Hex.Octets(Query);
        other[13] = (byte)'E';
        Assert.True(DnsView.TryParse(Hex.Octets(Query), out DnsView a));
        Assert.True(DnsView.TryParse(other, out DnsView b));
        Assert.True(a.TryReadQuestion(out DnsQuestion one));
        Assert.True(b.TryReadQuestion(out DnsQuestion two));
        Assert.True(one.Matches(two));
        other[^3] = 28;
        Assert.False(one.Matches(two));
    }

    public static TheoryData<string, string, DnsResponseCode, string> Errors => new()
    {
        { "plain query",          Query,        DnsResponseCode.ServerFailure,  "beef 8182 0001 0000 0000 0000" + Question },
        { "OPT is answered by OPT, DO kept", QueryWithOpt, DnsResponseCode.ServerFailure,
            "beef 8182 0001 0000 0000 0001" + Question + "00 0029 04d0 0000 8000 0000" },
        { "opcode kept, RD not invented", "beef 2000 0001 0000 0000 0000" + Question, DnsResponseCode.NotImplemented,
            "beef a084 0001 0000 0000 0000" + Question },
        { "unreadable question: header only", "beef 0100 0001 0000 0000 0000 c00c 0001 0001", DnsResponseCode.FormatError,
            "beef 8181 0000 0000 0000 0000" },
        { "header alone",         "beef 0100 0000 0000 0000 0000", DnsResponseCode.FormatError, "beef 8181 0000 0000 0000 0000" },
        { "a response is not answered", Reply,  DnsResponseCode.ServerFailure,  "" },
        { "shorter than a header", "beef 0100 0001", DnsResponseCode.FormatError, "" },
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void Errors_answer_the_query(string why, string query, DnsResponseCode code, string expected)
    {
        byte[] buffer = new byte[DnsBuilder.MaxErrorLength];
        Array.Fill(buffer, (byte)0xee);
        int length = DnsBuilder.WriteError(buffer, Hex.Octets(query), code);
        Assert.Equal((why, expected.Replace(" ", "")), (why, Hex.Text(buffer.AsSpan(0, length))));
    }

    [Fact]
    public void The_longest_question_fits_the_room_promised()
    {
        byte[] name = new byte[255];
        for (int at = 0, label = 63; at < 254; at += 1 + label)
        {
            label = Math.Min(63, 254 - at - 1);
            name[at] = (byte)label;
        }
        byte[] query = [.. Hex.Octets("beef 0100 0001 0000 0000 0001"), .. name, 0, 1, 0, 1, .. Hex.Octets(Opt)];
        int length = DnsBuilder.WriteError(new byte[DnsBuilder.MaxErrorLength], query, DnsResponseCode.ServerFailure);
        Assert.Equal(DnsBuilder.MaxErrorLength, length);
    }

    [Theory]
    [InlineData("everything fits", 512, OptWithCookie)]
    [InlineData("the cookie does not", 45, "00 0029 04d0 01 00 0000 0000")]
    [InlineData("no OPT fits", 39, "")]
    public void A_reply_is_cut_to_its_question(string why, int limit, string opt)
    {
        string count = opt.Length == 0 ? "0000" : "0001";
        string expected = ("beef 8780 0001 0000 0000" + count + Question + opt).Replace(" ", "");
        byte[] buffer = new byte[limit];
        int length = DnsBuilder.WriteTruncated(buffer, Hex.Octets(Reply));
        Assert.Equal((why, expected), (why, Hex.Text(buffer.AsSpan(0, length))));

        byte[] reply = Hex.Octets(Reply);
        length = DnsBuilder.WriteTruncated(reply.AsSpan(0, Math.Min(limit, reply.Length)), reply);
        Assert.Equal(("in place: " + why, expected), ("in place: " + why, Hex.Text(reply.AsSpan(0, length))));
    }

    [Fact]
    public void WriteId_changes_the_identifier_and_nothing_else()
    {
        byte[] message = Hex.Octets(Reply);
        DnsBuilder.WriteId(message, 0x1234);
        Assert.Equal(0x1234, BinaryPrimitives.ReadUInt16BigEndian(message));
        Assert.Equal(Hex.Octets(Reply)[2..], message[2..]);
    }
}
