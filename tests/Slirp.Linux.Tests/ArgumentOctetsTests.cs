using Xunit;

namespace Slirp.Linux.Tests;

public class ArgumentOctetsTests
{
    public static TheoryData<byte[]> Words => new()
    {
        "plain"u8.ToArray(),
        "na\u00efve \u20ac \U0001f600"u8.ToArray(),
        new byte[] { 0x63, 0x61, 0x66, 0xe9 }, // ISO 8859-1
        new byte[] { 0xff, 0xfe, 0x80, 0x41, 0xc3 },
        new byte[] { 0xed, 0xb2, 0x80 }, // a surrogate, which UTF-8 has not
        new byte[] { 0xf0, 0x9f, 0x98, 0x80, 0x80, 0xf0, 0x9f },
    };

    [Theory]
    [MemberData(nameof(Words))]
    public void An_argument_is_the_same_octets_again(byte[] word)
    {
        byte[] line = [.. "slirpnet\0run\0"u8, .. word, 0];
        string[] restored = ArgumentOctets.Restore(["run", "\ufffd"], line);
        Assert.Equal("run", restored[0]);
        Assert.Equal([.. word, 0], CString.Encode(restored[1]));
    }

    [Fact]
    public void What_needs_no_care_is_as_the_runtime_had_it()
    {
        string[] arguments = ["run", "--", "caf\u00e9"];
        Assert.Same(arguments, ArgumentOctets.Restore(arguments));
        Assert.Same(arguments, ArgumentOctets.Restore(arguments, "too\0short\0"u8));
    }
}
