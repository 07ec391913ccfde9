using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>A TCP segment apart from its packet: what a link between two models carries.</summary>
public sealed record TcpSegment(
    SequenceNumber Sequence, SequenceNumber Acknowledgment, TcpFlags Flags, ushort Window, TcpOptions Options, ReadOnlyMemory<byte> Payload)
{
    /// <summary>Sequence numbers it takes.</summary>
    public int Length => Payload.Length + (Has(TcpFlags.Syn) ? 1 : 0) + (Has(TcpFlags.Fin) ? 1 : 0);

    public bool Has(TcpFlags flags) => (Flags & flags) != 0;

    public static TcpSegment From(SentPacket packet)
    {
        TcpView tcp = packet.Tcp;
        int headerLength = packet.Upper.Length - tcp.Payload.Length;
        return new TcpSegment(
            tcp.Sequence, tcp.Acknowledgment, tcp.Flags, tcp.Window, TcpOptions.Parse(tcp.Options), packet.Upper.AsMemory(headerLength));
    }

    /// <summary>Cuts it as a network device would that segments for its host: FIN and PSH stay with the last piece.</summary>
    public IEnumerable<TcpSegment> Split(int size)
    {
        if (Payload.Length <= size)
        {
            yield return this;
            yield break;
        }
        for (int at = 0; at < Payload.Length; at += size)
        {
            int length = Math.Min(size, Payload.Length - at);
            bool isLast = at + length == Payload.Length;
            yield return this with
            {
                Sequence = Sequence + at,
                Payload = Payload.Slice(at, length),
                Flags = isLast ? Flags : Flags & ~(TcpFlags.Fin | TcpFlags.Psh),
            };
        }
    }

    /// <summary>The IP packet around it; its checksum is left at zero, for the link vouches for it.</summary>
    public byte[] ToPacket(IpEndpoint from, IpEndpoint to)
    {
        Span<byte> header = stackalloc byte[TcpBuilder.MaxHeaderLength];
        var fields = new TcpFields(from.Port, to.Port, Sequence, Acknowledgment, Flags, Window);
        int headerLength = TcpBuilder.Write(header, fields, Options);
        int ip = from.Address.IsIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;
        int length = headerLength + Payload.Length;
        var packet = new byte[ip + length];
        if (from.Address.IsIpv4)
        {
            Ipv4Builder.Write(packet, new Ipv4Fields(
                from.Address.Ipv4, to.Address.Ipv4, IpProtocol.Tcp, 64, 0, 0, true, false, 0, length));
        }
        else
        {
            Ipv6Builder.Write(packet, new Ipv6Fields(from.Address, to.Address, IpProtocol.Tcp, 64, 0, 0, length));
        }
        header[..headerLength].CopyTo(packet.AsSpan(ip));
        Payload.Span.CopyTo(packet.AsSpan(ip + headerLength));
        return packet;
    }

    public override string ToString() =>
        $"{Flags} seq {Sequence} ack {Acknowledgment} length {Payload.Length} window {Window}" + (Options.Sack.Count > 0 ? $" sack {Options.Sack}" : "");
}
