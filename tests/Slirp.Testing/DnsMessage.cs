using System.Buffers.Binary;
using System.Text;

namespace Slirp.Testing;

/// <summary>DNS messages composed by hand, so that the forwarder is not judged by its own code.</summary>
public static class DnsMessage
{
    public const int NoError = 0, FormErr = 1, ServFail = 2, NxDomain = 3, NotImp = 4, Refused = 5;

    private const ushort RecursionDesired = 0x0100, Response = 0x8000, Truncated = 0x0200, RecursionAvailable = 0x0080;

    public static byte[] Name(string name)
    {
        var octets = new List<byte>();
        foreach (string label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            octets.Add((byte)label.Length);
            octets.AddRange(Encoding.ASCII.GetBytes(label));
        }
        octets.Add(0);
        return [.. octets];
    }

    /// <param name="ednsSize">Null: no OPT record.</param>
    /// <param name="padding">Octets of an EDNS padding option.</param>
    public static byte[] Query(int id, string name = "www.example.com", ushort type = 1, int? ednsSize = null, int padding = -1)
    {
        byte[] edns = ednsSize is { } size ? Edns(size, padding) : [];
        byte[] header = Header(id, RecursionDesired, 1, 0, 0, edns.Length > 0 ? 1 : 0);
        return [.. header, .. Name(name), .. Word(type), .. Word(1), .. edns];
    }

    /// <summary>An answer to a query as the resolver got it, with <paramref name="records"/> records of 16 octets.</summary>
    public static byte[] Answer(byte[] query, int code = NoError, int records = 1, int ednsSize = -1)
    {
        int questionEnd = QuestionEnd(query);
        byte[] header = Header(Id(query), Response | RecursionDesired | RecursionAvailable | code, 1, records, 0, ednsSize >= 0 ? 1 : 0);
        var answer = new List<byte>([.. header, .. query.AsSpan(12, questionEnd - 12)]);
        for (int i = 0; i < records; i++)
            answer.AddRange([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, (byte)(i >> 8), (byte)i]);
        if (ednsSize >= 0) answer.AddRange(Edns(ednsSize, -1));
        return [.. answer];
    }

    public static int Id(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16BigEndian(message);

    public static int AnswerCount(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16BigEndian(message[6..]);

    public static int Code(ReadOnlySpan<byte> message) => message[3] & 15;

    public static bool IsTruncated(ReadOnlySpan<byte> message) => (message[2] & 2) != 0;

    public static bool IsResponse(ReadOnlySpan<byte> message) => (message[2] & 0x80) != 0;

    public static byte[] WithId(byte[] message, int id) => [(byte)(id >> 8), (byte)id, .. message.AsSpan(2)];

    public static int QuestionEnd(ReadOnlySpan<byte> message)
    {
        int at = 12;
        while (message[at] != 0) at += 1 + message[at];
        return at + 5;
    }

    public static byte[] Header(int id, int flags, int questions, int answers, int authorities, int additionals) =>
        [.. Word(id), .. Word(flags), .. Word(questions), .. Word(answers), .. Word(authorities), .. Word(additionals)];

    private static byte[] Edns(int size, int padding)
    {
        byte[] option = padding < 0 ? [] : [.. Word(12), .. Word(padding), .. new byte[padding]];
        return [0, 0, 41, .. Word(size), 0, 0, 0, 0, .. Word(option.Length), .. option];
    }

    private static byte[] Word(int value) => [(byte)(value >> 8), (byte)value];
}
