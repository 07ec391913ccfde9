namespace Slirp.Linux.Namespaces;

/// <summary>What to open inside a network namespace that somebody else made.</summary>
public sealed record AttachRequest
{
    /// <summary>The namespace to work in: <c>/proc/PID/ns/net</c> or a path that it is bound to.</summary>
    public required string NetworkNamespacePath { get; init; }

    /// <summary>The user namespace to enter before it; null stays in the caller's.</summary>
    public string? UserNamespacePath { get; init; }

    /// <summary>The interface to make or to attach to; null opens no TAP.</summary>
    public string? TapName { get; init; }

    /// <summary>Queues wanted. Fewer come if the interface was made without IFF_MULTI_QUEUE or has none free.</summary>
    public int QueueCount { get; init; } = 1;

    /// <summary>False attaches without IFF_VNET_HDR, and so without offloads.</summary>
    public bool VnetHeader { get; init; } = true;

    /// <summary>Written once the interface exists; done when <c>Open</c> returns.</summary>
    public IReadOnlyList<SysctlWrite> Sysctls { get; init; } = [];
}

/// <summary>What was born inside the namespace and works from outside it. The caller owns each descriptor.</summary>
public sealed class AttachedNamespace : IDisposable
{
    internal AttachedNamespace(OwnedFd[] tapQueues, OwnedFd netlink, OwnedFd? diagnosis, IReadOnlyList<NamespaceWarning> warnings)
    {
        TapQueues = tapQueues;
        Netlink = netlink;
        Diagnosis = diagnosis;
        Warnings = warnings;
    }

    /// <summary>For <c>TapDevice.FromAttached</c>, which takes them over; empty if no TAP was asked for.</summary>
    public OwnedFd[] TapQueues { get; }

    /// <summary>A NETLINK_ROUTE socket of that namespace.</summary>
    public OwnedFd Netlink { get; }

    /// <summary>For <c>DiagnosisSocket</c>, which takes it over; null if the kernel has none.</summary>
    public OwnedFd? Diagnosis { get; }

    public IReadOnlyList<NamespaceWarning> Warnings { get; }

    public void Dispose()
    {
        foreach (OwnedFd queue in TapQueues) queue.Dispose();
        Netlink.Dispose();
        Diagnosis?.Dispose();
    }
}

/// <summary>Opens descriptors inside another network namespace by way of a clone of this process (see ChildRunner);
/// this process itself never enters it.</summary>
/// <remarks>Works for root outside, for root inside a user namespace that owns the target, and for a plain user who owns
/// the user namespace given. As in slirp4netns a failure to enter the user namespace is not fatal, for the caller may be
/// in it already; where the next step then fails, both reasons are told.</remarks>
public static class NamespaceAttach
{
    /// <exception cref="LinuxException">Names the step, what it was done to, why it was refused and what helps.</exception>
    public static AttachedNamespace Open(AttachRequest request)
    {
        using OwnedFd? user = request.UserNamespacePath is null ? null : OpenNamespace(request.UserNamespacePath, "user");
        using OwnedFd network = OpenNamespace(request.NetworkNamespacePath, "network");
        using var program = new ChildProgram();
        using var channel = new ChildChannel();
        int enterUser = program.Step("setns(CLONE_NEWUSER)", request.UserNamespacePath ?? "");
        List<int> optional = Compose(program, channel, request, enterUser, user, network);
        using ChildProcess child = ChildProcess.Start(program, channel);
        using var born = new BornDescriptors();
        ChildMessage last = born.Collect(channel);
        _ = child.Reap();
        if (program.Report.FailedErrno != 0) throw program.FailureOf(UserEntryDetail(program, enterUser));
        OwnedFd? netlink = born.TakeNetlink();
        if (last != ChildMessage.End || netlink is null)
        {
            netlink?.Dispose();
            throw new LinuxException("clone", "this process", Errno.ECHILD, "the child process was ended by somebody");
        }
        return new AttachedNamespace(born.TakeQueues(), netlink, born.TakeDiagnosis(), WarningsOf(program, optional));
    }

    internal static IReadOnlyList<NamespaceWarning> WarningsOf(ChildProgram program, List<int> steps)
    {
        var warnings = new List<NamespaceWarning>();
        foreach (int step in steps)
        {
            Errno errno = program.ErrnoOf(step);
            if (errno != Errno.None) warnings.Add(new NamespaceWarning(program.NameOf(step).Step, program.NameOf(step).Subject, errno));
        }
        return warnings;
    }

    private static List<int> Compose(
        ChildProgram program, ChildChannel channel, AttachRequest request, int enterUser, OwnedFd? user, OwnedFd network)
    {
        int enterNetwork = program.Step("setns(CLONE_NEWNET)", request.NetworkNamespacePath, RemedyForEnter);
        ChildProcess.AddBeginning(program, channel);
        if (user is not null)
            program.IgnoreError(program.Add(enterUser, Syscalls.setns, user.Value, ChildRunner.CLONE_NEWUSER));
        _ = program.Add(enterNetwork, Syscalls.setns, network.Value, ChildRunner.CLONE_NEWNET);
        if (request.TapName is not null)
            BirthInstructions.AddTap(program, channel, request.TapName, request.QueueCount, request.VnetHeader);
        BirthInstructions.AddNetlink(program, channel);
        BirthInstructions.AddDiagnosis(program, channel);
        List<int> optional = BirthInstructions.AddSysctls(program, request.Sysctls);
        program.End(channel);
        return optional;
    }

    private static OwnedFd OpenNamespace(string path, string kind)
    {
        // O_NONBLOCK: a FIFO in its place must not stop us; setns will refuse it.
        SysResult opened = Descriptor.OpenFile(path, OpenFlags.O_RDONLY | OpenFlags.O_NONBLOCK | OpenFlags.O_NOCTTY);
        return opened.OwnedOrThrow("open", $"{path} ({kind} namespace)", opened.Errno switch
        {
            Errno.ENOENT or Errno.ESRCH => "no such process or namespace",
            Errno.EACCES or Errno.EPERM => "this user may not look into that process: it belongs to another user or has privileges that this one lacks",
            _ => null,
        });
    }

    private static string? RemedyForEnter(Errno errno) => errno switch
    {
        Errno.EPERM => "no privilege over that namespace: run as the user who made it, and name the user namespace that owns it",
        Errno.EINVAL => "it is no network namespace",
        _ => null,
    };

    private static string? UserEntryDetail(ChildProgram program, int enterUser)
    {
        Errno errno = program.ErrnoOf(enterUser);
        // EINVAL: the caller is in that namespace already.
        return errno is Errno.None or Errno.EINVAL
            ? null
            : $"after {program.NameOf(enterUser).Step} on {program.NameOf(enterUser).Subject}: {errno.Describe()}";
    }
}
