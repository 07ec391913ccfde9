using System.Runtime.InteropServices;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Native;
using Slirp.Linux.Netlink;
using Slirp.Linux.Tap;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Tap;

public class TapDeviceTests
{
    private const ulong GuestMac = 0x02_00_00_00_00_64;

    [NamespaceFact]
    public void Offloads_are_those_wanted_that_the_kernel_knows()
    {
        using var holder = new NamespaceHolder();
        using TapDevice tap = Attach(holder, out OwnedFd netlink);
        using OwnedFd n = netlink;
        const OffloadCapabilities sinceLong = OffloadCapabilities.All & ~OffloadCapabilities.Uso;
        Assert.Equal(sinceLong, tap.Offloads & sinceLong);
        Assert.Equal(OffloadCapabilities.None, tap.SetOffloads(OffloadCapabilities.None));
        Assert.Equal(OffloadCapabilities.Csum | OffloadCapabilities.Tso6, tap.SetOffloads(OffloadCapabilities.Csum | OffloadCapabilities.Tso6));
        // Nothing is had without checksums.
        Assert.Equal(OffloadCapabilities.None, tap.SetOffloads(OffloadCapabilities.Tso4 | OffloadCapabilities.Uso));
        Assert.Equal(sinceLong, tap.SetOffloads(OffloadCapabilities.All) & sinceLong);
    }

    [NamespaceFact]
    public void Without_its_header_a_device_has_no_offloads()
    {
        using var holder = new NamespaceHolder();
        using TapDevice tap = Attach(holder, out OwnedFd netlink, vnetHeader: false);
        using OwnedFd n = netlink;
        Assert.False(tap.HasVnetHeader);
        Assert.Equal(OffloadCapabilities.None, tap.Offloads);
    }

    [NamespaceFact]
    public void The_guest_answers_a_frame_with_a_frame_each_behind_its_header()
    {
        using var holder = new NamespaceHolder();
        using TapDevice tap = Attach(holder, out OwnedFd netlink);
        Configure(netlink);
        byte[] frame = new byte[2000];
        Assert.Equal(TapDevice.VnetHeaderLength + 42, TapIo.Write(tap.Queue(0), new byte[10], ArpRequest).Raw);
        int length = ReadArpReply(tap, frame, TapDevice.VnetHeaderLength);
        Assert.Equal(TapDevice.VnetHeaderLength + 42, length);
        // In three pieces out, in two pieces in.
        Assert.Equal(52, TapIo.Write(tap.Queue(0), new byte[10], ArpRequest.AsSpan(0, 14), ArpRequest.AsSpan(14)).Raw);
        Wait.For(tap.Queue(0));
        byte[] head = new byte[10], rest = new byte[2000];
        int read;
        do
        {
            Wait.For(tap.Queue(0));
            read = TapIo.Read(tap.Queue(0), head, rest).Raw;
        }
        while (!IsArpReply(rest));
        Assert.Equal(52, read);
    }

    [NamespaceFact]
    public void The_guest_answers_a_frame_without_headers_too()
    {
        using var holder = new NamespaceHolder();
        using TapDevice tap = Attach(holder, out OwnedFd netlink, vnetHeader: false);
        Configure(netlink);
        Assert.Equal(42, TapIo.Write(tap.Queue(0), ArpRequest).Raw);
        Assert.Equal(42, ReadArpReply(tap, new byte[2000], 0));
    }

    [NamespaceFact]
    public void A_frame_for_an_interface_that_is_down_is_EIO_and_a_bad_header_EINVAL()
    {
        using var holder = new NamespaceHolder();
        using TapDevice tap = Attach(holder, out OwnedFd netlink);
        Assert.Equal(Errno.EIO, TapIo.Write(tap.Queue(0), new byte[10], ArpRequest).Errno);
        Configure(netlink);
        Assert.Equal(Errno.EINVAL, TapIo.Write(tap.Queue(0), new byte[5]).Errno);
        byte[] wrong = [1, 0, 0, 0, 0, 0, 0xff, 0x7f, 0xff, 0x7f]; // checksum far outside the frame
        Assert.Equal(Errno.EINVAL, TapIo.Write(tap.Queue(0), wrong, ArpRequest).Errno);
    }

    [Fact]
    public void A_descriptor_of_something_else_is_told_as_such()
    {
        using OwnedFd file = Descriptor.OpenFile("/dev/null", OpenFlags.O_RDWR).OwnedOrThrow("open", "/dev/null");
        var e = Assert.Throws<LinuxException>(() => TapDevice.FromAttached([file]));
        Assert.Equal(("TUNGETIFF", Errno.ENOTTY), (e.Step, e.Errno));
        Assert.Contains("no TUN/TAP device", e.Message, StringComparison.Ordinal);
        Assert.False(file.IsClosed); // still the caller's
    }

    [RootNamespaceFact]
    public void A_descriptor_that_was_never_attached_or_to_a_TUN_is_told_as_such()
    {
        using OwnedFd tun = Descriptor.OpenFile("/dev/net/tun", OpenFlags.O_RDWR).OwnedOrThrow("open", "/dev/net/tun");
        Assert.Equal(Errno.EBADFD, Assert.Throws<LinuxException>(() => TapDevice.FromAttached([tun])).Errno);
        SetInterface(tun, TapFlags.IFF_TUN | TapFlags.IFF_NO_PI);
        Assert.Contains("it is a TUN device", Assert.Throws<LinuxException>(() => TapDevice.FromAttached([tun])).Message, StringComparison.Ordinal);
    }

