using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Testing;

/// <summary>A datagram, or several of <see cref="DatagramOptions.SegmentSize"/>, that Core sent.</summary>
public sealed record SentDatagram(IpEndpoint Destination, byte[] Payload, DatagramOptions Options);

/// <summary>The datagram half: whole datagrams with their senders, and the error queue.</summary>
public sealed partial class FakeSocket
{
    private readonly Queue<(DatagramInfo Info, byte[] Payload)> _datagrams = new();
    private readonly Queue<(HostIcmpError Error, byte[] Quoted)> _errors = new();
    private readonly Queue<HostError> _sendOutcomes = new();

    /// <summary>What Core sent, kept only while the host records.</summary>
    public List<SentDatagram> Datagrams { get; } = [];

    public long DatagramCount { get; private set; }

    /// <summary>IP octets. Beyond it a datagram with DF fails with MessageTooLong and leaves an entry in the error queue,
    /// and a segmented send fails as the kernel's does, with <see cref="HostError.Other"/> (EINVAL).</summary>
    public int PathMtu { get; set; } = int.MaxValue;

    /// <summary>Sees every datagram sent: a server's script.</summary>
    public Action<FakeSocket, SentDatagram>? OnDatagram { get; set; }

    public int UnreadDatagrams => _datagrams.Count;

    /// <summary>The next sends fail with these, in order; None lets one through.</summary>
    public void FailSends(params ReadOnlySpan<HostError> outcomes)
    {
        foreach (HostError outcome in outcomes) _sendOutcomes.Enqueue(outcome);
    }

    /// <param name="segmentSize">Not zero: <paramref name="payload"/> is several datagrams coalesced by UDP_GRO.</param>
    public void DeliverDatagram(
        IpEndpoint source, ReadOnlySpan<byte> payload, int segmentSize = 0, byte trafficClass = 0, IpAddress localAddress = default,
        uint interfaceIndex = 0)
    {
        var info = new DatagramInfo(source, localAddress, segmentSize, false, trafficClass) { InterfaceIndex = interfaceIndex };
        _datagrams.Enqueue((info, payload.ToArray()));
        Raise(HostEvents.Readable);
    }

    /// <summary>Puts an entry into the error queue and, as the kernel does, the error into SO_ERROR.</summary>
    public void DeliverError(HostIcmpError error, ReadOnlySpan<byte> quoted = default, HostError pending = HostError.ConnectionRefused)
    {
        _errors.Enqueue((error, quoted.ToArray()));
        SetError(pending);
    }

    internal IoResult SendTo(IpEndpoint destination, ReadOnlySpan<byte> payload, in DatagramOptions options)
    {
        if (_error != HostError.None) return IoResult.Failed(TakeError());
        if (_sendOutcomes.TryDequeue(out HostError outcome) && outcome != HostError.None) return IoResult.Failed(outcome);
        int headers = (family == AddressFamily.Ipv4 ? 20 : 40) + 8;
        if (options.SegmentSize > 0 && options.SegmentSize + headers > PathMtu) return IoResult.Failed(HostError.Other);
        if (options.DontFragment && options.SegmentSize == 0 && payload.Length + headers > PathMtu)
        {
            var local = new HostIcmpError(destination, default, 0, 0, (uint)PathMtu, IsLocal: true);
            _errors.Enqueue((local, []));
            Raise(HostEvents.Error);
            return IoResult.Failed(HostError.MessageTooLong);
        }
        DatagramCount++;
        if (host.Records || OnDatagram is not null)
        {
            var sent = new SentDatagram(Peer ?? destination, payload.ToArray(), options);
            if (host.Records) Datagrams.Add(sent);
            OnDatagram?.Invoke(this, sent);
        }
        return new IoResult(payload.Length);
    }

    internal IoResult ReceiveFrom(Span<byte> into, out DatagramInfo info)
    {
        info = default;
        if (_error != HostError.None) return IoResult.Failed(TakeError());
        if (!_datagrams.TryDequeue(out (DatagramInfo Info, byte[] Payload) next)) return IoResult.Failed(HostError.WouldBlock);
        int count = Math.Min(next.Payload.Length, into.Length);
        next.Payload.AsSpan(0, count).CopyTo(into);
        info = next.Info with { Truncated = count < next.Payload.Length };
        return new IoResult(count);
    }

    internal bool TryReceiveError(Span<byte> quoted, out int quotedLength, out HostIcmpError error)
    {
        quotedLength = 0;
        error = default;
        if (!_errors.TryDequeue(out (HostIcmpError Error, byte[] Quoted) next)) return false;
        quotedLength = Math.Min(next.Quoted.Length, quoted.Length);
        next.Quoted.AsSpan(0, quotedLength).CopyTo(quoted);
        error = next.Error;
        return true;
    }
}
