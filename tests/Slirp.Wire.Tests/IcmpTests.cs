namespace Slirp.Wire.Tests;

public class IcmpTests
{
    private static readonly IpAddress From = IpAddress.Parse("fd00::2"), To = IpAddress.Parse("fd00::100");
    private static readonly byte[] Quoted = [.. Enumerable.Range(0, 2000).Select(i => (byte)(i * 7))];

    private delegate int Write(Span<byte> destination, ReadOnlySpan<byte> packet);

    [Fact]
    public void Messages_shorter_than_eight_octets_are_refused()
    {
        byte[] echo = Hex.Octets("0800 0000 1234 0001");
        Truncation.RefusesEveryPrefix(echo, octets => IcmpView.TryParse(octets, out _));
        Truncation.RefusesEveryPrefix(echo, octets => Icmpv6View.TryParse(octets, out _));
    }

    [Fact]
    public void Echo_comes_back_as_it_was_written()
    {
        byte[] buffer = Dirty(200);
        int length = IcmpBuilder.WriteEchoRequest(buffer, 0x1234, 0xfffe, Quoted.AsSpan(0, 57));
        IcmpView icmp = Parse(buffer.AsSpan(0, length));
        Assert.Equal((IcmpType.EchoRequest, 0, 0x1234, 0xfffe), (icmp.Type, icmp.Code, icmp.Identifier, icmp.Sequence));
        Assert.Equal(Quoted[..57], icmp.Body.ToArray());

        // The answer is made in place: the body already stands where it has to be.
        length = IcmpBuilder.WriteEchoReply(buffer, icmp.Identifier, icmp.Sequence, icmp.Body);
        icmp = Parse(buffer.AsSpan(0, length));
        Assert.Equal((IcmpType.EchoReply, 0, 0x1234, 0xfffe), (icmp.Type, icmp.Code, icmp.Identifier, icmp.Sequence));
        Assert.Equal(Quoted[..57], icmp.Body.ToArray());
    }

    [Fact]
    public void Echo_v6_comes_back_as_it_was_written()
    {
        byte[] buffer = Dirty(200);
        int length = Icmpv6Builder.WriteEchoRequest(buffer, To, From, 0x1234, 0xfffe, Quoted.AsSpan(0, 57));
        Icmpv6View icmp = Parse6(buffer.AsSpan(0, length));
        Assert.Equal((Icmpv6Type.EchoRequest, 0, 0x1234, 0xfffe), (icmp.Type, icmp.Code, icmp.Identifier, icmp.Sequence));
        Assert.False(icmp.IsError);
        length = Icmpv6Builder.WriteEchoReply(buffer, From, To, icmp.Identifier, icmp.Sequence, icmp.Body);
        icmp = Parse6(buffer.AsSpan(0, length));
        Assert.Equal((Icmpv6Type.EchoReply, 0, 0x1234, 0xfffe), (icmp.Type, icmp.Code, icmp.Identifier, icmp.Sequence));
        Assert.Equal(Quoted[..57], icmp.Body.ToArray());
    }

    [Fact]
    public void Errors_carry_type_code_and_rest()
    {
        AssertError("03 01 00000000", (d, p) => IcmpBuilder.WriteDestinationUnreachable(d, IcmpUnreachableCode.Host, p));
        AssertError("03 04 00000578", (d, p) => IcmpBuilder.WriteFragmentationNeeded(d, 1400, p));
        AssertError("0b 01 00000000", (d, p) => IcmpBuilder.WriteTimeExceeded(d, 1, p));
        AssertError("0c 00 14000000", (d, p) => IcmpBuilder.WriteParameterProblem(d, 20, p));
        AssertError("03 0d 01020304", (d, p) => IcmpBuilder.WriteError(d, IcmpType.DestinationUnreachable, 13, 0x01020304, p));
    }

