using System.Runtime.InteropServices;
using Slirp.Core.World;

namespace Slirp.Testing;

/// <summary>The stream half: connect, octets in order, end of file, limited room to send.</summary>
public sealed partial class FakeSocket
{
    private readonly Queue<ReadOnlyMemory<byte>> _received = new();
    private readonly List<byte> _sent = [];
    private bool _connected;
    private bool _endOfFile;
    private bool _sendWasShort;
    private HostError _streamError;
    private int _streamErrorCalls;

    /// <summary>Octets that <c>send</c> takes before it would block; shrinks as it takes them.</summary>
    public long SendRoom { get; private set; } = long.MaxValue;

    /// <summary>Octets taken from Core, kept only while the host records.</summary>
    public ReadOnlySpan<byte> Sent => CollectionsMarshal.AsSpan(_sent);

    public long SentCount { get; private set; }

    /// <summary>Core has shut down its sending half: FIN follows what was sent.</summary>
    public bool IsSendShutDown { get; private set; }

    /// <summary>Octets delivered and not yet read.</summary>
    public long UnreadCount { get; private set; }

    public bool IsConnected => _connected;

    /// <summary>Answers every read instead of what was delivered: a source without end that allocates nothing.</summary>
    public Func<Span<byte>, int>? OnReceive { get; set; }

    /// <summary>A read ends with the delivery it began with, as recv(2) does at an urgent mark.</summary>
    public bool StopsAtMarks { get; set; }

    public void CompleteConnect()
    {
        BeConnected();
        Raise(SendRoom > 0 ? HostEvents.Writable : HostEvents.None);
    }

    /// <summary>The connect under way fails: epoll reports it as error, hang-up, readable and writable at once.</summary>
    public void FailConnect(HostError error)
    {
        _endOfFile = true;
        SetError(error);
        Raise(HostEvents.Writable | HostEvents.Readable | HostEvents.ReadClosed | HostEvents.HangUp);
    }

    internal HostError ConnectOutcome()
    {
        HostError error = TakeError();
        return error == HostError.None && !_connected ? HostError.InProgress : error;
    }

    public void Deliver(ReadOnlySpan<byte> octets)
    {
        if (octets.IsEmpty) return;
        _received.Enqueue(octets.ToArray());
        UnreadCount += octets.Length;
        Raise(HostEvents.Readable);
    }

    /// <summary>FIN from outside, after what was delivered.</summary>
    public void DeliverEndOfFile()
    {
        _endOfFile = true;
        Raise(HostEvents.Readable | HostEvents.ReadClosed | (IsSendShutDown ? HostEvents.HangUp : HostEvents.None));
    }

    /// <summary>RST from outside: what was delivered can still be read, then the error.</summary>
    public void DeliverReset(HostError error = HostError.ConnectionReset)
    {
        _endOfFile = true;
        IsSendShutDown = true;
        SetError(error);
        Raise(HostEvents.Readable | HostEvents.Writable | HostEvents.ReadClosed | HostEvents.HangUp);
    }

    /// <summary>Limits what <c>send</c> takes from now on.</summary>
    public void LimitSend(long room) => SendRoom = room;

    /// <summary>The outside has read: more can be sent, and Core is told if it had met the limit.</summary>
    public void MakeRoom(long octets)
    {
        SendRoom += octets;
        if (!_sendWasShort) return;
        _sendWasShort = false;
        Raise(HostEvents.Writable);
    }

    internal void BeConnected() => _connected = true;

    /// <summary>The next calls that send or receive fail so, and say nothing afterwards.</summary>
    public void FailStream(HostError error, int calls) => (_streamError, _streamErrorCalls) = (error, calls);

    public int SendCalls { get; private set; }

    private bool TakeStreamError(out IoResult failed)
    {
        failed = IoResult.Failed(_streamError);
        return _streamErrorCalls > 0 && _streamErrorCalls-- > 0;
    }

    internal IoResult Receive(Span<byte> into)
    {
        if (TakeStreamError(out IoResult failed)) return failed;
        if (OnReceive is not null) return new IoResult(OnReceive(into));
        if (_received.Count == 0)
        {
            if (_error != HostError.None) return IoResult.Failed(TakeError());
            return _endOfFile ? IoResult.Ok : IoResult.Failed(HostError.WouldBlock);
        }
        int count = 0;
        while (_received.TryPeek(out ReadOnlyMemory<byte> next) && count < into.Length)
        {
            int take = Math.Min(next.Length, into.Length - count);
            next.Span[..take].CopyTo(into[count..]);
            count += take;
            _received.Dequeue();
            if (take < next.Length) Unread(next[take..]);
            if (StopsAtMarks) break;
        }
        UnreadCount -= count;
        return new IoResult(count);
    }

    internal IoResult Send(ReadOnlySpan<byte> octets)
    {
        SendCalls++;
        if (TakeStreamError(out IoResult failed)) return failed;
        if (_error != HostError.None) return IoResult.Failed(TakeError());
        if (IsSendShutDown) return IoResult.Failed(HostError.BrokenPipe);
        if (!_connected) return IoResult.Failed(HostError.WouldBlock);
        int take = (int)Math.Min(octets.Length, SendRoom);
        if (take < octets.Length) _sendWasShort = true;
        if (take == 0 && !octets.IsEmpty) return IoResult.Failed(HostError.WouldBlock);
        if (host.Records) _sent.AddRange(octets[..take]);
        SentCount += take;
        if (SendRoom != long.MaxValue) SendRoom -= take;
        return new IoResult(take);
    }

    internal void ShutdownSend()
    {
        IsSendShutDown = true;
        if (_endOfFile) Raise(HostEvents.HangUp);
    }

    // A queue has no "put back in front"; partial reads are rare enough in tests to turn it once round.
    private void Unread(ReadOnlyMemory<byte> rest)
    {
        int others = _received.Count;
        _received.Enqueue(rest);
        for (int i = 0; i < others; i++) _received.Enqueue(_received.Dequeue());
    }
}
