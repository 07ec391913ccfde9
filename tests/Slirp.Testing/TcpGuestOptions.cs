namespace Slirp.Testing;

/// <summary>What kind of guest it is.</summary>
public sealed record TcpGuestOptions
{
    public required IpPair Addresses { get; init; }

    /// <summary>Payload octets it announces; null announces nothing.</summary>
    public int? Mss { get; init; } = 1460;

    /// <summary>What a segment may hold at most, options included: by the MTU of its interface.</summary>
    public required int MaxSegment { get; init; }

    public byte? WindowScale { get; init; } = 7;
    public bool Sack { get; init; } = true;
    public bool Timestamps { get; init; } = true;

    /// <summary>Octets it holds unread.</summary>
    public int ReceiveBuffer { get; init; } = 256 << 10;

    /// <summary>Zero acknowledges every segment.</summary>
    public TimeSpan DelayedAck { get; init; }

    /// <summary>Segments in one frame; more than one needs segmentation by the link.</summary>
    public int SegmentsPerFrame { get; init; } = 1;

    /// <summary>It closes once the other side has; else as soon as it has sent all.</summary>
    public bool ClosesLast { get; init; }

    /// <summary>The FIN goes with the last data.</summary>
    public bool FinWithData { get; init; }

    /// <summary>A closed window is probed by an octet of data instead of an old number.</summary>
    public bool ProbesWithData { get; init; }

    /// <summary>It may discard what it reported by SACK (RFC 2018 section 8) this many times.</summary>
    public int Reneges { get; init; }

    /// <summary>It waits to be connected to.</summary>
    public bool Listens { get; init; }
}

/// <summary>The two ends of a connection as the guest sees them.</summary>
public readonly record struct IpPair(Slirp.Wire.IpEndpoint Guest, Slirp.Wire.IpEndpoint Remote);
