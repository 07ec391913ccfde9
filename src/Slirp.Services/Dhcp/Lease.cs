using Slirp.Core;
using Slirp.Wire;

namespace Slirp.Services.Dhcp;

internal enum LeaseState : byte
{
    /// <summary>Nobody's; may remember who had it last. Left by an offer or a grant.</summary>
    Free,

    /// <summary>Held for a client for a short while. Left by a grant, a refusal, its end, or a newer client in need.</summary>
    Offered,

    /// <summary>A client's own until it gives it back or the lease ends.</summary>
    Bound,

    /// <summary>A client found somebody else on it; set aside for a while.</summary>
    Declined,
}

/// <summary>One address of the pool and its client: the only mutable state of the DHCP server.</summary>
internal sealed class Lease(Ipv4Address address)
{
    private readonly byte[] _client = new byte[DhcpClient.MaxLength];
    private int _clientLength;

    public Ipv4Address Address { get; } = address;

    public LeaseState State { get; private set; }

    /// <summary>When the state ends by itself; of a free address, when its last use ended.</summary>
    public Instant Until { get; private set; }

    /// <summary>The hardware address of who has it.</summary>
    public MacAddress Station { get; private set; }

    public bool IsOf(in DhcpClient client) =>
        _clientLength > 0 && client.Octets.SequenceEqual(_client.AsSpan(0, _clientLength));

    public bool IsUsable(in DhcpClient client, Instant now) => EffectiveState(now) switch
    {
        LeaseState.Free => true,
        LeaseState.Offered or LeaseState.Bound => IsOf(client),
        _ => false,
    };

    public LeaseState EffectiveState(Instant now) => Until <= now ? LeaseState.Free : State;

    public void Give(in DhcpClient client, LeaseState state, Instant until)
    {
        client.Octets.CopyTo(_client);
        (_clientLength, Station, State, Until) = (client.Octets.Length, client.HardwareAddress, state, until);
    }

    /// <summary>The client no longer has it, but is offered the same again if it comes back.</summary>
    public void Release(Instant now) => (State, Until) = (LeaseState.Free, now);

    /// <summary>The client has another address now.</summary>
    public void Forget(Instant now)
    {
        Release(now);
        _clientLength = 0;
    }

    public void Decline(Instant until) => (_clientLength, State, Until) = (0, LeaseState.Declined, until);
}
