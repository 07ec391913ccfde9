using System.Runtime.InteropServices;

namespace Slirp.Linux.Events;

/// <summary>One readiness report: what happened, and the payload given when the descriptor was added.</summary>
/// <remarks>16 octets on every architecture. The kernel's own struct is 12 octets on x86-64, packed; <see cref="Epoll"/>
/// spreads those out in place.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 16)]
public readonly struct EpollEvent
{
    [FieldOffset(0)] private readonly uint _events;
    [FieldOffset(8)] private readonly ulong _data;

    public EpollEvent(EpollEvents events, ulong data)
    {
        _events = (uint)events;
        _data = data;
    }

    public EpollEvents Events => (EpollEvents)_events;
    public ulong Data => _data;

    public override string ToString() => $"{Events} {_data:x}";
}
