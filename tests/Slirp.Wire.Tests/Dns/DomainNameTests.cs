using Slirp.Wire.Dns;

namespace Slirp.Wire.Tests.Dns;

public class DomainNameTests
{
    private static readonly string Label63 = new('a', 63);

    public static TheoryData<string, string, string?> Texts => new()
    {
        { "two labels",                       "ab.c",                      "0261620163 00" },
        { "a final dot changes nothing",      "ab.c.",                     "0261620163 00" },
        { "an underscore is used in names",   "_dns.x",                    "045f646e73 0178 00" },
        { "nothing",                          "",                          null },
        { "the root is no search domain",     ".",                         null },
        { "an empty label",                   "a..b",                      null },
        { "an empty first label",             ".a",                        null },
        { "a label of 64",                    new string('a', 64),         null },
        { "a blank",                          "a b",                       null },
        { "beyond ASCII",                     "bücher.example",            null },
        { "255 octets and one",               $"{Label63}.{Label63}.{Label63}.{new string('b', 62)}", null },
    };

    public static TheoryData<string, string, int, string?, int> Wires => new()
    {
        // why                                      message               at  name            afterwards
        { "a plain name",                           "0161 00 ff",         0,  "0161 00",      3 },
        { "the root",                               "00",                 0,  "00",           1 },
        { "a pointer back to a name",               "0161 00 0162 c000",  3,  "0162 0161 00", 7 },
        { "a pointer alone",                        "0161 00 c000",       3,  "0161 00",      5 },
        { "pointer to pointer to name",             "0161 00 c000 c003",  5,  "0161 00",      7 },
        { "a pointer to itself",                    "0161 00 c003",       3,  null,           3 },
        { "a pointer into its own labels",          "0161 00 0162 c003",  3,  null,           3 },
        { "two pointers to each other",             "c002 c000",          2,  null,           2 },
        { "a pointer forward",                      "c002 0161 00",       0,  null,           0 },
        { "a pointer cut short",                    "0161 c0",            0,  null,           0 },
        { "a label cut short",                      "0561 6263",          0,  null,           0 },
        { "no closing zero",                        "0161",               0,  null,           0 },
        { "label type 01 is reserved",              "4161 00",            0,  null,           0 },
        { "label type 10 is reserved",              "8161 00",            0,  null,           0 },
        { "offset at the end",                      "0161 00",            3,  null,           3 },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void Text_is_written_as_labels(string why, string text, string? expected)
    {
        byte[] buffer = new byte[300];
        bool ok = DomainName.TryWrite(text, buffer, out int written);
        Assert.True(ok == (expected != null), why);
        if (expected == null) return;
        Assert.Equal(expected.Replace(" ", ""), Hex.Text(buffer.AsSpan(0, written)));
        Assert.True(DomainName.TryWrite(text, new byte[written], out _), "exact room is enough");
        Assert.False(DomainName.TryWrite(text, new byte[written - 1], out _));
        Assert.Equal(text.TrimEnd('.') + ".", DomainName.ToText(buffer.AsSpan(0, written)));
    }

    [Fact]
    public void The_longest_name_is_255_octets()
    {
        string longest = $"{Label63}.{Label63}.{Label63}.{new string('b', 61)}";
        Assert.True(DomainName.TryWrite(longest, new byte[300], out int written));
        Assert.Equal(DomainName.MaxLength, written);
    }

    [Theory]
    [MemberData(nameof(Wires))]
    public void Names_are_read(string why, string message, int start, string? expected, int end)
    {
        byte[] name = new byte[DomainName.MaxLength];
        int offset = start;
        bool ok = DomainName.TryRead(Hex.Octets(message), ref offset, name, out int length);
        Assert.True(ok == (expected != null), why);
        Assert.Equal((why, end), (why, offset));
        if (ok) Assert.Equal(expected!.Replace(" ", ""), Hex.Text(name.AsSpan(0, length)));
    }

    [Fact]
    public void Names_beyond_255_octets_are_neither_skipped_nor_read()
    {
        byte[] label = [63, .. new byte[63].Select(_ => (byte)'a')];
        byte[] plain = [.. label, .. label, .. label, .. label, 0];
        int offset = 0;
        Assert.False(DomainName.TrySkip(plain, ref offset, out _));
        Assert.False(DomainName.TryRead(plain, ref offset, new byte[255], out _));
        byte[] viaPointer = [.. label, .. label, 0, .. label, .. label, 0xc0, 0];
        offset = 129;
        Assert.False(DomainName.TryRead(viaPointer, ref offset, new byte[255], out _));
        Assert.True(DomainName.TrySkip(viaPointer, ref offset, out bool endsInPointer));
        Assert.True(endsInPointer);
        Assert.Equal(viaPointer.Length, offset);
    }

    [Theory]
    [InlineData("0161 0162 00", "0141 0142 00", true)]
    [InlineData("0161 0162 00", "0161 0163 00", false)]
    [InlineData("0161 00", "0161 0162 00", false)]
    [InlineData("0140 00", "0160 00", false)] // '@' and '`' differ in the same bit as letters do, but are none
    [InlineData("015b 00", "017b 00", false)]
    public void Names_are_compared_without_regard_to_case(string a, string b, bool expected) =>
        Assert.Equal(expected, DomainName.AreEqual(Hex.Octets(a), Hex.Octets(b)));

    [Theory]
    [InlineData("00", ".")]
    [InlineData("02 2e5c 00", @"\.\\.")]
    [InlineData("02 00ff 00", @"\000\255.")]
    [InlineData("05 6161", "aa.")] // cut short: not a name, but a log line must not fail
    [InlineData("", ".")]
    public void Odd_octets_are_escaped(string name, string expected) => Assert.Equal(expected, DomainName.ToText(Hex.Octets(name)));
}
