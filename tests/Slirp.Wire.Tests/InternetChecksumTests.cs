using System.Buffers.Binary;

namespace Slirp.Wire.Tests;

public class InternetChecksumTests
{
    public static TheoryData<string, string, int> Vectors => new()
    {
        { "the example of RFC 1071 section 3",            "0001 f203 f4f5 f6f7",                            0xddf2 },
        { "no octets at all",                             "",                                               0x0000 },
        { "a lone octet is the high half of a word",      "ab",                                             0xab00 },
        { "an odd octet behind whole words",              "0001 02",                                        0x0201 },
        { "all ones stay minus zero, not zero",           "ffff ffff",                                      0xffff },
        { "a carry out of the carry",                     "ffff 0001 ffff ffff 0001",                       0x0002 },
        { "IPv4 header with its checksum sums to ffff",   "4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7", 0xffff },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Sum_matches_the_vector(string why, string octets, int expected) =>
        Assert.True(expected == InternetChecksum.Fold(InternetChecksum.Sum(Hex.Octets(octets))), why);

    [Fact]
    public void Sum_equals_the_plain_loop_for_every_short_length_at_every_alignment()
    {
        var random = new Random(1071);
        byte[] buffer = new byte[400];
        random.NextBytes(buffer);
        for (int length = 0; length <= 300; length++)
            for (int start = 0; start < 64; start++)
                AssertSumIsReference(buffer.AsSpan(start, length), initial: (uint)random.NextInt64(1L << 32));
    }

    [Fact]
    public void Sum_equals_the_plain_loop_for_long_messages()
    {
        var random = new Random(1624);
        byte[] buffer = new byte[70_000];
        random.NextBytes(buffer);
        for (int i = 0; i < 300; i++)
        {
            int start = random.Next(100);
            AssertSumIsReference(buffer.AsSpan(start, random.Next(buffer.Length - start)), initial: (uint)random.Next());
        }
        Array.Fill(buffer, (byte)0xff);
        AssertSumIsReference(buffer, uint.MaxValue);
        AssertSumIsReference(buffer.AsSpan(1, 65_535), 0);
    }

    [Fact]
    public void Pieces_of_even_length_chain_to_the_sum_of_the_whole()
    {
        var random = new Random(7);
        byte[] message = new byte[3001];
        for (int i = 0; i < 2000; i++)
        {
            random.NextBytes(message);
            int first = random.Next(1500) * 2, second = first + random.Next((message.Length - first) / 2) * 2;
            uint chained = InternetChecksum.Sum(message.AsSpan(0, first));
            chained = InternetChecksum.Sum(message.AsSpan(first, second - first), chained);
            chained = InternetChecksum.Sum(message.AsSpan(second), chained);
            Assert.Equal(Reference(message, 0), InternetChecksum.Fold(chained));
        }
    }

    [Fact]
    public void Sum_is_zero_only_for_zeros()
    {
        for (int length = 1; length <= 200; length++)
        {
            byte[] octets = new byte[length];
            Assert.Equal(0u, InternetChecksum.Sum(octets));
            Array.Fill(octets, (byte)0xff);
            Assert.NotEqual(0, InternetChecksum.Fold(InternetChecksum.Sum(octets)));
        }
    }

    [Theory]
    [InlineData("10.0.2.100", "10.0.2.2", 6, 20)]
    [InlineData("255.255.255.255", "255.255.255.255", 255, 65535)]
    [InlineData("fd00::1", "fd00::2", 17, 8)]
    [InlineData("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 58, 0x12345)]
    public void Pseudo_header_sums_as_its_octets_do(string source, string destination, byte protocol, int length)
    {
        IpAddress from = IpAddress.Parse(source), to = IpAddress.Parse(destination);
        byte[] octets = new byte[from.Length * 2 + 8];
        from.Write(octets);
        to.Write(octets.AsSpan(from.Length));
        BinaryPrimitives.WriteInt32BigEndian(octets.AsSpan(from.Length * 2), length);
        octets[^1] = protocol;
        uint sum = InternetChecksum.PseudoHeader(from, to, (IpProtocol)protocol, length);
        Assert.Equal(Reference(octets, 0), InternetChecksum.Fold(sum));
    }

    [Fact]
    public void Incremental_update_equals_recomputation()
    {
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        byte[] header = new byte[20];
        for (int i = 0; i < 100_000; i++)
        {
            random.NextBytes(header);
            header[0] |= 0x40; // a header is never all zeros, the one case where the two zeros part
            header.AsSpan(10, 2).Clear();
            ushort checksum = InternetChecksum.Finish(InternetChecksum.Sum(header));
            int at = random.Next(1, 5) * 2;
            ushort before = BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(at));
            ushort after = random.Next(4) switch { 0 => 0, 1 => 0xffff, 2 => (ushort)~before, _ => (ushort)random.Next(65536) };
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(at), after);
            ushort expected = InternetChecksum.Finish(InternetChecksum.Sum(header));
            Assert.True(expected == InternetChecksum.Update(checksum, before, after), $"seed {seed}, round {i}");
        }
    }

    private static void AssertSumIsReference(ReadOnlySpan<byte> octets, uint initial) =>
        Assert.Equal(Reference(octets, initial), InternetChecksum.Fold(InternetChecksum.Sum(octets, initial)));

    /// <summary>RFC 1071 word by word, carries folded at the very end.</summary>
    private static ushort Reference(ReadOnlySpan<byte> octets, uint initial)
    {
        ulong sum = initial;
        for (int i = 0; i < octets.Length; i++) sum += i % 2 == 0 ? (ulong)octets[i] << 8 : octets[i];
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
