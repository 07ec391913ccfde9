using System.ComponentModel;
using System.Diagnostics;
using System.Net.NetworkInformation;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A packet socket on the guest's interface: what it is given reaches slirpnet octet for octet (packet(7)).</summary>
internal sealed class RawLink : IDisposable
{
    private const int PacketFamily = 17, RawType = 3, CloseOnExec = 0x80000; // AF_PACKET, SOCK_RAW
    private const int PacketLevel = 263, VnetHeaderOption = 15; // SOL_PACKET, PACKET_VNET_HDR
    private const int AddressLength = 20; // struct sockaddr_ll
    private const int SocketLevel = 1, ReceiveTimeoutOption = 20, ReceiveBufferOption = 33; // SOL_SOCKET, SO_RCVTIMEO, SO_RCVBUFFORCE
    private const ushort EveryProtocol = 0x0300; // ETH_P_ALL in network order
    private const int NoBuffers = 105, Again = 11, BadArgument = 22, TooLong = 90;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly SafeFileHandle _socket;

    private RawLink(SafeFileHandle socket, MacAddress guestMac) => (_socket, GuestMac) = (socket, guestMac);

    public MacAddress GuestMac { get; }

    /// <summary>Frames that the guest's own kernel would not let out: shorter than a header, longer than the MTU.</summary>
    public int Refused { get; private set; }

    /// <param name="guest">Whose interface.</param>
    /// <param name="vnetHeader">Frames begin with a virtio_net header, so they may be super-segments.</param>
    /// <param name="receives">Hears every frame of the interface; else none.</param>
    public static RawLink Open(TestNamespace guest, bool vnetHeader = false, bool receives = false) => guest.OnThreadInside(() =>
    {
        NetworkInterface tap = Array.Find(NetworkInterface.GetAllNetworkInterfaces(), i => i.Name == GuestNetwork.TapName)
            ?? throw new EndToEndException($"the guest has no {GuestNetwork.TapName}");
        int descriptor = Native.socket(PacketFamily, RawType | CloseOnExec, 0); // protocol 0: it receives nothing
        if (descriptor < 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "socket(AF_PACKET)");
        var socket = new SafeFileHandle(descriptor, ownsHandle: true);
        int on = 1, room = 32 << 20;
        _ = Native.setsockopt(descriptor, SocketLevel, ReceiveBufferOption, ref room, sizeof(int)); // what is refused is the default
        if (vnetHeader && Native.setsockopt(descriptor, PacketLevel, VnetHeaderOption, ref on, sizeof(int)) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "PACKET_VNET_HDR");
        var second = new long[] { 1, 0 }; // struct timeval
        if (Native.setsockopt(descriptor, SocketLevel, ReceiveTimeoutOption, second, 2 * sizeof(long)) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "SO_RCVTIMEO");
        var address = new byte[AddressLength];
        BitConverter.TryWriteBytes(address, (ushort)PacketFamily);
        if (receives) BitConverter.TryWriteBytes(address.AsSpan(2), EveryProtocol);
        BitConverter.TryWriteBytes(address.AsSpan(4), IndexOf(GuestNetwork.TapName));
        if (Native.bind(descriptor, address, address.Length) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "bind(AF_PACKET)");
        return new RawLink(socket, MacAddress.Read(tap.GetPhysicalAddress().GetAddressBytes()));
    });

    /// <summary>Sends one frame, as soon as the ring has room for it.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        Stopwatch? waiting = null;
        while (Native.send((int)_socket.DangerousGetHandle(), frame, frame.Length, 0) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno is BadArgument or TooLong)
            {
                Refused++;
                return;
            }

            if (errno is not (NoBuffers or Again)) throw new Win32Exception(errno, $"send of a frame of {frame.Length} octets");
            waiting ??= Stopwatch.StartNew();
            if (waiting.Elapsed > Patience) throw new EndToEndException("hung, waiting for the interface to take a frame");
            Thread.Sleep(0);
        }
    }

    /// <summary>Sends an IP packet to slirpnet's station.</summary>
    public void SendPacket(ReadOnlySpan<byte> packet) =>
        Send(Frame(packet, packet[0] >> 4 == 6 ? EtherType.Ipv6 : EtherType.Ipv4));

    /// <summary>Sends many packets, in portions: slirpnet has taken each before the next is sent, for what the interface's
    /// queue has no room for it drops, and tells nobody.</summary>
    /// <param name="neighbour">Whose echo says so, and whose flow is to go on all the while.</param>
    public async Task FloodAsync(int count, EchoFlow neighbour, Func<int, byte[]> packet)
    {
        const int Portion = 1000; // GuestNetwork's TAP queues ten times as many
        for (int i = 0; i < count; i++)
        {
            SendPacket(packet(i));
            if (i % Portion == 0) await neighbour.BeatAsync();
        }

        await neighbour.BeatAsync();
    }

    /// <summary>The next frame, sent or received by anybody on the interface.</summary>
    /// <returns>Its length, or 0 after a second without one.</returns>
    public int Receive(Span<byte> frame)
    {
        nint length = Native.recv((int)_socket.DangerousGetHandle(), frame, frame.Length, 0);
        if (length >= 0) return (int)length;
        int errno = Marshal.GetLastPInvokeError();
        return errno is Again or Native.Interrupted ? 0 : throw new Win32Exception(errno, "recv(AF_PACKET)");
    }

    /// <summary>A frame from the guest's station to slirpnet's.</summary>
    public byte[] Frame(ReadOnlySpan<byte> payload, EtherType type)
    {
        var frame = new byte[EthernetBuilder.HeaderLength + payload.Length];
        EthernetBuilder.Write(frame, FrameFactory.OurMac, GuestMac, type);
        payload.CopyTo(frame.AsSpan(EthernetBuilder.HeaderLength));
        return frame;
    }

    public void Dispose() => _socket.Dispose();

    // .NET numbers interfaces only where they have an address of a family.
    private static int IndexOf(string name) =>
        Native.if_nametoindex(name) is var index and > 0 ? (int)index : throw new EndToEndException($"no index for {name}");
}
