namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>How slirpnet is told which namespace it serves.</summary>
public enum Attachment
{
    /// <summary>PID tap0.</summary>
    Pid,

    /// <summary>--netns-type=path PATH tap0, by somebody who owns the namespace already.</summary>
    Path,

    /// <summary>--netns-type=path --userns-path=PATH PATH tap0, by somebody who must enter it first.</summary>
    PathInUserNamespace,

    /// <summary>--netns-type=tapfd FD, on a TAP made by the test.</summary>
    Descriptor,
}