    /// <summary>A descriptor of a caller's: with packet information it would be mute.</summary>
    [RootNamespaceFact]
    public void A_TAP_is_taken_without_packet_information_only()
    {
        foreach ((TapFlags more, bool isUp) in (ReadOnlySpan<(TapFlags, bool)>)
            [(TapFlags.None, false), (TapFlags.None, true), (TapFlags.IFF_VNET_HDR, false), (TapFlags.IFF_VNET_HDR, true)])
        {
            using OwnedFd with = Attached(TapFlags.IFF_TAP | more, isUp), without = Attached(TapFlags.IFF_TAP | TapFlags.IFF_NO_PI | more, isUp);
            Assert.Contains("IFF_NO_PI", Assert.Throws<LinuxException>(() => TapDevice.FromGiven(with)).Message, StringComparison.Ordinal);
            using TapDevice taken = TapDevice.FromGiven(without);
            Assert.Equal(more != TapFlags.None, taken.HasVnetHeader);
        }

        static OwnedFd Attached(TapFlags flags, bool isUp)
        {
            OwnedFd tap = Descriptor.OpenFile("/dev/net/tun", OpenFlags.O_RDWR).OwnedOrThrow("open", "/dev/net/tun");
            SetInterface(tap, flags);
            if (!isUp) return tap;
            using RouteSocket route = RouteSocket.Open();
            route.SetUp(route.GetLink(TapDevice.FromAttached([tap]).Name), up: true);
            return tap;
        }
    }

    private static void SetInterface(OwnedFd tun, TapFlags flags)
    {
        nint request = Marshal.AllocHGlobal(40);
        try
        {
            byte[] octets = new byte[40];
            "sltun%d"u8.CopyTo(octets);
            octets[16] = (byte)flags;
            octets[17] = (byte)((int)flags >> 8);
            Marshal.Copy(octets, 0, request, 40);
            Assert.True(Libc.Call(Syscalls.ioctl, tun.Value, (nint)(uint)TunRequest.TUNSETIFF, request).IsOk);
        }
        finally
        {
            Marshal.FreeHGlobal(request);
        }
    }

    [RootNamespaceFact]
    public void A_device_opened_in_this_namespace_is_gone_when_it_is_closed()
    {
        string name = $"sltap{Environment.ProcessId % 100000}";
        using RouteSocket route = RouteSocket.Open();
        using (TapDevice tap = TapDevice.Open(name, queueCount: 2))
        {
            Assert.Equal((name, 2), (tap.Name, tap.QueueCount));
            Assert.NotNull(route.FindLink(name));
        }
        Assert.Null(route.FindLink(name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("sixteen_octets_x")]
    public void A_name_that_cannot_be_one_is_refused_before_the_kernel_is_asked(string name)
    {
        var e = Assert.Throws<LinuxException>(() => NamespaceAttach.Open(
            new AttachRequest { NetworkNamespacePath = "/proc/self/ns/net", TapName = name }));
        Assert.Equal(("TUNSETIFF", Errno.EINVAL), (e.Step, e.Errno));
        Assert.Contains("1 to 15 octets", e.Message, StringComparison.Ordinal);
    }

    /// <summary>Who has 10.0.2.100? Tell 10.0.2.2.</summary>
    private static byte[] ArpRequest =>
    [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x55, 10, 0, 2, 2, 0x08, 0x06,
        0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2, 0, 0, 0, 0, 0, 0, 10, 0, 2, 100,
    ];

    private static bool IsArpReply(ReadOnlySpan<byte> frame) => frame[12] == 8 && frame[13] == 6 && frame[21] == 2;

    /// <summary>Passes over what else the guest says, router solicitations and the like.</summary>
    private static int ReadArpReply(TapDevice tap, byte[] frame, int header)
    {
        int length;
        do
        {
            Wait.For(tap.Queue(0));
            length = TapIo.Read(tap.Queue(0), frame).OrThrow("read", tap.Name);
        }
        while (!IsArpReply(frame.AsSpan(header)));
        ReadOnlySpan<byte> mac = frame.AsSpan(header + 22, 6);
        Assert.Equal([0x02, 0, 0, 0, 0, 0x64], mac.ToArray());
        return length;
    }

    private static TapDevice Attach(NamespaceHolder holder, out OwnedFd netlink, bool vnetHeader = true)
    {
        AttachedNamespace attached = NamespaceAttach.Open(new AttachRequest
        {
            UserNamespacePath = holder.UserPath,
            NetworkNamespacePath = holder.NetworkPath,
            TapName = "tap0",
            VnetHeader = vnetHeader,
        });
        netlink = attached.Netlink;
        return TapDevice.FromAttached(attached.TapQueues);
    }

    private static void Configure(OwnedFd netlink)
    {
        using var route = new RouteSocket(netlink);
        LinkInfo tap = route.GetLink("tap0");
        route.SetHardwareAddress(tap, GuestMac);
        route.SetUp(tap, true);
        route.AddAddress(tap, NetAddress.Ipv4(0x0a000264), 24);
    }
}
