using Slirp.Core.Flows;
using Slirp.Core.Memory;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Udp;

/// <summary>Gathers what the guest sends within one turn of the loop, so that datagrams that go the same way leave in one
/// call.</summary>
/// <remarks>
/// <para><b>Model.</b> Each call costs a walk through the host's stack and a wake-up of who listens. Where a guest sends one
/// datagram after the other, UDP_SEGMENT (udp(7)) takes many of one size at once. So payload is copied into a train, and
/// the train leaves at the end of the turn, before the loop may sleep; the copy costs far less than the call.</para>
/// <para><b>Order.</b> Datagrams of one flow to one endpoint leave as they came: one that cannot join a train of theirs
/// sends it off first. Between endpoints UDP promises nothing.</para>
/// <para><b>Limits.</b> A few trains at once: programs that speak to many endpoints in turn send small ones, and lose nothing
/// but the gain. Large datagrams and what came from the guest as a train already go at once.</para>
/// </remarks>
internal sealed class OutgoingTrains
{
    /// <summary>Above it a copy is no longer cheap, and few would fit.</summary>
    private const int LargestDatagram = 16 << 10;

    /// <summary>IP header with options or extensions, and UDP header.</summary>
    private const int LargestHeaders = 128;

    private const int TrainCount = 4;

    private readonly FramePool _pool;
    private readonly OwnedFrame[] _slots = new OwnedFrame[TrainCount];
    private readonly OutgoingTrain[] _trains = new OutgoingTrain[TrainCount];
    private readonly Action<OutgoingTrain, Instant> _depart;
    private int _next, _waiting;

    /// <param name="depart">Sends what a train holds. The train waits no more by then: a fault in sending must not find it
    /// again.</param>
    public OutgoingTrains(FramePool pool, Action<OutgoingTrain, Instant> depart)
    {
        (_pool, _depart) = (pool, depart);
        for (int i = 0; i < TrainCount; i++)
        {
            if (!pool.TryRent(out _slots[i])) throw new InvalidOperationException("no frame slot to gather datagrams in");
            _trains[i] = new OutgoingTrain(pool, _slots[i]);
        }
    }

    public bool HasAny => _waiting > 0;

    /// <summary>Keeps a datagram for the end of the turn.</summary>
    /// <param name="owner">The flow that sends it.</param>
    /// <param name="to">On the host.</param>
    /// <param name="options">A segment size says that it is a train already.</param>
    /// <param name="limit">Datagrams longer than this are known not to go in trains.</param>
    /// <param name="ipPacket">What the payload is a part of, for errors to quote.</param>
    /// <returns>False if it is to be sent alone, and now.</returns>
    public bool TryGather(
        IFlow owner, IpEndpoint to, in DatagramOptions options, int limit, ReadOnlySpan<byte> payload,
        ReadOnlySpan<byte> ipPacket, Instant now)
    {
        foreach (OutgoingTrain train in _trains)
        {
            if (!train.IsOf(owner, to)) continue;
            if (options.SegmentSize == 0 && train.TryJoin(options, payload)) return true;
            Depart(train, now);
            break;
        }
        if (options.SegmentSize > 0 || payload.IsEmpty || payload.Length > Math.Min(limit, LargestDatagram)) return false;
        // Where the payload lies in the packet; outside it, the headers would be somebody else's.
        if (!ipPacket.Overlaps(payload, out int headerLength) || headerLength is < 0 or > LargestHeaders) return false;
        OutgoingTrain free = _trains[_next];
        _next = (_next + 1) % TrainCount;
        if (free.IsWaiting) Depart(free, now);
        free.Begin(owner, to, options, ipPacket[..headerLength], payload);
        _waiting++;
        return true;
    }

    /// <summary>Sends off everything that waits.</summary>
    public void DepartAll(Instant now)
    {
        foreach (OutgoingTrain train in _trains)
        {
            if (train.IsWaiting) Depart(train, now);
        }
    }

    /// <summary>Gives back its slots; of no use after that.</summary>
    public void Close()
    {
        foreach (OwnedFrame slot in _slots) _pool.Release(slot);
    }

    private void Depart(OutgoingTrain train, Instant now)
    {
        _waiting--;
        train.Leave();
        _depart(train, now);
    }
}
