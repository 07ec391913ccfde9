using Slirp.Core.Flows;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

// Who outside speaks to the guest: opened by the first datagram, closed when idle, evicted when there are too many.
public sealed partial class UdpForwards<TWorld>
{
    private static readonly EventTarget UpkeepTarget = new(EventKind.ForwardUpkeep, 0, 0);

    private readonly FlowTable<UdpAssociation> _table;
    private readonly FlowTable<UdpAssociation.OutsideSide> _outside;
    private readonly Stack<UdpAssociation> _unused = new();

    // By last use, which is also by deadline, since all in a list live equally long.
    private readonly RecencyList _unanswered = new();
    private readonly RecencyList _answered = new();
    private TimerHandle _upkeep;

    public int AssociationCount => _table.Count;

    /// <summary>Forgotten to make room for another.</summary>
    public long EvictedCount { get; private set; }

    /// <summary>The timer of <see cref="EventKind.ForwardUpkeep"/>, index 0: closes what has been idle too long.</summary>
    public void OnTimer(Instant now)
    {
        _upkeep = default;
        CloseIdle(_unanswered, _limits.UnansweredIdle, now);
        CloseIdle(_answered, _limits.AnsweredIdle, now);
        ScheduleUpkeep();
    }

    private UdpAssociation? Find(in FlowKey outside) =>
        _outside.TryFind(outside, out UdpAssociation.OutsideSide? side) ? side.Association : null;

    private UdpAssociation? Open(UdpForwardPort port, in FlowKey outside, Instant now)
    {
        if (!TryChooseKey(port.Guest, outside.Guest, out FlowKey key))
        {
            _counters.Drop(DropReason.ForwardPortExhausted);
            return null;
        }
        if (_gate.Decide(IpProtocol.Udp, FlowDirection.Inbound, key, out _) != RouteVerdict.Forward)
        {
            _counters.Drop(DropReason.RefusedByGate);
            return null;
        }
        if (_table.IsFull) EvictIdlest();
        if (!_unused.TryPop(out UdpAssociation? association)) association = new UdpAssociation();
        association.Key = key;
        association.Outside.Key = outside;
        association.Port = port;
        association.InterfaceIndex = 0;
        association.IsAnswered = false;
        association.TrainLimit = int.MaxValue;
        // Until it is known where the guest is, all stations are told: its kernel takes a datagram that comes that way.
        association.Station = _stations.TryFind(port.Guest.Address, now, out MacAddress station) ? station : MacAddress.Broadcast;
        _table.TryAdd(association); // both have room: one was evicted if need be
        _outside.TryAdd(association.Outside);
        _counters.UdpAssociationsOpened++;
        return association;
    }

    private bool TryChooseKey(IpEndpoint guest, IpEndpoint remote, out FlowKey key)
    {
        IpAddress seen = OutsideView.Of(_plan, remote.Address, guest.Address, out _);
        key = new FlowKey(guest, remote with { Address = seen });
        var taken = new Conversations(_table);
        if (!taken.Has(key.Guest, key.Remote)) return true;
        if (!OutsideView.TryChoosePort(_plan, guest, taken, out IpEndpoint standIn)) return false;
        key = new FlowKey(guest, standIn);
        return true;
    }

    private void Touch(UdpAssociation association, bool isAnswer, Instant now)
    {
        if (isAnswer && !association.IsAnswered)
        {
            association.IsAnswered = true;
            _unanswered.Remove(association.Index);
        }
        association.LastUsed = now;
        (association.IsAnswered ? _answered : _unanswered).Touch(association.Index);
        if (!_upkeep.IsSet) ScheduleUpkeep();
    }

    private void Close(UdpAssociation association)
    {
        (association.IsAnswered ? _answered : _unanswered).Remove(association.Index);
        _table.Remove(association);
        _outside.Remove(association.Outside);
        association.Port = null;
        _unused.Push(association);
        _counters.UdpAssociationsClosed++;
    }

    private void EvictIdlest()
    {
        RecencyList list = _unanswered.Count > 0 ? _unanswered : _answered;
        if (_table.At(list.Oldest) is not UdpAssociation idlest) return;
        Close(idlest);
        EvictedCount++;
    }

    private void CloseIdle(RecencyList list, TimeSpan idle, Instant now)
    {
        while (list.Oldest >= 0 && _table.At(list.Oldest) is UdpAssociation oldest && oldest.LastUsed + idle <= now)
            Close(oldest);
    }

    private void ScheduleUpkeep()
    {
        Instant due = Instant.Earlier(DeadlineOf(_unanswered, _limits.UnansweredIdle), DeadlineOf(_answered, _limits.AnsweredIdle));
        if (due != Instant.Never) _timers.Schedule(ref _upkeep, UpkeepTarget, due);
    }

    private Instant DeadlineOf(RecencyList list, TimeSpan idle) =>
        list.Oldest >= 0 && _table.At(list.Oldest) is UdpAssociation oldest ? oldest.LastUsed + idle : Instant.Never;

    private readonly struct Conversations(FlowTable<UdpAssociation> table) : IConversations
    {
        public bool Has(IpEndpoint guest, IpEndpoint remote) => table.TryFind(new FlowKey(guest, remote), out _);
    }
}
