namespace Slirp.Simulation.Tests;

/// <summary>What befell one run. The seeds of CI must meet each of them often, or they do not test what they are for.</summary>
[Flags]
public enum Happenings
{
    None = 0,
    Loss = 1,
    Reordering = 1 << 1,
    Duplication = 1 << 2,
    Corruption = 1 << 3,
    GuestWindowClosed = 1 << 4,
    EngineWindowClosed = 1 << 5,
    ProgramStalled = 1 << 6,
    GuestClosedFirst = 1 << 7,
    HostClosedFirst = 1 << 8,
    GuestReset = 1 << 9,
    HostReset = 1 << 10,
    GuestFrozen = 1 << 11,
    LinkDark = 1 << 12,
    HostShort = 1 << 13,
    Retransmission = 1 << 14,
    Timeout = 1 << 15,
    Probe = 1 << 16,
    TinyGuestWindow = 1 << 17,
    TinyEngineWindow = 1 << 18,
    Ipv6 = 1 << 19,
    OpenedFromOutside = 1 << 20,
    NarrowPath = 1 << 21,
}
