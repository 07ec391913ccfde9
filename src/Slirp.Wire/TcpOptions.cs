using System.Buffers.Binary;

namespace Slirp.Wire;

/// <summary>The TCP options this stack understands: RFC 9293 section 3.2, RFC 7323, RFC 2018.</summary>
public record struct TcpOptions
{
    /// <summary>RFC 7323 section 2.3: a larger shift is logged by others and taken as 14 by all.</summary>
    public const byte MaxWindowScale = 14;

    private const int MaxLength = TcpBuilder.MaxHeaderLength - TcpView.MinHeaderLength;
    private const uint NopNopTimestamps = 0x0101_080a;

    /// <summary>Octets of payload; a zero on the wire says nothing and is read as absent.</summary>
    public ushort? Mss { get; set; }

    /// <summary>At most <see cref="MaxWindowScale"/>.</summary>
    public byte? WindowScale { get; set; }
    public bool SackPermitted { get; set; }
    public bool HasTimestamps { get; set; }
    public uint TimestampValue { get; set; }
    public uint TimestampEcho { get; set; }
    public SackBlocks Sack { get; set; }

    /// <summary>Octets that <see cref="TcpBuilder.Write"/> puts behind the fixed header; a multiple of 4.</summary>
    public readonly int EncodedLength
    {
        get
        {
            int length = LengthWithoutSack;
            int blocks = SackCountThatFits(length);
            return blocks == 0 ? length : length + 4 + blocks * Kind.SackBlockLength;
        }
    }

    /// <summary>Never fails: from the first fault on the rest is ignored (RFC 9293 section 3.1, MUST-7), a known option of a
    /// wrong length is skipped, and of a repeated option the last counts.</summary>
    public static TcpOptions Parse(ReadOnlySpan<byte> options)
    {
        var parsed = new TcpOptions();
        // Nearly every segment of an established connection carries exactly this.
        if (options.Length == 12 && BinaryPrimitives.ReadUInt32BigEndian(options) == NopNopTimestamps)
        {
            parsed.ReadTimestamps(options[4..]);
            return parsed;
        }
        while (!options.IsEmpty)
        {
            byte kind = options[0];
            if (kind == Kind.End) break;
            if (kind == Kind.Nop)
            {
                options = options[1..];
                continue;
            }
            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length) break;
            parsed.ReadOption(kind, options[2..options[1]]);
            options = options[options[1]..];
        }
        return parsed;
    }

    internal readonly int Write(Span<byte> destination)
    {
        int offset = 0;
        if (Mss is ushort mss)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)Kind.Mss << 24 | 4u << 16 | mss);
            offset += 4;
        }
        if (HasTimestamps || SackPermitted) offset += WritePermittedAndTimestamps(destination[offset..]);
        if (WindowScale is byte scale)
        {
            uint word = (uint)Kind.Nop << 24 | (uint)Kind.WindowScale << 16 | 3u << 8 | Math.Min(scale, MaxWindowScale);
            BinaryPrimitives.WriteUInt32BigEndian(destination[offset..], word);
            offset += 4;
        }
        return offset + WriteSack(destination[offset..], SackCountThatFits(offset));
    }

    private readonly int LengthWithoutSack =>
        (Mss.HasValue ? 4 : 0) + (HasTimestamps ? 12 : SackPermitted ? 4 : 0) + (WindowScale.HasValue ? 4 : 0);

    private readonly int SackCountThatFits(int offset) =>
        Math.Min(Sack.Count, (MaxLength - 4 - offset) / Kind.SackBlockLength);

    // SACK-permitted takes the place of the two NOPs that align the timestamps.
    private readonly int WritePermittedAndTimestamps(Span<byte> destination)
    {
        const uint Permitted = (uint)Kind.SackPermitted << 8 | 2, NopNop = (uint)Kind.Nop << 8 | Kind.Nop;
        if (!HasTimestamps)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination, NopNop << 16 | Permitted);
            return 4;
        }
        uint start = SackPermitted ? Permitted : NopNop;
        BinaryPrimitives.WriteUInt32BigEndian(destination, start << 16 | (uint)Kind.Timestamps << 8 | 10);
        BinaryPrimitives.WriteUInt32BigEndian(destination[4..], TimestampValue);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], TimestampEcho);
        return 12;
    }

    private readonly int WriteSack(Span<byte> destination, int count)
    {
        if (count == 0) return 0;
        int length = count * Kind.SackBlockLength;
        BinaryPrimitives.WriteUInt32BigEndian(destination, 0x0101_0500u | (uint)(2 + length));
        for (int i = 0; i < count; i++)
        {
            Span<byte> block = destination[(4 + i * Kind.SackBlockLength)..];
            BinaryPrimitives.WriteUInt32BigEndian(block, Sack[i].Left.Value);
            BinaryPrimitives.WriteUInt32BigEndian(block[4..], Sack[i].Right.Value);
        }
        return 4 + length;
    }

    private void ReadOption(byte kind, ReadOnlySpan<byte> value)
    {
        switch (kind, value.Length)
        {
            case (Kind.Mss, 2):
                ushort mss = BinaryPrimitives.ReadUInt16BigEndian(value);
                Mss = mss == 0 ? null : mss;
                break;
            case (Kind.WindowScale, 1):
                WindowScale = Math.Min(value[0], MaxWindowScale);
                break;
            case (Kind.SackPermitted, 0):
                SackPermitted = true;
                break;
            case (Kind.Timestamps, 8):
                ReadTimestamps(value);
                break;
            case (Kind.Sack, 8 or 16 or 24 or 32):
                Sack = SackBlocks.Read(value);
                break;
            default: // unknown kind, or a known one with a length that is not its own
                break;
        }
    }

    private void ReadTimestamps(ReadOnlySpan<byte> value)
    {
        HasTimestamps = true;
        TimestampValue = BinaryPrimitives.ReadUInt32BigEndian(value);
        TimestampEcho = BinaryPrimitives.ReadUInt32BigEndian(value[4..]);
    }

    internal static class Kind
    {
        public const byte End = 0, Nop = 1, Mss = 2, WindowScale = 3, SackPermitted = 4, Sack = 5, Timestamps = 8;
        public const int SackBlockLength = 8;
    }
}
