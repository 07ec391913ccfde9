using System.Diagnostics;
using Slirp.Core.Flows;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

/// <summary>One relayed TCP connection: a connection with the guest that we terminate, and a host socket.</summary>
/// <remarks>Two small machines, not their product: <see cref="Guest"/> is our RFC 9293 endpoint toward the guest,
/// <see cref="Host"/> what the kernel told us of the socket. <see cref="TcpEngine{TWorld}"/> is the only user; fields are
/// grouped by what may change them.</remarks>
public sealed class TcpFlow(FlowKey key, MacAddress guestMac) : IFlow
{
    public FlowKey Key { get; } = key;
    public int Index { get; set; }
    public int Generation { get; set; }

    /// <summary>The station that spoke last; frames go back there, until the guest says that it is elsewhere.</summary>
    internal MacAddress GuestMac = guestMac;

    internal HostSocket Socket = HostSocket.None;
    internal IpEndpoint HostEndpoint;

    /// <summary>The host's address that <see cref="Socket"/> speaks from, once it was asked for.</summary>
    internal IpAddress LocalAddress;

    public GuestTcpState Guest { get; private set; }
    public HostTcpState Host { get; internal set; }

    // --- From the guest (RFC 9293 section 3.3.1, receive sequence variables)
    internal SequenceNumber Irs, RcvNxt;

    /// <summary>Right edge of the window the guest has been told; never moves left.</summary>
    internal SequenceNumber RcvAdv;

    /// <summary>Octets we let the guest have under way and unread: what the window is cut from.</summary>
    internal int RcvCapacity;
    internal int RcvSinceResize;
    internal byte RcvWndShift;
    internal SequenceNumber? FinSequence; // of the guest's FIN, once seen
    internal PayloadQueue ToHost;
    internal OutOfOrderQueue? OutOfOrder;
    internal SequenceNumber LastAckSent;

    // --- To the guest (send sequence variables)
    internal SequenceNumber Iss, SndUna;

    /// <summary>One past the highest octet ever sent: what is sent again lies below it.</summary>
    internal SequenceNumber SndNxt;
    internal uint SndWnd, MaxSndWnd;
    internal SequenceNumber SndWl1, SndWl2;
    internal byte SndWndShift;

    /// <summary>Payload octets in a full segment: what the guest announced, less our options.</summary>
    internal int Mss;

    /// <summary>Payload octets in a full frame.</summary>
    internal int MaxPayload;
    internal PayloadQueue ToGuest; // SND.UNA up to what was last received from the host

    // --- Loss and congestion (RFC 5681, 6298, 8985)
    internal RttEstimator Rtt;
    internal int Cwnd, Ssthresh;
    internal int DuplicateAcks;
    internal bool InRecovery;

    /// <summary>The next segment to be sent again goes whatever is under way.</summary>
    internal bool MayExceedWindow;

    /// <summary>When the congestion window was cut last: what was sent before that, and is lost, is what it was cut for.</summary>
    internal Instant ReducedAt;

    /// <summary>What is under way never arrived: it was too large for a link behind the guest, or went where the guest is no
    /// more. In the flow's turn it goes again.</summary>
    internal bool BeginsAgain;
    internal SequenceNumber Recover;
    internal SentRanges? Sent; // from the first data on
    internal Rack Rack;
    internal TailProbe? TailProbe; // under way

    /// <summary>When something new was last acknowledged or the oldest was last sent: what a probe of the oldest waits from.</summary>
    internal Instant ProbeFrom;
    internal Instant ProbedSince; // what ProbeFrom was when this series of probes began
    internal int HoleProbes; // in this series, each of which waits twice as long

    /// <summary>What was changed when nothing came back in time, until it shows whether that was right.</summary>
    internal BeforeTimeout? BeforeTimeout;
    internal SequenceNumber? TimedSequence; // end of the segment whose round trip is timed; it was sent once (Karn's algorithm)
    internal Instant TimedAt;

    // --- Options agreed
    internal bool HasTimestamps, HasSack;
    internal uint TsRecent, TsOffset;

    // --- Timers: deadlines here, one entry in the wheel for the earliest
    internal Instant RetransmitAt = Instant.Never, PersistAt = Instant.Never, LifeAt = Instant.Never;
    internal Instant ReorderAt = Instant.Never, TailProbeAt = Instant.Never, HostRetryAt = Instant.Never;
    internal Instant TimerDue = Instant.Never;
    internal TimerHandle Timer;
    internal Instant LastHeard, LastProbe, LastPayload, NextChallenge;

