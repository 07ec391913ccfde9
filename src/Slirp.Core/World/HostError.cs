namespace Slirp.Core.World;

/// <summary>The errno values that change what Core does; everything else is <see cref="Other"/>.</summary>
public enum HostError
{
    None,

    /// <summary>EAGAIN: nothing to read, no room to write.</summary>
    WouldBlock,

    /// <summary>EINPROGRESS: the outcome comes as an event.</summary>
    InProgress,
    ConnectionRefused,
    ConnectionReset,
    BrokenPipe,
    HostUnreachable,
    NetworkUnreachable,
    TimedOut,
    AccessDenied,
    AddressInUse,
    AddressNotAvailable,
    MessageTooLong,

    /// <summary>EMFILE, ENFILE: no descriptor to be had now.</summary>
    NoDescriptors,

    /// <summary>ENOBUFS, ENOMEM: the kernel has no room now.</summary>
    NoBuffers,

    /// <summary>EAFNOSUPPORT, EPROTONOSUPPORT: this host lacks the family or protocol.</summary>
    NotSupported,
    Other,
}

/// <summary>The answer of a host operation: a count if not negative, else minus a <see cref="HostError"/>.</summary>
public readonly record struct IoResult(int Raw)
{
    public static IoResult Ok => default;

    public static IoResult Failed(HostError error) => new(-(int)error);

    public bool IsOk => Raw >= 0;

    /// <summary>Octets moved; meaningful only if <see cref="IsOk"/>.</summary>
    public int Count => Raw;

    public HostError Error => Raw < 0 ? (HostError)(-Raw) : HostError.None;

    public bool WouldBlock => Raw == -(int)HostError.WouldBlock;
}
