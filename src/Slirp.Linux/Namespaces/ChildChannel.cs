using System.Globalization;
using System.Runtime.CompilerServices;
using Slirp.Linux.Abi;
using Slirp.Linux.Native;
using Slirp.Linux.Sockets;

namespace Slirp.Linux.Namespaces;

/// <summary>What a message between parent and child means; a message that carries a descriptor says which.</summary>
internal enum ChildMessage
{
    None = 0,

    /// <summary>The child's first act: it runs.</summary>
    Hello = 1,

    /// <summary>The child's last act unless it became a command: its report is complete.</summary>
    End = 2,

    /// <summary>The child waits for its user and group maps.</summary>
    NeedsMaps = 3,

    /// <summary>The child waits until its network is configured.</summary>
    Ready = 4,

    /// <summary>From the parent: carry on.</summary>
    Go = 5,

    TapQueue = 6,
    Netlink = 7,
    Diagnosis = 8,
}

/// <summary>A pair of sockets that keeps messages apart: four octets each, and one descriptor where the message has one.</summary>
internal sealed unsafe class ChildChannel : IDisposable
{
    private readonly OwnedFd _parentEnd;
    private readonly OwnedFd _childEnd;

    internal ChildChannel()
    {
        int* ends = stackalloc int[2];
        int type = (int)SocketType.SOCK_SEQPACKET | (int)OpenFlags.O_CLOEXEC; // SOCK_CLOEXEC is the same bit
        _ = Libc.Result(Libc.socketpair((int)SocketFamily.AF_UNIX, type, 0, ends)).OrThrow("socketpair", "a channel to a child process");
        _parentEnd = OwnedFd.FromKernel(ends[0]);
        _childEnd = OwnedFd.FromKernel(ends[1]);
    }

    internal enum Outcome { Message, ChildGone, TimedOut }

    /// <summary>In the parent, once the child has its copy: so that the end of the child is the end of the channel.</summary>
    internal void CloseChildEnd() => _childEnd.Dispose();

    /// <summary>Appends the child's giving up of the parent's end: so that the parent's end is the end of the channel.</summary>
    internal void AddCloseParentEnd(ChildProgram program, int step) => program.IgnoreError(program.Add(step, Syscalls.close, _parentEnd.Value));

    /// <summary>Appends the end of what the child has to say.</summary>
    internal void AddClose(ChildProgram program, int step) => program.IgnoreError(program.Add(step, Syscalls.close, _childEnd.Value));

    /// <summary>Appends the closing of every descriptor but the channel's (close_range, Linux 5.9; before it those that are open now).</summary>
    internal void AddCloseOthers(ChildProgram program, int step)
    {
        int own = _childEnd.Value;
        if (own > 0) program.IgnoreError(program.Add(step, Syscalls.close_range, 0, own - 1, 0));
        int rest = program.Add(step, Syscalls.close_range, own + 1, uint.MaxValue, 0);
        program.IgnoreError(rest);
        foreach (string entry in Directory.GetFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry), NumberStyles.None, CultureInfo.InvariantCulture, out int open) && open != own)
                program.IgnoreError(program.Add(step, Syscalls.close, open));
        }
        program.LandSuccess(rest);
    }

    /// <summary>Appends the sending of a message without a descriptor.</summary>
    internal int AddSend(ChildProgram program, int step, ChildMessage message) =>
        program.Add(step, Syscalls.write, _childEnd.Value, program.Value((int)message), sizeof(int));

    /// <summary>Appends the wait for any message from the parent; the parent's death is a failure.</summary>
    internal void AddWait(ChildProgram program, int step)
    {
        int read = program.Add(step, Syscalls.read, _childEnd.Value, program.Value(0), sizeof(int));
        program.Change(read).ZeroIsEnd = 1;
    }

    /// <summary>Prepares a message that carries a descriptor: the instruction that opens it must store it in
    /// <paramref name="slot"/>, and <see cref="AddSendDescriptor"/> sends it.</summary>
    internal static nint PrepareDescriptor(ChildProgram program, ChildMessage message, out int* slot)
    {
        var control = (byte*)program.Bytes(stackalloc byte[(int)ControlMessages.Aligned((nuint)(sizeof(cmsghdr) + sizeof(int)))]);
        int length = 0;
        slot = (int*)ControlMessages.Append(control, ref length, SocketLevel.SOL_SOCKET, (int)SocketControl.SCM_RIGHTS, sizeof(int));
        var vector = new iovec { iov_base = (void*)program.Value((int)message), iov_len = sizeof(int) };
        return program.Value(new msghdr
        {
            msg_iov = (iovec*)program.Value(vector),
            msg_iovlen = 1,
            msg_control = control,
            msg_controllen = (nuint)(sizeof(cmsghdr) + sizeof(int)),
        });
    }

    internal int AddSendDescriptor(ChildProgram program, int step, nint prepared) =>
        program.Add(step, Syscalls.sendmsg, _childEnd.Value, prepared, 0);

    /// <summary>From the parent. EPIPE if the child is gone.</summary>
    internal SysResult Send(ChildMessage message)
    {
        int word = (int)message;
        return Socket.Send(_parentEnd.AsSocket, new ReadOnlySpan<byte>(&word, sizeof(int)));
    }

    /// <summary>The child's next message.</summary>
    /// <param name="timeoutMilliseconds">-1 waits for as long as the child lives.</param>
    /// <param name="message">What it says.</param>
    /// <param name="descriptor">The descriptor it carried, owned by the caller.</param>
    internal Outcome Receive(int timeoutMilliseconds, out ChildMessage message, out OwnedFd? descriptor)
    {
        message = ChildMessage.None;
        descriptor = null;
        SysResult polled = Descriptor.Poll(_parentEnd.AsSocket, PollEvents.POLLIN, timeoutMilliseconds, out _);
        if (polled.OrThrow("poll", "a child process") == 0) return Outcome.TimedOut;

        int word = 0;
        ulong* control = stackalloc ulong[8];
        var vector = new iovec { iov_base = &word, iov_len = sizeof(int) };
        var header = new msghdr { msg_iov = &vector, msg_iovlen = 1, msg_control = control, msg_controllen = 64 };
        SysResult received; // all pointers are into this stack
        do received = Libc.Result(Libc.recvmsg(_parentEnd.Value, &header, (int)MessageFlags.MSG_CMSG_CLOEXEC));
        while (received.Is(Errno.EINTR));
        if (received.Raw <= 0) return Outcome.ChildGone;
        message = (ChildMessage)word;
        var first = (cmsghdr*)control;
        if (header.msg_controllen >= (nuint)(sizeof(cmsghdr) + sizeof(int))
            && first->cmsg_level == (int)SocketLevel.SOL_SOCKET && first->cmsg_type == (int)SocketControl.SCM_RIGHTS)
            descriptor = OwnedFd.FromKernel(Unsafe.ReadUnaligned<int>(first + 1));
        return Outcome.Message;
    }

    public void Dispose()
    {
        _parentEnd.Dispose();
        _childEnd.Dispose();
    }
}
