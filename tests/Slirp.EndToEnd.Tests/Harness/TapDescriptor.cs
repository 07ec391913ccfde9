using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Makes a TAP inside a namespace and keeps its descriptor, as a caller of --netns-type=tapfd does.</summary>
internal static class TapDescriptor
{
    private const uint SetInterface = 0x400454ca; // TUNSETIFF
    private const ushort Tap = 0x0002, NoPacketInformation = 0x1000, VnetHeader = 0x4000;
    private const int NameLength = 16, RequestLength = 40; // struct ifreq

    public static SafeFileHandle Open(TestNamespace guest, string name, bool vnetHeader) =>
        guest.OnThreadInside(() =>
        {
            int descriptor = Native.open("/dev/net/tun", Native.OpenReadWrite | Native.OpenCloseOnExec);
            if (descriptor < 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "open /dev/net/tun");
            var handle = new SafeFileHandle(descriptor, ownsHandle: true);
            var request = new byte[RequestLength];
            Encoding.ASCII.GetBytes(name, request);
            int flags = Tap | NoPacketInformation | (vnetHeader ? VnetHeader : 0);
            BitConverter.TryWriteBytes(request.AsSpan(NameLength), (ushort)flags);
            if (Native.ioctl(descriptor, SetInterface, request) == 0) return handle;
            handle.Dispose();
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "TUNSETIFF");
        });
}
