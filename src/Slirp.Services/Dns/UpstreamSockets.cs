using Slirp.Core;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Services.Dns;

/// <summary>The sockets that queries leave through: connected, so that the kernel lets in only what comes from the resolver
/// asked.</summary>
/// <remarks>
/// <para>A query gets a socket of its own, with a port of the kernel's random choice, and the socket is closed when the
/// query is done: then a forger has port and identifier to guess (RFC 5452 section 9.2). Under load a resolver's
/// <see cref="MaxPerResolver"/> sockets are shared, each by at most <see cref="MaxQueries"/> queries before it is left
/// to run dry, so that ports keep changing. So they are where there are no descriptors left, and a resolver's only socket
/// may be one of those kept back.</para>
/// <para>Invariant: a socket is open exactly while a query is out on it. Events carry slot and generation.</para>
/// </remarks>
internal sealed class UpstreamSockets<TWorld>(TWorld world) where TWorld : struct, IWorld
{
    public const int MaxPerResolver = 16;
    public const int SlotCount = MaxPerResolver * ResolverConfiguration.MaxServers;

    private const int MaxQueries = 64;

    private readonly Upstream[] _upstreams = NewSlots();
    private TWorld _world = world;

    private struct Upstream
    {
        public HostSocket Socket;
        public int Generation;
        public int Outstanding;
        public int Queries;
        public int Mismatches;
        public int Late;
    }

    public static int ResolverOf(int slot) => slot / MaxPerResolver;

    public int OpenCount { get; private set; }

    public HostSocket Socket(int slot) => _upstreams[slot].Socket;

    public int Generation(int slot) => _upstreams[slot].Generation;

    public bool TryGet(EventTarget target, out int slot)
    {
        slot = target.Index;
        return (uint)slot < SlotCount && IsOpen(slot) && _upstreams[slot].Generation == target.Generation;
    }

    /// <summary>A socket to a resolver for one more query; give it back with <see cref="Release"/>.</summary>
    public HostError Acquire(int resolver, IpEndpoint endpoint, out int slot)
    {
        HostError error = TryOpen(resolver, endpoint, out slot);
        bool isShort = error is HostError.NoDescriptors or HostError.NoBuffers; // a full house, or the host's
        if (isShort && TryShare(resolver, out slot)) error = HostError.None;
        if (error != HostError.None) return error;
        _upstreams[slot].Outstanding++;
        _upstreams[slot].Queries++;
        return HostError.None;
    }

    /// <summary>A query is done with its socket.</summary>
    public void Release(int slot)
    {
        if (--_upstreams[slot].Outstanding == 0) Close(slot);
    }

    /// <summary>Some socket speaks from an address that the host has no more.</summary>
    public bool HasLost(HostAddresses addresses)
    {
        for (int slot = 0; slot < SlotCount; slot++)
        {
            if (!IsOpen(slot)) continue;
            if (_world.TryGetLocalAddress(_upstreams[slot].Socket, out IpAddress local) && addresses.HasLost(local)) return true;
        }
        return false;
    }

    /// <summary>An answer may still come that nobody waits for any more.</summary>
    public void ExpectLate(int slot) => _upstreams[slot].Late++;

    /// <returns>How many answers that were none have come to this socket, but for as many as may come late.</returns>
    public int CountMismatch(int slot)
    {
        if (_upstreams[slot].Late == 0) return ++_upstreams[slot].Mismatches;
        _upstreams[slot].Late--;
        return _upstreams[slot].Mismatches;
    }

    private HostError TryOpen(int resolver, IpEndpoint endpoint, out int slot)
    {
        slot = FindFree(resolver);
        if (slot < 0) return HostError.NoDescriptors;
        AddressFamily family = endpoint.Address.IsIpv4 ? AddressFamily.Ipv4 : AddressFamily.Ipv6;
        var owner = new EventTarget(EventKind.DnsUpstream, slot, _upstreams[slot].Generation);
        IoResult opened = _world.OpenUdp(family, endpoint, owner, out HostSocket socket, fromReserve: !HasOpen(resolver));
        if (!opened.IsOk) return opened.Error;
        _upstreams[slot].Socket = socket;
        OpenCount++;
        return HostError.None;
    }

    private bool HasOpen(int resolver)
    {
        for (int slot = resolver * MaxPerResolver; slot < (resolver + 1) * MaxPerResolver; slot++)
            if (IsOpen(slot)) return true;
        return false;
    }

    private int FindFree(int resolver)
    {
        for (int slot = resolver * MaxPerResolver; slot < (resolver + 1) * MaxPerResolver; slot++)
            if (!IsOpen(slot)) return slot;
        return -1;
    }

    /// <summary>Any open socket of the resolver, at random, one that is not worn out if there is one.</summary>
    private bool TryShare(int resolver, out int slot)
    {
        int start = SecureRandom.NextUInt16();
        int worn = -1;
        for (int i = 0; i < MaxPerResolver; i++)
        {
            slot = resolver * MaxPerResolver + (start + i) % MaxPerResolver;
            if (!IsOpen(slot)) continue;
            if (_upstreams[slot].Queries < MaxQueries) return true;
            worn = slot;
        }
        slot = worn;
        return worn >= 0;
    }

    private bool IsOpen(int slot) => _upstreams[slot].Socket.IsOpen;

    private void Close(int slot)
    {
        _world.Close(_upstreams[slot].Socket, reset: false);
        _upstreams[slot] = new Upstream
        {
            Socket = HostSocket.None,
            Generation = (_upstreams[slot].Generation + 1) & EventTarget.GenerationMask,
        };
        OpenCount--;
    }

    private static Upstream[] NewSlots()
    {
        var slots = new Upstream[SlotCount];
        foreach (ref Upstream slot in slots.AsSpan()) slot.Socket = HostSocket.None;
        return slots;
    }
}
