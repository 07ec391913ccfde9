namespace Slirp.Wire.Tests;

public class TcpOptionsTests
{
    public static TheoryData<string, string, string> Vectors => new()
    {
        { "no options",                               "",                                          "" },
        { "the SYN of Linux",                         "020405b4 0402080a 00000001 00000000 01030307", "mss 1460 ws 7 sackok ts 1 0" },
        { "the layout of established segments",       "0101080a 11223344 55667788",                "ts 287454020 1432778632" },
        { "end of options stops the walk",            "0000 020405b4",                             "" },
        { "an unknown option is stepped over",        "fe04beef 020405b4",                         "mss 1460" },
        { "length 0 would never move on",             "020405b4 0300 0402",                        "mss 1460" },
        { "length 1 is shorter than itself",          "020405b4 0801 0402",                        "mss 1460" },
        { "length past the end ends the walk",        "020405b4 080a 0000",                        "mss 1460" },
        { "a kind whose length is cut off",           "0402 08",                                   "sackok" },
        { "a known kind of a wrong length",           "0203ff 030401ff 0403ff 080300 020405b4",    "mss 1460" },
        { "a shift of 15 and more counts as 14",      "0303ff",                                    "ws 14" },
        { "an MSS of zero says nothing",              "02040000",                                  "" },
        { "the last of two counts",                   "020405b4 02040218",                         "mss 536" },
        { "one SACK block",                           "0101050a 00000010 00000020",                "sack [16-32]" },
        { "SACK length that is no whole block",       "0101050b 00000010 00000020 00 0402",        "sackok" },
        { "SACK without a block",                     "0502 0402",                                 "sackok" },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Parse_reads(string why, string options, string expected) =>
        Assert.Equal((why, expected), (why, Describe(TcpOptions.Parse(Hex.Octets(options)))));

    [Fact]
    public void Four_blocks_fit_alone_and_three_beside_timestamps()
    {
        var sack = new SackBlocks();
        for (uint i = 0; i < 4; i++) Assert.True(sack.Add(new(i * 100), new(i * 100 + 50)));
        Assert.False(sack.Add(new(1), new(2)));
        Assert.Equal(4, WriteAndParse(new TcpOptions { Sack = sack }, 20 + 36).Sack.Count);
        TcpOptions both = WriteAndParse(new TcpOptions { Sack = sack, HasTimestamps = true }, 60);
        Assert.Equal(3, both.Sack.Count);
        Assert.Equal(sack[2], both.Sack[2]);
    }

    [Fact]
    public void Every_combination_comes_back_as_it_was_written()
    {
        for (int bits = 0; bits < 16; bits++)
        {
            var sack = new SackBlocks();
            for (int count = 0; count <= 3; count++)
            {
                if (count > 0) sack.Add(new((uint)count), new((uint)count + 1));
                bool timestamps = (bits & 8) != 0;
                var options = new TcpOptions
                {
                    Mss = (bits & 1) != 0 ? (ushort)65480 : null,
                    WindowScale = (bits & 2) != 0 ? (byte)14 : null,
                    SackPermitted = (bits & 4) != 0,
                    HasTimestamps = timestamps,
                    TimestampValue = timestamps ? uint.MaxValue : 0,
                    TimestampEcho = timestamps ? 1u : 0,
                    Sack = sack,
                };
                int length = options.EncodedLength;
                TcpOptions parsed = WriteAndParse(options, TcpView.MinHeaderLength + length);
                if (parsed.Sack.Count == count) Assert.Equal(options, parsed);
                else Assert.True(length + 8 > 40, "a block was left out although it fits");
            }
        }
    }

    private static TcpOptions WriteAndParse(in TcpOptions options, int expectedHeaderLength)
    {
        byte[] segment = new byte[TcpBuilder.MaxHeaderLength];
        Array.Fill(segment, (byte)0xee);
        int length = TcpBuilder.Write(segment, new TcpFields(1, 2, new(3), new(4), TcpFlags.Ack, 5), options);
        Assert.Equal(expectedHeaderLength, length);
        Assert.True(TcpView.TryParse(segment.AsSpan(0, length), out TcpView tcp));
        Assert.Equal(0, tcp.Checksum + tcp.UrgentPointer);
        return TcpOptions.Parse(tcp.Options);
    }

    private static string Describe(in TcpOptions options)
    {
        var parts = new List<string>();
        if (options.Mss is ushort mss) parts.Add($"mss {mss}");
        if (options.WindowScale is byte scale) parts.Add($"ws {scale}");
        if (options.SackPermitted) parts.Add("sackok");
        if (options.HasTimestamps) parts.Add($"ts {options.TimestampValue} {options.TimestampEcho}");
        if (options.Sack.Count > 0) parts.Add($"sack {options.Sack}");
        return string.Join(' ', parts);
    }
}
