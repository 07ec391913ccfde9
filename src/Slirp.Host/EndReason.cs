namespace Slirp.Host;

/// <summary>What ended the service; all but <see cref="LinkLost"/> are clean.</summary>
public enum EndReason
{
    None,

    /// <summary>One of <see cref="SupervisorOptions.Signals"/>.</summary>
    Signal,

    /// <summary>The other end of exit-fd was closed.</summary>
    ExitDescriptor,

    /// <summary>The process whose network this is has ended.</summary>
    TargetEnded,

    /// <summary>The namespace's path is gone.</summary>
    NamespaceGone,

    /// <summary>The TAP device cannot be read any more.</summary>
    LinkLost,
}
