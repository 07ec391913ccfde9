using Slirp.Core.Flows;
using Slirp.Core.Icmp;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Tcp;

// How connections begin: the guest's SYN is held until the host socket is connected, so that the guest learns what its own
// connect would have learnt on the host. Connections from outside go the other way: the guest is asked first.
public sealed partial class TcpEngine<TWorld>
{
    /// <summary>The shift that makes a 16-bit field reach the largest window: 7 gives 8 MiB in steps of 128 octets.</summary>
    private const byte OurWindowShift = 7;

    // A guest that announces less wants to cost us CPU (CVE-2019-11479); only an MTU of our own can be as small.
    private const int SmallestMss = 64;

    /// <summary>In every segment once it is agreed on (RFC 7323 appendix A).</summary>
    private const int TimestampOptionLength = 12;
    private const int DefaultMss4 = 536, DefaultMss6 = 1220; // RFC 9293 section 3.7.1

    private void OnSegmentWithoutFlow(MacAddress source, in FlowKey key, in GuestSegment segment, Instant now)
    {
        const TcpFlags control = TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin;
        switch (segment.Flags & control)
        {
            case TcpFlags.Syn:
                OpenOutbound(source, key, segment, now);
                break;
            case var flags when (flags & TcpFlags.Rst) != 0:
                _counters.Drop(DropReason.TcpNoFlow);
                break;
            case var flags when (flags & TcpFlags.Syn) != 0 && (flags & TcpFlags.Ack) == 0:
                _counters.Drop(DropReason.BadTcpFlags); // SYN with FIN
                break;
            default:
                _counters.Drop(DropReason.TcpNoFlow);
                if (key.Remote.Address.IsMulticast || key.Remote.Port == 0) break;
                SendResetWithoutFlow(source, key, segment);
                break;
        }
    }

    private void OpenOutbound(MacAddress source, in FlowKey key, in GuestSegment segment, Instant now)
    {
        if (!TryDecideDestination(source, key, segment, now, out IpEndpoint hostEndpoint)) return;
        if (_halfOpen.Count >= _parameters.MaxHalfOpen) Close(_halfOpen.Oldest!, CloseReason.EvictedHalfOpen);
        MakeRoom();
        var flow = new TcpFlow(key, source) { HostEndpoint = hostEndpoint };
        if (!_flows.TryAdd(flow))
        {
            _counters.Drop(DropReason.TcpFlowLimit);
            return;
        }
        _current = flow;
        _counters.TcpFlowsOpened++;
        flow.Enter(GuestTcpState.SynHeld);
        _halfOpen.Add(flow);
        AcceptSyn(flow, segment, now);
        PromiseReceiveWindow(flow, now);
        Connect(flow, now);
    }

    private void Connect(TcpFlow flow, Instant now)
    {
        IoResult opened = OpenSocket(flow);
        if (opened.IsOk) OnHostConnected(flow, now);
        else if (opened.Error == HostError.InProgress) flow.Host = HostTcpState.Connecting;
        else OnConnectFailed(flow, opened.Error, now);
    }

    /// <summary>The guest knows one name server alone, and could not ask the next as the host's own programs do
    /// (resolv.conf(5)). Its SYN is still held, so nothing was promised.</summary>
    /// <returns>False if there is nobody else, or this is no connection to our name server.</returns>
    private bool TryConnectElsewhere(TcpFlow flow, bool isSilent, Instant now)
    {
        if (!_plan.IsDns(flow.Key.Remote.Address)) return false;
        if (!_services.TryRedirectTcpElsewhere(flow.HostEndpoint, isSilent, now, out IpEndpoint next)) return false;
        if (flow.Socket.IsOpen) _world.Close(flow.Socket, reset: true);
        (flow.HostEndpoint, flow.LocalAddress) = (next, default);
        Connect(flow, now);
        return true;
    }

    private void MakeRoom()
    {
        if (_flows.IsFull && _timeWait.Oldest is TcpFlow oldest) Close(oldest, CloseReason.EvictedTimeWait);
    }

