using Slirp.Core.Flows;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// Connections that the guest still has and nobody here knows: those of a process that was killed on the same TAP.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>Ends connections of the guest that nobody carries any more, also those on which it only waits.</summary>
    /// <remarks>A reset needs the number that the guest expects next, which only the guest knows. So each is sent an
    /// acknowledgment of what was never said: it answers with where it is (RFC 9293 section 3.10.7.4, RFC 5961 section 5),
    /// and that answer is reset as every segment of a connection that does not exist.</remarks>
    public void ResetOrphans(IReadOnlyList<FlowKey> connections)
    {
        foreach (FlowKey key in connections)
        {
            if (_flows.TryFind(key, out _)) continue;
            ulong numbers = SecureRandom.NextUInt64();
            var fields = new TcpFields(
                key.Remote.Port, key.Guest.Port, new SequenceNumber((uint)numbers), new SequenceNumber((uint)(numbers >> 32)), TcpFlags.Ack, 0);
            _sender.SendTcp(_plan.GuestMac, key.Remote.Address, key.Guest.Address, fields, default, default, mss: 1);
        }
    }
}
