using Slirp.Linux.Abi;
using Slirp.Linux.Native;

namespace Slirp.Linux.Tap;

/// <summary>A TAP interface attached to through one descriptor per queue, with its offloads probed.</summary>
/// <remarks>
/// <para>Model. A descriptor of /dev/net/tun belongs to the network namespace in which it was opened; TUNSETIFF makes or
/// finds the interface there and attaches the descriptor to it as one queue. The interface lives until its last
/// descriptor is closed, or longer if somebody made it persistent. Everything after TUNSETIFF works from any
/// namespace.</para>
/// <para>Invariants. Every queue is non-blocking and close-on-exec. <see cref="Offloads"/> is what the kernel was last
/// told and accepted; without <see cref="HasVnetHeader"/> it is None.</para>
/// <para>Kernel assumptions (drivers/net/tun.c). IFF_VNET_HDR may be added to an interface that exists, at TUNSETIFF
/// only; IFF_MULTI_QUEUE must match how it was made, else EINVAL. TUNSETOFFLOAD refuses with EINVAL, changing nothing,
/// any set that holds a bit it does not know; it belongs to the interface, not the queue. USO is accepted for both IP
/// versions or neither.</para>
/// </remarks>
public sealed unsafe class TapDevice : IDisposable
{
    /// <summary>Octets of virtio_net_hdr before each frame (the short form, without num_buffers).</summary>
    public const int VnetHeaderLength = 10;

    internal const string DevicePath = "/dev/net/tun";
    private readonly OwnedFd[] _queues;

    private TapDevice(OwnedFd[] queues, string name, TapFlags flags)
    {
        _queues = queues;
        Name = name;
        Flags = flags;
    }

    public string Name { get; }

    /// <summary>As TUNGETIFF tells them.</summary>
    public TapFlags Flags { get; }

    public bool HasVnetHeader => (Flags & TapFlags.IFF_VNET_HDR) != 0;
    public OffloadCapabilities Offloads { get; private set; }
    public int QueueCount => _queues.Length;

    public TapFd Queue(int index) => _queues[index].AsTap;

    /// <summary>Makes or attaches to an interface in the network namespace of the calling thread.</summary>
    /// <param name="name">1 to 15 octets.</param>
    /// <param name="queueCount">Queues wanted; an interface that exists without IFF_MULTI_QUEUE gives one.</param>
    /// <param name="wanted">Offloads to use where the kernel has them.</param>
    /// <param name="vnetHeader">False attaches without IFF_VNET_HDR: no offloads, as an old or foreign descriptor.</param>
    public static TapDevice Open(string name, int queueCount = 1, OffloadCapabilities wanted = OffloadCapabilities.All, bool vnetHeader = true)
    {
        TapFlags flags = AttachFlags(queueCount > 1, vnetHeader);
        var queues = new List<OwnedFd>();
        try
        {
            queues.Add(OpenQueue(name, flags, out SysResult first));
            if (first.Is(Errno.EINVAL))
            {
                flags ^= TapFlags.IFF_MULTI_QUEUE;
                first = SetInterface(queues[0], name, flags);
            }
            _ = first.OrThrow("TUNSETIFF", $"{DevicePath} ({name})", TapRemedy.ForSetInterface(first.Errno, name));
            int attainable = (flags & TapFlags.IFF_MULTI_QUEUE) != 0 ? queueCount : 1;
            while (queues.Count < attainable)
            {
                queues.Add(OpenQueue(name, flags, out SysResult more));
                _ = more.OrThrow("TUNSETIFF", $"{DevicePath} ({name}, queue {queues.Count - 1})", TapRemedy.ForSetInterface(more.Errno, name));
            }
            return FromAttached(queues.ToArray(), wanted);
        }
        catch
        {
            foreach (OwnedFd queue in queues) queue.Dispose();
            throw;
        }
    }

    /// <summary>Takes one queue that the caller of this program attached itself.</summary>
    /// <param name="queue">Owned by the result, and by the caller still if this throws.</param>
    /// <param name="wanted">Offloads to use where the kernel has them.</param>
    public static TapDevice FromGiven(OwnedFd queue, OffloadCapabilities wanted = OffloadCapabilities.All)
    {
        TapDevice device = FromAttached([queue], wanted);
        if (device.HasPacketInformation())
            throw new LinuxException("write", $"descriptor {queue.Value} ({device.Name})", Errno.EINVAL,
                "it was attached without IFF_NO_PI, so each frame has a packet information header: attach it with IFF_NO_PI");
        return device;
    }

    /// <summary>Takes descriptors that are attached already, as <c>NamespaceAttach</c> passed them out of a namespace.</summary>
    /// <param name="queues">All of one interface; owned by the result, and by the caller still if this throws.</param>
    /// <param name="wanted">Offloads to use where the kernel has them.</param>
    public static TapDevice FromAttached(OwnedFd[] queues, OffloadCapabilities wanted = OffloadCapabilities.All)
    {
        ArgumentOutOfRangeException.ThrowIfZero(queues.Length);
        var request = default(ifreq);
        string subject = $"descriptor {queues[0].Value}";
        SysResult asked = Libc.Result(Libc.ioctl(queues[0].Value, (nuint)TunRequest.TUNGETIFF, &request));
        _ = asked.OrThrow("TUNGETIFF", subject, TapRemedy.ForGetInterface(asked.Errno));
        string name = CString.Decode(request.ifr_name);
        var flags = (TapFlags)(ushort)request.ifr_flags;
        if ((flags & TapFlags.IFF_TAP) == 0)
            throw new LinuxException("TUNGETIFF", $"{subject} ({name})", Errno.EINVAL, "it is a TUN device, which carries no Ethernet frames: a TAP device is needed");
        foreach (OwnedFd queue in queues)
        {
            _ = Descriptor.SetNonBlocking(queue.AsTap).OrThrow("fcntl(O_NONBLOCK)", $"descriptor {queue.Value} ({name})");
            _ = Descriptor.SetCloseOnExec(queue.AsTap).OrThrow("fcntl(FD_CLOEXEC)", $"descriptor {queue.Value} ({name})");
        }
        var device = new TapDevice(queues, name, flags);
        device.SetHeaderLength();
        device.SetOffloads(wanted);
        return device;
    }

