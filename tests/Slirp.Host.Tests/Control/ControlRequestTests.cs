using System.Text;
using Slirp.Host.Control;

namespace Slirp.Host.Tests.Control;

public class ControlRequestTests
{
    private const string Add =
        """{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"","guest_port":80}}""";

    [Fact]
    public void Every_beginning_of_a_request_is_incomplete_and_its_last_octet_completes_it()
    {
        byte[] whole = Encoding.UTF8.GetBytes("  " + Add);
        for (int length = 0; length < whole.Length; length++)
            Assert.Equal((length, RequestFraming.Incomplete), (length, Frame(whole.AsSpan(0, length), out _)));
        Assert.Equal(RequestFraming.Complete, Frame(whole, out int end));
        Assert.Equal(whole.Length, end);
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("garbage")]
    [InlineData("{\"execute\":\"list_hostfwd\"}")]
    [InlineData("\0\0")]
    [InlineData("}}}}")]
    public void What_follows_the_first_value_is_not_looked_at(string rest)
    {
        Assert.Equal(RequestFraming.Complete, Frame(Encoding.UTF8.GetBytes(Add + rest), out int end));
        Assert.Equal(Add.Length, end);
    }

    [Theory]
    [InlineData('\0')]
    [InlineData('A')]
    [InlineData(' ')]
    [InlineData('[')]
    public void Too_much_is_too_much_whatever_it_is(char octet) =>
        Assert.Equal(RequestFraming.TooLarge, Frame(Encoding.UTF8.GetBytes(new string(octet, 4096)), out _));

    [Theory]
    [InlineData("{bad")]
    [InlineData("}")]
    [InlineData("{\"a\" 1}")]
    [InlineData("\0")]
    [InlineData("{'execute':1}")]
    [InlineData("// comment")]
    [InlineData("{\"a\":1,}")]
    public void What_cannot_become_JSON_is_known_at_once(string text) =>
        Assert.Equal(RequestFraming.Malformed, Frame(Encoding.UTF8.GetBytes(text), out _));

    [Theory]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("{\"execute\":")]
    [InlineData("\"half")]
    [InlineData("tru")]
    public void The_end_in_the_middle_is_malformed(string text) =>
        Assert.Equal(RequestFraming.Malformed, ControlRequest.Frame(Encoding.UTF8.GetBytes(text), isLast: true, out _));

    [Theory]
    [InlineData("12", true, "a number may go on until the end is known")]
    [InlineData("12 ", false, "but not past a blank")]
    [InlineData("\"text\"", false, "")]
    [InlineData("[]", false, "")]
    [InlineData("null", false, "")]
    public void Any_JSON_value_is_a_request(string text, bool needsEnd, string why)
    {
        byte[] octets = Encoding.UTF8.GetBytes(text);
        RequestFraming expected = needsEnd ? RequestFraming.Incomplete : RequestFraming.Complete;
        Assert.True(expected == Frame(octets, out _), why);
        Assert.Equal(RequestFraming.Complete, ControlRequest.Frame(octets, isLast: true, out _));
    }

    [Fact]
    public void Takes_4095_octets_and_no_more()
    {
        Assert.Equal(RequestFraming.Complete, Frame(OfLength(4095), out _));
        Assert.Equal(RequestFraming.TooLarge, Frame(OfLength(4096), out _));
        Assert.Equal(RequestFraming.Incomplete, Frame(OfLength(5000).AsSpan(0, 4095), out _));
        Assert.Equal(RequestFraming.TooLarge, Frame(OfLength(5000).AsSpan(0, 4096), out _));
        Assert.Equal(RequestFraming.TooLarge, Frame(Encoding.UTF8.GetBytes(new string(' ', 4096)), out _));
        byte[] followed = [.. OfLength(4095), .. OfLength(100)];
        Assert.Equal(RequestFraming.Complete, Frame(followed, out int length));
        Assert.Equal(4095, length);
    }

    [Fact]
    public void Deep_nesting_is_refused_before_it_is_closed()
    {
        byte[] deep = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("[", ControlRequest.MaxDepth + 1)));
        Assert.Equal(RequestFraming.Malformed, Frame(deep, out _));
        Assert.Equal(RequestFraming.Incomplete, Frame(deep.AsSpan(1), out _));
    }

    [Fact]
    public void Text_that_is_not_UTF8_is_no_JSON()
    {
        byte[] octets = [.. "{\"execute\":\""u8, 0xc3, 0x28, .. "\"}"u8];
        Assert.Equal(RequestFraming.Complete, Frame(octets, out _));
        Assert.Null(ControlRequest.Parse(octets));
    }

    private static RequestFraming Frame(ReadOnlySpan<byte> octets, out int length) => ControlRequest.Frame(octets, isLast: false, out length);

    private static byte[] OfLength(int length)
    {
        const string head = "{\"execute\":\"list_hostfwd\",\"x\":\"", tail = "\"}";
        return Encoding.UTF8.GetBytes(head + new string('x', length - head.Length - tail.Length) + tail);
    }
}