    [Fact]
    public void Errors_v6_carry_type_code_and_rest()
    {
        AssertError6("01 03 00000000", (d, p) => Icmpv6Builder.WriteDestinationUnreachable(d, From, To, Icmpv6UnreachableCode.Address, p));
        AssertError6("02 00 00000500", (d, p) => Icmpv6Builder.WritePacketTooBig(d, From, To, 1280, p));
        AssertError6("03 00 00000000", (d, p) => Icmpv6Builder.WriteTimeExceeded(d, From, To, 0, p));
        AssertError6("04 01 00000028", (d, p) =>
            Icmpv6Builder.WriteParameterProblem(d, From, To, Icmpv6ParameterCode.UnrecognizedNextHeader, 40, p));
    }

    [Fact]
    public void Fields_of_errors_are_read()
    {
        byte[] buffer = new byte[64];
        int length = IcmpBuilder.WriteFragmentationNeeded(buffer, 1400, Quoted.AsSpan(0, 28));
        Assert.Equal(1400, Parse(buffer.AsSpan(0, length)).NextHopMtu);
        length = IcmpBuilder.WriteParameterProblem(buffer, 20, Quoted.AsSpan(0, 28));
        Assert.Equal(20, Parse(buffer.AsSpan(0, length)).Pointer);
        length = Icmpv6Builder.WritePacketTooBig(buffer, From, To, 1280, Quoted.AsSpan(0, 28));
        Icmpv6View icmp = Parse6(buffer.AsSpan(0, length));
        Assert.Equal((1280u, true), (icmp.Mtu, icmp.IsError));
        length = Icmpv6Builder.WriteParameterProblem(buffer, From, To, Icmpv6ParameterCode.ErroneousField, 7, Quoted.AsSpan(0, 28));
        Assert.Equal(7u, Parse6(buffer.AsSpan(0, length)).Pointer);
    }

    [Fact]
    public void A_wrong_checksum_is_seen()
    {
        byte[] buffer = new byte[64];
        int length = IcmpBuilder.WriteEchoRequest(buffer, 1, 2, []);
        buffer[7] ^= 1;
        Assert.True(IcmpView.TryParse(buffer.AsSpan(0, length), out IcmpView icmp));
        Assert.False(icmp.HasValidChecksum);
        length = Icmpv6Builder.WriteEchoRequest(buffer, From, To, 1, 2, []);
        Assert.True(Icmpv6View.TryParse(buffer.AsSpan(0, length), out Icmpv6View icmp6));
        Assert.False(icmp6.HasValidChecksum(From, From));
    }

    private static void AssertError(string head, Write write)
    {
        byte[] buffer = Dirty(3000);
        Assert.Equal(576 - 20, write(buffer, Quoted));
        Assert.Equal(8 + 28, write(buffer, Quoted.AsSpan(0, 28)));
        IcmpView icmp = Parse(buffer.AsSpan(0, 36));
        Assert.Equal(head, $"{(byte)icmp.Type:x2} {icmp.Code:x2} {icmp.RestOfHeader:x8}");
        Assert.Equal(Quoted[..28], icmp.Body.ToArray());
    }

    private static void AssertError6(string head, Write write)
    {
        byte[] buffer = Dirty(3000);
        Assert.Equal(1280 - 40, write(buffer, Quoted));
        Assert.Equal(8 + 48, write(buffer, Quoted.AsSpan(0, 48)));
        Icmpv6View icmp = Parse6(buffer.AsSpan(0, 56));
        Assert.Equal(head, $"{(byte)icmp.Type:x2} {icmp.Code:x2} {icmp.RestOfHeader:x8}");
        Assert.Equal(Quoted[..48], icmp.Body.ToArray());
    }

    private static IcmpView Parse(ReadOnlySpan<byte> message)
    {
        Assert.True(IcmpView.TryParse(message, out IcmpView icmp));
        Assert.True(icmp.HasValidChecksum);
        return icmp;
    }

    private static Icmpv6View Parse6(ReadOnlySpan<byte> message)
    {
        Assert.True(Icmpv6View.TryParse(message, out Icmpv6View icmp));
        Assert.True(icmp.HasValidChecksum(From, To)); // a sum does not change when source and destination swap
        return icmp;
    }

    private static byte[] Dirty(int length)
    {
        byte[] buffer = new byte[length];
        Array.Fill(buffer, (byte)0xee);
        return buffer;
    }
}
