using Slirp.Core.Network;
using Slirp.Wire;

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
            if (!_world.TryGetLocalAddress(flow.Socket, out IpAddress local) || !addresses.HasLost(local)) continue;
            Abort(flow, CloseReason.HostAddressLost);
        }
    }
}