    private bool TryDecideDestination(
        MacAddress source, in FlowKey key, in GuestSegment segment, Instant now, out IpEndpoint hostEndpoint)
    {
        if (key.Remote.Port == 0 || key.Guest.Port == 0)
        {
            hostEndpoint = default;
            _counters.Drop(DropReason.BadTcpHeader);
            return false;
        }
        if (_plan.IsDns(key.Remote.Address))
        {
            hostEndpoint = default;
            if (!_plan.EnableDns)
            {
                _counters.Drop(DropReason.BadDestinationAddress); // nobody is there, as slirp4netns's guests find
                return false;
            }
            if (_services.TryRedirectTcp(key.Remote, now, out hostEndpoint)) return true;
            SendResetWithoutFlow(source, key, segment);
            return false;
        }
        switch (_gate.Decide(IpProtocol.Tcp, FlowDirection.Outbound, key, out hostEndpoint))
        {
            case RouteVerdict.Forward:
                return true;
            case RouteVerdict.Prohibit: // what a firewall's "reject with tcp-reset" does: the guest's connect fails at once
                _counters.Drop(DropReason.RefusedByGate);
                SendResetWithoutFlow(source, key, segment);
                return false;
            case RouteVerdict.Closed:
                _counters.Drop(DropReason.RefusedByGate);
                SendUnreachable(source, key, segment.Sequence, HostError.NetworkUnreachable, now);
                return false;
            default:
                _counters.Drop(DropReason.BadDestinationAddress);
                return false;
        }
    }

    private IoResult OpenSocket(TcpFlow flow)
    {
        IoResult opened = _world.OpenTcp(flow.HostEndpoint, flow.Target, out flow.Socket);
        if (opened.Error != HostError.NoDescriptors) return opened;
        // No descriptor left: the connect that has waited longest gives up its own, unless it is this one.
        if (_halfOpen.Oldest is not TcpFlow oldest || oldest == flow) return opened;
        Close(oldest, CloseReason.EvictedHalfOpen);
        return _world.OpenTcp(flow.HostEndpoint, flow.Target, out flow.Socket);
    }

    /// <summary>Takes over what a SYN or SYN-ACK of the guest says.</summary>
    private void AcceptSyn(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        TcpOptions options = segment.Options;
        flow.Irs = segment.Sequence;
        flow.RcvNxt = flow.RcvAdv = flow.LastAckSent = segment.Sequence + 1;
        flow.HasTimestamps = options.HasTimestamps;
        flow.HasSack = options.SackPermitted;
        flow.TsRecent = options.TimestampValue;
        (flow.SndWndShift, flow.RcvWndShift) = options.WindowScale is byte shift ? (shift, OurWindowShift) : ((byte)0, (byte)0);
        flow.SndWnd = flow.MaxSndWnd = segment.Window; // never scaled in a SYN (RFC 7323 section 2.2)
        (flow.SndWl1, flow.SndWl2) = (segment.Sequence, segment.Acknowledgment);
        SetMss(flow, options.Mss);
        flow.LastHeard = flow.LastUnasked = now;
        flow.Cwnd = Math.Max(_parameters.InitialCongestionWindow, 10 * flow.Mss);
        flow.Ssthresh = int.MaxValue;
    }

    private void BeginSequence(TcpFlow flow, Instant now)
    {
        flow.Iss = flow.SndUna = flow.SndNxt = _initialSequence.For(flow.Key, now);
        flow.TsOffset = _initialSequence.TimestampOffset(flow.Key);
    }

    private void SetMss(TcpFlow flow, ushort? announced)
    {
        int mss = announced ?? (flow.IsIpv4 ? DefaultMss4 : DefaultMss6);
        int options = flow.HasTimestamps ? TimestampOptionLength : 0;
        SetPayloadLimit(flow, Math.Min(Math.Max(SmallestMss, mss - options), Math.Max(1, OurMss(flow.IsIpv4) - options)));
    }

    /// <param name="mss">Payload of one segment, which is also where the link cuts larger ones.</param>
    private void SetPayloadLimit(TcpFlow flow, int mss)
    {
        flow.Mss = mss;
        int options = flow.HasTimestamps ? TimestampOptionLength : 0;
        flow.MaxPayload = _sender.MaxTcpPayload(flow.IsIpv4, mss, TcpView.MinHeaderLength + options);
    }

    /// <summary>What we announce: a full segment is a full packet of the interface's MTU.</summary>
    private int OurMss(bool isIpv4) =>
        _sender.Mtu - TcpView.MinHeaderLength - (isIpv4 ? Ipv4View.MinHeaderLength : Ipv6View.HeaderLength);

