using Slirp.Linux.Abi;
using Slirp.Linux.Tap;

namespace Slirp.Linux.Namespaces;

/// <summary>The instructions for what must be born inside a network namespace: TAP queues, a netlink socket, sysctls.</summary>
internal static unsafe class BirthInstructions
{
    private const int AF_NETLINK = 16, SOCK_RAW = 3, NETLINK_ROUTE = 0, NETLINK_SOCK_DIAG = 4;
    private const int QueueRegister = 0;

    /// <summary>Appends: open /dev/net/tun, TUNSETIFF, pass it out; then the other queues. The kernel says EINVAL when
    /// IFF_MULTI_QUEUE is not as the interface was made, so the other way is tried then; a second queue that is refused
    /// leaves those that were had.</summary>
    internal static void AddTap(ChildProgram program, ChildChannel channel, string name, int queueCount, bool vnetHeader)
    {
        TapFlags flags = TapDevice.AttachFlags(queueCount > 1, vnetHeader);
        int open = program.Step("open", TapDevice.DevicePath, TapRemedy.ForOpen);
        int attach = program.Step("TUNSETIFF", $"{TapDevice.DevicePath} ({name})", errno => TapRemedy.ForSetInterface(errno, name));
        int pass = program.Step("sendmsg", $"the descriptor of {name}");

        nint message = AddOpenQueue(program, open);
        int asWanted = AddSetInterface(program, attach, name, flags);
        program.Change(asWanted).OnlyErrno = (int)Errno.EINVAL;
        program.LandError(asWanted);
        _ = AddSetInterface(program, attach, name, flags ^ TapFlags.IFF_MULTI_QUEUE);
        int passedOther = channel.AddSendDescriptor(program, pass, message);
        program.LandSuccess(asWanted);
        _ = channel.AddSendDescriptor(program, pass, message);

        int more = program.Step("TUNSETIFF", $"{TapDevice.DevicePath} ({name}, further queues)");
        var refused = new List<int>();
        for (int queue = 1; queue < queueCount; queue++)
        {
            nint furtherMessage = AddOpenQueue(program, open);
            refused.Add(AddSetInterface(program, more, name, flags));
            _ = channel.AddSendDescriptor(program, pass, furtherMessage);
        }
        program.LandSuccess(passedOther);
        foreach (int one in refused) program.LandError(one);
    }

    internal static void AddNetlink(ChildProgram program, ChildChannel channel) =>
        _ = AddSocket(program, channel, NETLINK_ROUTE, ChildMessage.Netlink);

    /// <summary>Appends a socket that tells of the namespace's connections.</summary>
    internal static void AddDiagnosis(ChildProgram program, ChildChannel channel) =>
        program.LandError(AddSocket(program, channel, NETLINK_SOCK_DIAG, ChildMessage.Diagnosis)); // CONFIG_INET_DIAG

    /// <returns>The instruction that opens it.</returns>
    private static int AddSocket(ChildProgram program, ChildChannel channel, int family, ChildMessage word)
    {
        int step = program.Step("socket", "AF_NETLINK");
        nint message = ChildChannel.PrepareDescriptor(program, word, out int* slot);
        int open = program.Add(step, Syscalls.socket, AF_NETLINK, SOCK_RAW | (int)OpenFlags.O_CLOEXEC, family);
        program.Change(open).StoreResult = slot;
        _ = channel.AddSendDescriptor(program, step, message);
        return open;
    }

    /// <returns>The steps whose errors are warnings.</returns>
    internal static List<int> AddSysctls(ChildProgram program, IReadOnlyList<SysctlWrite> sysctls)
    {
        var steps = new List<int>();
        foreach (SysctlWrite sysctl in sysctls)
        {
            int step = program.Step("write", sysctl.Path);
            int closing = program.Step("close", sysctl.Path);
            steps.Add(step);
            int open = program.Add(step, Syscalls.openat, Descriptor.AT_FDCWD, program.String(sysctl.Path),
                (int)(OpenFlags.O_WRONLY | OpenFlags.O_CLOEXEC), 0, result: QueueRegister);
            nint value = program.String(sysctl.Value);
            int write = program.Add(step, Syscalls.write, ChildProgram.Argument.Register(QueueRegister), value, sysctl.Value.Length);
            program.IgnoreError(write);
            program.IgnoreError(program.Add(closing, Syscalls.close, ChildProgram.Argument.Register(QueueRegister)));
            program.LandError(open);
        }
        return steps;
    }

    private static nint AddOpenQueue(ChildProgram program, int step)
    {
        nint message = ChildChannel.PrepareDescriptor(program, ChildMessage.TapQueue, out int* slot);
        int open = program.Add(step, Syscalls.openat, Descriptor.AT_FDCWD, program.String(TapDevice.DevicePath),
            (int)(OpenFlags.O_RDWR | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC), 0, result: QueueRegister);
        program.Change(open).StoreResult = slot;
        return message;
    }

    private static int AddSetInterface(ChildProgram program, int step, string name, TapFlags flags) =>
        program.Add(step, Syscalls.ioctl, ChildProgram.Argument.Register(QueueRegister), (long)(uint)TunRequest.TUNSETIFF,
            program.Value(TapDevice.InterfaceRequest(name, flags)));
}
