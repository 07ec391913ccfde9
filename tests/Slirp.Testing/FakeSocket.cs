using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

public enum FakeSocketKind
{
    Tcp,
    Udp,
    Ping,
}

/// <summary>One host socket of a <see cref="FakeHost"/>. Public methods are the script (what the outside does); what Core
/// calls is internal and behind <see cref="FakeWorld"/>.</summary>
public sealed partial class FakeSocket(FakeHost host, HostSocket handle, FakeSocketKind kind, AddressFamily family)
{
    private HostEvents _raised;
    private bool _isQueued;
    private HostError _error;

    public HostSocket Handle => handle;

    public FakeSocketKind Kind => kind;

    public AddressFamily Family => family;

    /// <summary>Who is told about events; for an accepted socket nobody until it is adopted.</summary>
    public EventTarget Owner { get; internal set; }

    /// <summary>Where a TCP socket connects to, or a connected UDP socket sends to.</summary>
    public IpEndpoint? Peer { get; internal set; }

    /// <summary>The host's address it speaks from: none, unless the script says so.</summary>
    public IpAddress LocalAddress { get; set; }

    /// <summary>The peer has acknowledged all that was sent.</summary>
    public bool IsDelivered { get; set; } = true;

    /// <summary>How long a silence its peer is allowed; null if nobody asked.</summary>
    public TimeSpan? KeepAliveIdle { get; internal set; }

    public bool IsOpen { get; private set; } = true;

    /// <summary>Core closed it with RST.</summary>
    public bool WasReset { get; private set; }

    /// <summary>Every call but the closing one throws, as no kernel does.</summary>
    public bool Throws { get; set; }

    internal void ThrowIfTold()
    {
        if (Throws) throw new InvalidOperationException("the kernel did what no manual says");
    }

    /// <summary>Raises events as the kernel would on an edge; merged with those not yet taken.</summary>
    public void Raise(HostEvents events)
    {
        if (!IsOpen) return;
        _raised |= events;
        if (_isQueued) return;
        _isQueued = true;
        host.Raise(this);
    }

    /// <summary>Sets SO_ERROR, which the next call on the socket returns and clears, and raises Error.</summary>
    public void SetError(HostError error)
    {
        _error = error;
        Raise(HostEvents.Error);
    }

    internal HostEvents TakeRaised()
    {
        HostEvents events = _raised;
        _raised = HostEvents.None;
        _isQueued = false;
        return events;
    }

    internal void RaiseCurrent()
    {
        HostEvents events = HostEvents.None;
        if (kind != FakeSocketKind.Tcp || (_connected && SendRoom > 0)) events |= HostEvents.Writable;
        if (_received.Count > 0 || _datagrams.Count > 0) events |= HostEvents.Readable;
        if (_endOfFile) events |= HostEvents.Readable | HostEvents.ReadClosed;
        if (_error != HostError.None || _errors.Count > 0) events |= HostEvents.Error;
        if (events != HostEvents.None) Raise(events);
    }

    internal HostError TakeError()
    {
        HostError error = _error;
        _error = HostError.None;
        return error;
    }

    internal void BeClosed(bool reset)
    {
        IsOpen = false;
        WasReset = reset;
    }
}