    private void OnSegmentWhileConnecting(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        const TcpFlags control = TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin;
        // Nothing was sent, so only a reset for the held SYN counts (RFC 5961 section 3.2: its number is RCV.NXT).
        if (segment.Has(TcpFlags.Rst) && (segment.Sequence == flow.RcvNxt || segment.Sequence == flow.Irs))
            Close(flow, CloseReason.GuestReset);
        else if ((segment.Flags & control) == TcpFlags.Syn)
            OnRepeatedSyn(flow, segment, now);
    }

    /// <summary>It says only that the guest is still waiting, and so are we, but for a name server, which may be silent over
    /// TCP. One with another number is a guest that gave up without a word and tries again: the answer is for that one.</summary>
    private void OnRepeatedSyn(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if (segment.Sequence != flow.Irs) AcceptSyn(flow, segment, now);
        else _ = TryConnectElsewhere(flow, isSilent: true, now);
    }

    /// <returns>False if the flow is gone, or still waits for its host.</returns>
    private bool TryFinishConnect(TcpFlow flow, HostEvents events, Instant now)
    {
        bool isPlain = (events & (HostEvents.Error | HostEvents.HangUp)) == 0;
        HostError error = isPlain ? HostError.None : _world.ConnectOutcome(flow.Socket);
        if (error == HostError.InProgress) return false;
        if (error == HostError.None) OnHostConnected(flow, now);
        else OnConnectFailed(flow, error, now);
        return error == HostError.None;
    }

    private void OnHostConnected(TcpFlow flow, Instant now)
    {
        flow.Host = HostTcpState.Open;
        flow.HostWritable = true;
        _halfOpen.Remove(flow);
        BeginSequence(flow, now);
        flow.Enter(GuestTcpState.SynReceived);
        SendSyn(flow, now);
        Rearm(flow);
    }

    private void OnConnectFailed(TcpFlow flow, HostError error, Instant now)
    {
        if (error is not (HostError.NoDescriptors or HostError.NoBuffers) && TryConnectElsewhere(flow, isSilent: error == HostError.TimedOut, now)) return;
        CloseReason reason = CloseReason.HostFailed;
        switch (error)
        {
            case HostError.ConnectionRefused or HostError.ConnectionReset:
                reason = CloseReason.HostRefused;
                SendResetToSyn(flow);
                break;
            // The rest is what routes say in other words: EINVAL of a blackhole.
            case HostError.HostUnreachable or HostError.NetworkUnreachable or HostError.AccessDenied or HostError.Other:
                reason = CloseReason.HostUnreachable;
                SendUnreachable(flow.GuestMac, flow.Key, flow.Irs, error, now);
                break;
            case HostError.AddressNotAvailable or HostError.NotSupported:
                // No source address for the destination, or no such family: for the guest, no route.
                reason = CloseReason.HostUnreachable;
                SendUnreachable(flow.GuestMac, flow.Key, flow.Irs, HostError.NetworkUnreachable, now);
                break;
            case HostError.TimedOut:
                reason = CloseReason.HostTimedOut; // silence was the answer, and the guest has heard it as long as we
                break;
            default: // the guest's SYN comes again
                _counters.Drop(error == HostError.NoDescriptors ? DropReason.TcpNoDescriptor : DropReason.TcpConnectFailed);
                break;
        }
        Close(flow, reason);
    }

    private void SendUnreachable(MacAddress to, in FlowKey key, SequenceNumber irs, HostError error, Instant now)
    {
        bool isIpv4 = key.Guest.Address.IsIpv4;
        // The start of the packet the guest sent, which its kernel matches to the connect by addresses, ports and number.
        Span<byte> quoted = stackalloc byte[Ipv6View.HeaderLength + TcpView.MinHeaderLength];
        int length = WriteQuotedSyn(quoted, key, irs);
        _sender.SendIcmpError(to, _plan.GatewayFor(key.Guest.Address), IcmpError.From(error, isIpv4), quoted[..length], now);
    }

    private static int WriteQuotedSyn(Span<byte> quoted, in FlowKey key, SequenceNumber irs)
    {
        bool isIpv4 = key.Guest.Address.IsIpv4;
        int ip = isIpv4 ? Ipv4Builder.HeaderLength : Ipv6Builder.HeaderLength;
        if (isIpv4)
        {
            Ipv4Builder.Write(quoted, new Ipv4Fields(
                key.Guest.Address.Ipv4, key.Remote.Address.Ipv4, IpProtocol.Tcp, 64, 0, 0, true, false, 0, TcpView.MinHeaderLength));
        }
        else
        {
            Ipv6Builder.Write(quoted, new Ipv6Fields(
                key.Guest.Address, key.Remote.Address, IpProtocol.Tcp, 64, 0, 0, TcpView.MinHeaderLength));
        }
        var fields = new TcpFields(key.Guest.Port, key.Remote.Port, irs, default, TcpFlags.Syn, 0);
        return ip + TcpBuilder.Write(quoted[ip..], fields, default);
    }

