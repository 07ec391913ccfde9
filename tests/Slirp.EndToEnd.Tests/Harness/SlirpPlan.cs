namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>How a test wants its guest attached. The default is <c>slirpnet -c -6 -r 3 -e 4 PID tap0</c> by root.</summary>
internal sealed record SlirpPlan
{
    public Attachment Attachment { get; init; } = Attachment.Pid;

    /// <summary>Guest and slirpnet belong to the unprivileged user.</summary>
    public bool AsUser { get; init; }

    public bool Configure { get; init; } = true;

    public bool Ipv6 { get; init; } = true;

    public int Mtu { get; init; } = 1500;

    public string[] MoreOptions { get; init; } = [];

    /// <summary>slirpnet and the servers get a host network of their own, which the test may bend as it likes.</summary>
    public bool OwnHost { get; init; }

    /// <summary>With <see cref="OwnHost"/>: what its /etc/resolv.conf says.</summary>
    public string? ResolvConf { get; init; }

    /// <summary>slirpnet gets a control socket: <see cref="GuestNetwork.Api"/>.</summary>
    public bool Api { get; init; }

    /// <summary>Words in front of slirpnet's, of commands that each become the next (prlimit, env).</summary>
    public string[] Prefix { get; init; } = [];

    /// <summary>What must be there before slirpnet starts.</summary>
    public Func<GuestNetwork, Task> Before { get; init; } = _ => Task.CompletedTask;

    /// <summary>Whether a capture runs beside the test, to be kept when it fails.</summary>
    public bool Capture { get; init; } = true;
}
