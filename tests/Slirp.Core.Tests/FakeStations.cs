using Slirp.Core.Network;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.Core.Tests;

/// <summary>A guest at a station that a test may move, and who has doubted it.</summary>
public sealed class FakeStations : IGuestStations, IStationMoves
{
    private readonly Dictionary<(IpAddress, MacAddress), MacAddress> _moves = [];

    public bool IsKnown { get; set; } = true;

    public List<(IpAddress Guest, MacAddress Station)> Doubted { get; } = [];

    public bool TryFind(IpAddress guest, Instant now, out MacAddress station)
    {
        station = _moves.GetValueOrDefault((guest, FrameFactory.GuestMac), FrameFactory.GuestMac);
        return IsKnown;
    }

    public void Doubt(IpAddress guest, MacAddress station, Instant now) => Doubted.Add((guest, station));

    public FakeStations Move(IpAddress guest, MacAddress from, MacAddress to)
    {
        _moves[(guest, from)] = to;
        return this;
    }

    public bool TryFindMove(IpAddress guest, MacAddress from, out MacAddress to) => _moves.TryGetValue((guest, from), out to);
}