    /// <summary>A SYN may open a new connection over one in TIME-WAIT if it cannot be an old duplicate (RFC 9293 section
    /// 3.6.1, RFC 6191).</summary>
    private static bool IsNewConnection(TcpFlow flow, in GuestSegment segment) =>
        (segment.Flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin)) == TcpFlags.Syn
        && (segment.Sequence.IsAfter(flow.RcvNxt)
            || segment.Options.HasTimestamps && flow.HasTimestamps && (int)(segment.Options.TimestampValue - flow.TsRecent) > 0);

    // --- Connections from outside

    /// <summary>A connection that a forward has accepted: the guest is asked first, and the outside is reset if it will not.</summary>
    /// <param name="accepted">Ours from now on, whatever comes of it.</param>
    /// <param name="key">The guest's endpoint, and the remote one as the guest shall see it.</param>
    /// <param name="guestMac">The station to ask.</param>
    /// <param name="now">The current time.</param>
    public void OpenInbound(HostSocket accepted, in FlowKey key, MacAddress guestMac, Instant now)
    {
        if (_flows.TryFind(key, out TcpFlow? old))
        {
            if (!old.GivesWay)
            {
                RefuseInbound(accepted, DropReason.TcpFlowExists);
                return;
            }
            Close(old, CloseReason.GuestReusedPort);
        }
        MakeRoom();
        // The guest may be silent or gone: whoever has waited longest for it makes room.
        if (_unanswered.Count >= _parameters.MaxHalfOpen) Close(_unanswered.Oldest!, CloseReason.EvictedHalfOpen);
        var flow = new TcpFlow(key, guestMac) { Socket = accepted, HostEndpoint = key.Remote, IsInbound = true };
        if (!_flows.TryAdd(flow))
        {
            RefuseInbound(accepted, DropReason.TcpFlowLimit);
            return;
        }
        _current = flow;
        _counters.TcpFlowsOpened++;
        flow.LastHeard = now;
        flow.Enter(GuestTcpState.SynSent);
        _unanswered.Add(flow);
        if (!_world.Adopt(accepted, flow.Target).IsOk)
        {
            Close(flow, CloseReason.HostFailed);
            _current = null;
            return;
        }
        flow.Host = HostTcpState.Open;
        flow.HostWritable = true;
        flow.HasTimestamps = flow.HasSack = true; // offered; the answer decides
        PromiseReceiveWindow(flow, now);
        BeginSequence(flow, now);
        SendSyn(flow, now);
        Rearm(flow);
        _current = null;
    }

    private void RefuseInbound(HostSocket accepted, DropReason reason)
    {
        _counters.Drop(reason);
        _world.Close(accepted, reset: true);
    }

    private void OnSegmentInSynSent(TcpFlow flow, in GuestSegment segment, Instant now)
    {
        if (segment.Has(TcpFlags.Ack) && segment.Acknowledgment != flow.Iss + 1)
        {
            _counters.Drop(DropReason.TcpBadAcknowledgment);
            if (!segment.Has(TcpFlags.Rst)) SendResetFor(flow, segment);
            return;
        }
        const TcpFlags synAck = TcpFlags.Syn | TcpFlags.Ack;
        if (segment.Has(TcpFlags.Rst))
        {
            if (segment.Has(TcpFlags.Ack)) Close(flow, CloseReason.GuestRefused);
            else _counters.Drop(DropReason.TcpBadReset);
            return;
        }
        if ((segment.Flags & synAck) != synAck)
        {
            _counters.Drop(DropReason.BadTcpFlags);
            return;
        }
        _unanswered.Remove(flow);
        AcceptSyn(flow, segment, now);
        flow.RcvAdv = flow.RcvNxt + Math.Min(flow.RcvCapacity, ushort.MaxValue); // what our SYN said
        OnSynAcknowledged(flow, segment, now);
        RequestAck(flow);
    }
}