    /// <summary>When the guest last spoke of itself: an answer to a probe of ours shows only that it lives.</summary>
    internal Instant LastUnasked;
    internal int UnansweredProbes, PersistCount;

    // Place in the list of flows of its kind that may be evicted, by age
    internal TcpFlow? Older, Newer;

    // --- What the loop must still do
    internal bool HostReadable, HostWritable;

    /// <summary>End of file or an error lies behind the octets still to be read: a short read is not the end of reading.</summary>
    internal bool HostEndSignalled;

    /// <summary>An urgent mark was seen: reads stop at such marks, so that only "would block" is the end of reading.</summary>
    internal bool HostMarksUrgent;
    internal bool AckPending, IsQueued;

    /// <summary>The socket has had no memory for us: it is asked again by a timer.</summary>
    internal bool IsHostShort;

    /// <summary>The socket takes nothing any more: what it still gives goes to the guest, and a reset behind it.</summary>
    internal bool IsHostBroken;
    internal Instant HostBrokenAt;
    internal int HostRetries;

    /// <summary>The guest has asked whether its peer is alive, and the host's kernel asks for it.</summary>
    internal bool IsHostKeptAlive;

    /// <summary>A connection from outside through a forward: the guest is asked first.</summary>
    internal bool IsInbound;

    internal EventTarget Target => new(EventKind.TcpFlow, Index, Generation);

    internal bool IsIpv4 => Key.Guest.Address.IsIpv4;

    /// <summary>Octets sent and not acknowledged, SYN and FIN included.</summary>
    internal int InFlight => SndNxt.Since(SndUna);

    /// <summary>Sequence number behind the last octet in <see cref="ToGuest"/>; our FIN has this number.</summary>
    internal SequenceNumber DataEnd => SndUna + ToGuest.Length;

    /// <summary>Our FIN was acknowledged.</summary>
    internal bool FinAcknowledged;

    /// <summary>Our FIN was sent at least once.</summary>
    internal bool FinSent => Guest is GuestTcpState.FinWait1 or GuestTcpState.FinWait2 or GuestTcpState.Closing
        or GuestTcpState.LastAck or GuestTcpState.TimeWait;

    /// <summary>The guest has sent all it will.</summary>
    internal bool GuestFinReceived => Guest is GuestTcpState.CloseWait or GuestTcpState.Closing or GuestTcpState.LastAck
        or GuestTcpState.TimeWait;

    /// <summary>The handshake is over: one of RFC 9293's synchronized states.</summary>
    internal bool IsSynchronized => Guest >= GuestTcpState.Established;

    /// <summary>The guest may still send us data.</summary>
    internal bool CanReceiveFromGuest =>
        Guest is GuestTcpState.SynReceived or GuestTcpState.Established or GuestTcpState.FinWait1 or GuestTcpState.FinWait2;

    /// <summary>Another connection may have its endpoints: it is over, and the host has all that the guest had sent.</summary>
    public bool GivesWay => Guest == GuestTcpState.TimeWait && ToHost.IsEmpty;

    /// <summary>The only writer of <see cref="Guest"/>: checks the edge.</summary>
    internal void Enter(GuestTcpState next)
    {
        Debug.Assert(IsLegal(Guest, next), $"{Key}: {Guest} -> {next}");
        Guest = next;
    }

    private static bool IsLegal(GuestTcpState from, GuestTcpState to) => to == GuestTcpState.Closed || (from, to) switch
    {
        (GuestTcpState.Closed, GuestTcpState.SynHeld or GuestTcpState.SynSent) => true,
        (GuestTcpState.SynHeld, GuestTcpState.SynReceived) => true,
        (GuestTcpState.SynSent, GuestTcpState.Established) => true,
        (GuestTcpState.SynReceived, GuestTcpState.Established) => true,
        (GuestTcpState.Established, GuestTcpState.FinWait1 or GuestTcpState.CloseWait) => true,
        (GuestTcpState.FinWait1, GuestTcpState.FinWait2 or GuestTcpState.Closing or GuestTcpState.TimeWait) => true,
        (GuestTcpState.FinWait2, GuestTcpState.TimeWait) => true,
        (GuestTcpState.CloseWait, GuestTcpState.LastAck) => true,
        (GuestTcpState.Closing, GuestTcpState.TimeWait) => true,
        _ => false,
    };

    public override string ToString() => $"{Key} {Guest}/{Host}";
}
