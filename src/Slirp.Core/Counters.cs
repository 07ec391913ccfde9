namespace Slirp.Core;

/// <summary>What one worker counts. Plain fields: one thread writes, a reader on another may see a value a moment old.</summary>
public sealed class Counters
{
    private readonly long[] _drops = new long[Enum.GetValues<DropReason>().Length];

    public long FramesFromGuest, OctetsFromGuest, FramesToGuest, OctetsToGuest;
    public long TcpFlowsOpened, TcpFlowsClosed, TcpSegmentsSent, TcpSegmentsRetransmitted, TcpRetransmitTimeouts, TcpTailProbes;
    public long TcpChallengeAcks;

    /// <summary>How often a connection began with the smallest window, or could not have a larger one, for memory was promised.</summary>
    public long TcpSmallestWindows;

    /// <summary>Exceptions that an engine threw: bugs of ours, each of which cost a flow.</summary>
    public long Faults;

    public long TcpHalfOpenEvicted, TcpForwarded, UdpAssociationsOpened, UdpAssociationsClosed;
    public long UdpMappingsOpened, UdpMappingsClosed, IcmpEchoes, DnsQueries, DnsAnswers;

    public void Drop(DropReason reason, int count = 1) => _drops[(int)reason] += count;

    public long Dropped(DropReason reason) => _drops[(int)reason];

    public long DroppedInAll()
    {
        long sum = 0;
        foreach (long count in _drops) sum += count;
        return sum;
    }
}
