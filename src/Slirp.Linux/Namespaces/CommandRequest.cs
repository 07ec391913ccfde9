namespace Slirp.Linux.Namespaces;

/// <summary>A command to run in namespaces of its own, and what to open inside them for this process.</summary>
public sealed record CommandRequest
{
    /// <summary>The program and its arguments; a program without '/' is looked up in PATH.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    public string TapName { get; init; } = "tap0";
    public int QueueCount { get; init; } = 1;
    public bool VnetHeader { get; init; } = true;

    /// <summary>Written once the interface exists.</summary>
    public IReadOnlyList<SysctlWrite> Sysctls { get; init; } = [];

    /// <summary>What the command shall read in /etc/resolv.conf; null leaves that file alone.</summary>
    public byte[]? ResolvConf { get; init; }

    /// <summary>Shows the new network namespace under /sys/class/net, where the kernel lets us.</summary>
    public bool MountSys { get; init; }

    /// <summary>Open descriptors of this process that the command shall have besides 0, 1 and 2, under the same numbers.</summary>
    public IReadOnlyCollection<int> Descriptors { get; init; } = [];

    /// <summary>The soft limit on descriptors for the command, as this process had it before it raised it for itself; null
    /// leaves the raised one.</summary>
    public ulong? DescriptorSoftLimit { get; init; }

    /// <summary>Added to this process's environment, or put in place of what is there.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}
