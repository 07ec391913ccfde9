using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// ICMP errors about segments of ours, from the guest or from whoever stands behind a guest that routes for others. They are
// hints that anybody there can make up, so only two are heeded, and only if they quote what is under way (RFC 5927): that a
// connection from outside is not wanted, and that a link is narrower than ours. The path of a flow never becomes wider again
// (RFC 8201 leaves that to the sender): a new flow finds out for itself.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>What Linux takes for the narrowest link that anybody can mean (net.ipv4.route.min_pmtu).</summary>
    private const int SmallestMtu4 = 552;

    /// <summary>RFC 8200 section 5.</summary>
    private const int SmallestMtu6 = 1280;

    /// <summary>Takes an ICMP error about a segment.</summary>
    /// <returns>False if it is about none that is under way, or says what changes nothing.</returns>
    public bool TryHear(in IcmpHeader error, in QuotedSegment about, Instant now)
    {
        if (!_flows.TryFind(new FlowKey(about.Destination, about.Source), out TcpFlow? flow)) return false;
        if (!about.Sequence.IsWithin(flow.SndUna, (uint)flow.InFlight)) return false;
        _current = flow;
        bool isHeard = error.IsAboutSize(flow.IsIpv4)
            ? TryNarrow(flow, (int)Math.Min(flow.IsIpv4 ? error.Rest & ushort.MaxValue : error.Rest, ushort.MaxValue), now)
            : TryRefuse(flow, error);
        _current = null;
        return isHeard;
    }

    /// <summary>To a SYN any "unreachable" is an answer (RFC 5461 section 2); to what is open already it is a passing trouble.</summary>
    private bool TryRefuse(TcpFlow flow, in IcmpHeader error)
    {
        if (flow.Guest != GuestTcpState.SynSent || !error.IsUnreachable(flow.IsIpv4)) return false;
        Close(flow, CloseReason.GuestRefused);
        return true;
    }

    private bool TryNarrow(TcpFlow flow, int mtu, Instant now)
    {
        if (!flow.IsSynchronized) return false;
        int headers = _sender.Mtu - OurMss(flow.IsIpv4) + (flow.HasTimestamps ? TimestampOptionLength : 0);
        if (mtu == 0 && flow.IsIpv4) mtu = IcmpError.PlateauBelow(flow.Mss + headers);
        int mss = Math.Max(mtu, flow.IsIpv4 ? SmallestMtu4 : SmallestMtu6) - headers;
        if (mss >= flow.Mss) return false;
        SetPayloadLimit(flow, mss);
        // What is under way was larger, and never arrived. It is no sign of congestion, and was no timeout.
        flow.BeforeTimeout = null;
        CountAllAsLost(flow);
        SendLost(flow, now);
        Rearm(flow);
        Enqueue(flow);
        return true;
    }
}