    /// <summary>Tells the kernel to use those of <paramref name="wanted"/> that it knows, one by one.</summary>
    /// <returns>What it accepted, which is <see cref="Offloads"/> from here.</returns>
    public OffloadCapabilities SetOffloads(OffloadCapabilities wanted)
    {
        Offloads = OffloadCapabilities.None;
        _ = Tell(OffloadCapabilities.None); // a persistent device may remember what somebody else wanted
        if (!HasVnetHeader) return Offloads;
        Span<OffloadCapabilities> each =
            [OffloadCapabilities.Csum, OffloadCapabilities.Tso4, OffloadCapabilities.Tso6, OffloadCapabilities.TsoEcn, OffloadCapabilities.Uso];
        foreach (OffloadCapabilities one in each)
            if ((wanted & one) != 0 && Tell(Offloads | one).IsOk) Offloads |= one;
        return Offloads;
    }

    /// <summary>Keeps the interface after its last descriptor is closed, or no longer does.</summary>
    public void SetPersistent(bool persistent) =>
        Libc.Result(Libc.ioctl(_queues[0].Value, (nuint)TunRequest.TUNSETPERSIST, (void*)(persistent ? 1 : 0)))
            .OrThrow("TUNSETPERSIST", Name);

    public void Dispose()
    {
        foreach (OwnedFd queue in _queues) queue.Dispose();
    }

    internal static TapFlags AttachFlags(bool multiQueue, bool vnetHeader) =>
        TapFlags.IFF_TAP | TapFlags.IFF_NO_PI
        | (vnetHeader ? TapFlags.IFF_VNET_HDR : 0)
        | (multiQueue ? TapFlags.IFF_MULTI_QUEUE : 0);

    /// <summary>The argument of TUNSETIFF; throws where the name has no room in it.</summary>
    internal static ifreq InterfaceRequest(string name, TapFlags flags)
    {
        byte[] octets = CString.Encode(name);
        if (octets.Length is 1 or > ifreq.NameLength)
            throw new LinuxException("TUNSETIFF", $"{DevicePath} ({name})", Errno.EINVAL, "an interface name has 1 to 15 octets");
        var request = new ifreq { ifr_flags = (short)flags };
        octets.CopyTo(request.ifr_name);
        return request;
    }

    private static OwnedFd OpenQueue(string name, TapFlags flags, out SysResult attached)
    {
        SysResult opened = Descriptor.OpenFile(DevicePath, OpenFlags.O_RDWR | OpenFlags.O_NONBLOCK);
        OwnedFd queue = opened.OwnedOrThrow("open", DevicePath, TapRemedy.ForOpen(opened.Errno));
        attached = SetInterface(queue, name, flags);
        return queue;
    }

    private static SysResult SetInterface(OwnedFd queue, string name, TapFlags flags)
    {
        ifreq request = InterfaceRequest(name, flags);
        return Libc.Result(Libc.ioctl(queue.Value, (nuint)TunRequest.TUNSETIFF, &request)); // request is on this stack
    }

    /// <summary>TUNGETIFF does not tell: IFF_NOFILTER, which it sets, is the same bit as IFF_NO_PI. So it is tried with an
    /// Ethernet header alone, from and to nobody: with four octets fewer it would be too short.</summary>
    private bool HasPacketInformation()
    {
        const int ethernetHeader = 14;
        Span<byte> frame = stackalloc byte[VnetHeaderLength + ethernetHeader];
        frame.Clear();
        return Descriptor.Write(_queues[0].AsTap, frame[(HasVnetHeader ? 0 : VnetHeaderLength)..]).Is(Errno.EINVAL);
    }

    private void SetHeaderLength()
    {
        if (!HasVnetHeader) return;
        int length = VnetHeaderLength; // a persistent device remembers another's choice
        foreach (OwnedFd queue in _queues)
            _ = Libc.Result(Libc.ioctl(queue.Value, (nuint)TunRequest.TUNSETVNETHDRSZ, &length)).OrThrow("TUNSETVNETHDRSZ", Name);
    }

    private SysResult Tell(OffloadCapabilities offloads)
    {
        TunOffload bits = TunOffload.None;
        if ((offloads & OffloadCapabilities.Csum) != 0) bits |= TunOffload.TUN_F_CSUM;
        if ((offloads & OffloadCapabilities.Tso4) != 0) bits |= TunOffload.TUN_F_TSO4;
        if ((offloads & OffloadCapabilities.Tso6) != 0) bits |= TunOffload.TUN_F_TSO6;
        if ((offloads & OffloadCapabilities.TsoEcn) != 0) bits |= TunOffload.TUN_F_TSO_ECN;
        if ((offloads & OffloadCapabilities.Uso) != 0) bits |= TunOffload.TUN_F_USO4 | TunOffload.TUN_F_USO6;
        return Libc.Result(Libc.ioctl(_queues[0].Value, (nuint)TunRequest.TUNSETOFFLOAD, (void*)(nuint)(uint)bits));
    }
}
