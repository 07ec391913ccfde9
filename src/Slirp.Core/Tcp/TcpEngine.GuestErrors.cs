using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Core.Link;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// ICMP errors about segments of ours, from the guest or from whoever stands behind a guest that routes for others. They are
// hints that anybody there can make up, so only two are heeded, and only if they quote what is under way (RFC 5927): that a
// connection from outside is not wanted, and that a link is narrower than ours. The path of a flow never becomes wider again
// (RFC 8201 leaves that to the sender): a new flow finds out for itself.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>Takes an ICMP error about a segment.</summary>
    /// <returns>False if it is about none that is under way, or says what changes nothing.</returns>
    public bool TryHear(in IcmpHeader error, in QuotedSegment about)
    {
        if (!_flows.TryFind(new FlowKey(about.Destination, about.Source), out TcpFlow? flow)) return false;
        if (!about.Sequence.IsWithin(flow.SndUna, (uint)flow.InFlight)) return false;
        _current = flow;
        bool isHeard = error.IsAboutSize(flow.IsIpv4)
            ? TryNarrow(flow, (int)Math.Min(flow.IsIpv4 ? error.Rest & ushort.MaxValue : error.Rest, ushort.MaxValue), about.PacketLength)
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

    /// <param name="mtu">Of the narrow link; 0 if its router does not say.</param>
    /// <param name="packetLength">How long the packet was that did not pass.</param>
    private bool TryNarrow(TcpFlow flow, int mtu, int packetLength)
    {
        if (!flow.IsSynchronized) return false;
        int headers = _sender.Mtu - OurMss(flow.IsIpv4) + (flow.HasTimestamps ? TimestampOptionLength : 0);
        if (mtu == 0 && flow.IsIpv4)
        {
            // Each packet of a flight has its error: those that were longer than what is sent by now say nothing new.
            if (packetLength > flow.Mss + headers) return false;
            mtu = IcmpError.PlateauBelow(packetLength);
        }
        if (!flow.IsIpv4) mtu = Math.Max(mtu, NarrowPaths.SmallestMtu);
        int mss = Math.Max(mtu - headers, SmallestMss);
        if (mss >= flow.Mss) return false;
        SetPayloadLimit(flow, mss);
        // What is under way goes again in the flow's turn: once, however many errors came in the meantime.
        flow.BeginsAgain = true;
        Enqueue(flow);
        return true;
    }

    /// <summary>What is under way never arrived. That is no congestion; but the link is not the whole path, or not the one that
    /// was measured, so sending starts as into any other (RFC 6928 section 2).</summary>
    private void BeginAgain(TcpFlow flow)
    {
        flow.BeginsAgain = false;
        if (!flow.IsSynchronized || flow.Sent is not { Count: > 0 }) return;
        flow.Cwnd = Math.Min(flow.Cwnd, Math.Min(10 * flow.Mss, Math.Max(2 * flow.Mss, 14_600)));
        flow.BeforeTimeout = null;
        CountAllAsLost(flow);
    }
}
