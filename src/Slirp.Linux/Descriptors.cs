namespace Slirp.Linux;

/// <summary>A borrowed descriptor of one kind. The number is good for one call: whoever lent it may close it after.</summary>
public interface IDescriptor
{
    int Value { get; }
}

/// <summary>A queue of a TAP device.</summary>
public readonly record struct TapFd(int Value) : IDescriptor;

/// <summary>A socket of any family but AF_NETLINK.</summary>
public readonly record struct SocketFd(int Value) : IDescriptor;

public readonly record struct NetlinkFd(int Value) : IDescriptor;

public readonly record struct EventFd(int Value) : IDescriptor;

public readonly record struct TimerFd(int Value) : IDescriptor;

public readonly record struct InotifyFd(int Value) : IDescriptor;

/// <summary>Refers to a process, and to no other after that one's death (pidfd_open(2)).</summary>
public readonly record struct PidFd(int Value) : IDescriptor;

/// <summary>A pipe, a file, or a descriptor whose kind the caller was not told (<c>--exit-fd</c>).</summary>
public readonly record struct RawFd(int Value) : IDescriptor;
