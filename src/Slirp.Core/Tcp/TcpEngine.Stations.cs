using Slirp.Core.Network;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Where on the link the guest of a flow is: where its last segment came from. A guest that only listens says nothing when its
// hardware address changes, and all that is sent to the former one is lost. So whoever is not answered doubts it, and flows
// follow when the guest says where it is (GuestStations), whether it was asked or not.
//
// That is no sign that anybody is dead or that a path is full: what was sent goes again at once, and the timers are back where
// they were before the silence. Only how often something was sent in vain still counts, so that a guest that keeps moving
// without an answer is given up like one that stays.
public sealed partial class TcpEngine<TWorld> : IStationUser
{
    /// <summary>A segment or two may be lost, or the guest be busy.</summary>
    private const int TimeoutsBeforeDoubt = 2;

    public void FollowStations(IStationMoves moves, Instant now)
    {
        for (int slot = 0; slot < _flows.SlotCount; slot++)
        {
            if (_flows.At(slot) is not TcpFlow flow) continue;
            if (!moves.TryFindMove(flow.Key.Guest.Address, flow.GuestMac, out MacAddress station)) continue;
            _current = flow;
            flow.GuestMac = station;
            SpeakAgain(flow, now);
            _current = null;
        }
    }

    private void DoubtStation(TcpFlow flow, Instant now) => Stations?.Doubt(flow.Key.Guest.Address, flow.GuestMac, now);

    /// <summary>What the guest has not answered at its former station is said again.</summary>
    private void SpeakAgain(TcpFlow flow, Instant now)
    {
        if (flow.RetransmitAt != Instant.Never)
        {
            flow.Rtt.ForgetBackOff();
            if (flow.IsSynchronized) GoAstray(flow, now);
            else SendSyn(flow, now);
        }
        if (flow.PersistAt != Instant.Never)
        {
            flow.PersistCount = 0;
            flow.PersistAt = now + PersistInterval(flow);
        }
        if (flow.UnansweredProbes > 0)
        {
            flow.LastProbe = now;
            SendProbe(flow, now);
        }
        Rearm(flow);
    }

    /// <summary>All that is under way never arrived, and not for want of room on the path.</summary>
    private void GoAstray(TcpFlow flow, Instant now)
    {
        if (flow.BeforeTimeout is { } before) (flow.Cwnd, flow.Ssthresh) = (before.Cwnd, before.Ssthresh);
        flow.RetransmitAt = now + flow.Rtt.Rto(_parameters);
        flow.BeginsAgain = true;
        Enqueue(flow);
    }
}
