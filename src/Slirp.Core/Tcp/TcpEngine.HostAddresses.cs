using Slirp.Core.Network;

namespace Slirp.Core.Tcp;

// What becomes of connections when the host's addresses change. A socket keeps the address it was given, and what it sends
// from one that is gone is answered to nobody; without this the guest would find out after minutes of retransmission.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>Resets the connections that speak from an address the host has no more. One that is not made yet is only
    /// forgotten: the guest repeats its SYN, which is carried from the address there is now.</summary>
    public void ResetLost(HostAddresses addresses)
    {
        for (int slot = 0; slot < _flows.SlotCount; slot++)
        {
            if (_flows.At(slot) is not TcpFlow flow || !flow.Socket.IsOpen) continue;
            // Asked once: a stream socket never changes it. So a host on which addresses come and go all the time costs a
            // look at memory for each flow, and no system call.
            if (flow.LocalAddress.IsAny && !_world.TryGetLocalAddress(flow.Socket, out flow.LocalAddress)) continue;
            if (addresses.HasLost(flow.LocalAddress)) Abort(flow, CloseReason.HostAddressLost);
        }
    }
}
