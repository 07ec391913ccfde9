using Slirp.Wire;

namespace Slirp.Core.Tcp;

// The window we offer: how much of it, from whose memory, and when the guest is told.
public sealed partial class TcpEngine<TWorld>
{
    private void PromiseReceiveWindow(TcpFlow flow, Instant now)
    {
        flow.LastPayload = now;
        int wanted = Math.Min(_parameters.MaxReceiveWindow, 256 << 10);
        int capacity = Math.Max(FairWindow(wanted, now), _parameters.MinReceiveWindow);
        if (capacity < wanted && capacity == _parameters.MinReceiveWindow) _counters.TcpSmallestWindows++;
        SetReceiveCapacity(flow, capacity);
    }

    private int FairWindow(int wanted, Instant now)
    {
        if (_budget.FairShare(wanted) < wanted) ReclaimIdleWindows(wanted, now);
        return (int)_budget.FairShare(wanted);
    }

    /// <summary>The ledger holds what a flow has beyond the least that every flow gets.</summary>
    private void SetReceiveCapacity(TcpFlow flow, int capacity)
    {
        _budget.Adjust(Math.Max(0, flow.RcvCapacity - _parameters.MinReceiveWindow), Math.Max(0, capacity - _parameters.MinReceiveWindow));
        flow.RcvCapacity = capacity;
        flow.RcvSinceResize = 0; // of a window that can grow no more nobody looks at the count, and it may have wrapped
    }

    /// <summary>A flow whose guest has not sent for a while gives its window's memory to those who need it. The edge that it
    /// was told stays where it is: the window shrinks only as it is used. Should so many use theirs again, with no host taking
    /// anything, that the pool runs out, what finds no room is not acknowledged and comes again. Two full segments stay:
    /// Linux cuts segments by the largest window it was ever told, and into one that never has room for such a segment it
    /// sends by its window probes alone.</summary>
    private void ReclaimIdleWindows(int wanted, Instant now)
    {
        const int Looks = 128; // a turn's share: the hand goes round all flows
        for (int i = 0; i < Looks && _budget.FairShare(wanted) < wanted; i++)
        {
            if (++_reclaimHand >= _flows.SlotCount) _reclaimHand = 0;
            if (_flows.At(_reclaimHand) is not TcpFlow flow || now - flow.LastPayload < _parameters.WindowIdle) continue;
            int least = Math.Max(Math.Max(_parameters.MinReceiveWindow, 2 * OurMss(flow.IsIpv4)), flow.ToHost.Length);
            if (flow.RcvCapacity > least) SetReceiveCapacity(flow, least);
        }
    }

    /// <summary>A flow that has filled its window once and found the host taking it gets a larger one.</summary>
    private void GrowReceiveWindow(TcpFlow flow, Instant now)
    {
        if (flow.RcvSinceResize < flow.RcvCapacity || flow.RcvCapacity >= _parameters.MaxReceiveWindow) return;
        flow.RcvSinceResize = 0;
        if (flow.ToHost.Length > flow.RcvCapacity / 2) return; // the host is the slow one: more window is more delay
        int wanted = Math.Min(_parameters.MaxReceiveWindow, flow.RcvCapacity * 2);
        int share = FairWindow(wanted, now);
        if (share > flow.RcvCapacity) SetReceiveCapacity(flow, share);
        // One that could not even have what it has, with little left for anybody, is as short of memory as a newcomer.
        else if (share < flow.RcvCapacity && _budget.Available < _budget.Ceiling / 8) _counters.TcpSmallestWindows++;
    }

    private void ReleasePromises(TcpFlow flow)
    {
        SetReceiveCapacity(flow, 0);
        _budget.Adjust(flow.ToGuest.Length, 0);
    }

    /// <summary>The right edge as it could be told now: never left of what was told, and moved only by a segment or half of
    /// all at a time (silly window avoidance, RFC 9293 section 3.8.6.2.2).</summary>
    private SequenceNumber NextRcvAdv(TcpFlow flow)
    {
        int unit = 1 << flow.RcvWndShift;
        int room = Math.Clamp(flow.RcvCapacity - flow.ToHost.Length, 0, ushort.MaxValue << flow.RcvWndShift) & ~(unit - 1);
        SequenceNumber edge = flow.RcvNxt + room;
        return edge.Since(flow.RcvAdv) >= Math.Min(HalfWindow(flow), OurMss(flow.IsIpv4)) ? edge : flow.RcvAdv;
    }

    /// <summary>An edge that can move by two segments or half of all is worth an acknowledgment of its own.</summary>
    private bool IsWindowUpdateDue(TcpFlow flow)
    {
        if (!flow.CanReceiveFromGuest) return false;
        return NextRcvAdv(flow).Since(flow.RcvAdv) >= Math.Min(HalfWindow(flow), 2 * OurMss(flow.IsIpv4));
    }

    /// <summary>Half of the largest window this flow can be told: the field may hold less than the capacity.</summary>
    private static int HalfWindow(TcpFlow flow) => Math.Min(flow.RcvCapacity, ushort.MaxValue << flow.RcvWndShift) / 2;
}
