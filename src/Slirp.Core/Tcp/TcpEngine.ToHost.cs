using Slirp.Core.World;

namespace Slirp.Core.Tcp;

// What the host socket takes: at once, when it is writable again, or never.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>How long a guest may go on writing to a peer that has reset before it is told.</summary>
    private static readonly TimeSpan DeafPatience = TimeSpan.FromSeconds(2);

    /// <returns>Octets the socket took, 0 if it is full, negative if it is broken.</returns>
    private int SendToHost(TcpFlow flow, ReadOnlySpan<byte> octets)
    {
        if (!flow.HostWritable) return (flow.Host & HostTcpState.CanSend) != 0 ? 0 : -1;
        IoResult sent = _world.Send(flow.Socket, octets);
        if (sent.IsOk)
        {
            if (sent.Count < octets.Length) flow.HostWritable = false;
            return sent.Count;
        }
        if (sent.Error is HostError.WouldBlock or HostError.NoBuffers)
        {
            flow.HostWritable = false;
            flow.IsHostShort |= sent.Error == HostError.NoBuffers;
            return 0;
        }
        return -1;
    }

    /// <summary>The peer has reset, or takes nothing any more. What it had said before that may still lie in the socket, and
    /// the guest gets it, as a program on the host would: the reset comes behind it.</summary>
    private void OnHostRefusesData(TcpFlow flow)
    {
        // A guest that writes on and reads nothing, its window shut, would never come to that reset.
        bool isDeaf = flow.IsHostBroken && flow.SndWnd <= (uint)flow.InFlight && flow.LastHeard - flow.HostBrokenAt >= DeafPatience;
        if ((flow.Host & HostTcpState.CanReceive) == 0 || isDeaf)
        {
            Abort(flow, CloseReason.HostReset);
            return;
        }
        if (!flow.IsHostBroken) flow.HostBrokenAt = flow.LastHeard;
        flow.Host &= ~HostTcpState.CanSend;
        flow.IsHostBroken = flow.HostReadable = flow.HostEndSignalled = true;
        flow.HostWritable = false;
        flow.ToHost.Clear(_pool);
        RequestAck(flow); // a guest that waits for room hears at once that it may write on, and so comes to the reset
    }

    /// <summary>Gives the socket what it did not take before.</summary>
    private void FlushToHost(TcpFlow flow)
    {
        bool moved = false;
        while (flow.HostWritable && !flow.ToHost.IsEmpty)
        {
            int taken = SendToHost(flow, flow.ToHost.Peek(_pool, 0));
            if (taken < 0)
            {
                OnHostRefusesData(flow);
                return;
            }
            if (taken == 0) break;
            flow.ToHost.Discard(_pool, taken);
            moved = true;
        }
        if (moved) flow.HostRetries = 0;
        if (!flow.HostWritable) flow.ToHost.Compact(_pool);
        if (moved && IsWindowUpdateDue(flow)) flow.AckPending = true;
        ShutdownHostWhenFlushed(flow);
        if (moved && flow is { Guest: GuestTcpState.LastAck, FinAcknowledged: true, ToHost.IsEmpty: true }) Close(flow, CloseReason.Finished);
    }

    private void ShutdownHostWhenFlushed(TcpFlow flow)
    {
        if (!flow.GuestFinReceived || !flow.ToHost.IsEmpty || (flow.Host & HostTcpState.CanSend) == 0) return;
        _world.ShutdownSend(flow.Socket);
        flow.Host &= ~HostTcpState.CanSend;
        CloseSocketWhenDone(flow);
    }

    /// <summary>Both halves of the socket are used up: its descriptor goes now, not when the guest has acknowledged all.</summary>
    private void CloseSocketWhenDone(TcpFlow flow)
    {
        if (flow.Host == HostTcpState.Closed) CloseSocket(flow, reset: false);
    }

    /// <returns>True if the flow is gone.</returns>
    private bool OnHostError(TcpFlow flow)
    {
        // With data still to be read in front of the error the read path meets it in its turn; a flow that does not read
        // any more, or whose guest has closed its window, would wait for ever.
        if ((flow.Host & HostTcpState.CanReceive) != 0) return false;
        Abort(flow, CloseReason.HostReset);
        return true;
    }
}
