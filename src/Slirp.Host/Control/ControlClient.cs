using Slirp.Linux;
using Slirp.Linux.Sockets;

namespace Slirp.Host.Control;

/// <summary>One connection to the control socket: reads a request, however it is cut, answers it, and sees it off.</summary>
/// <remarks>
/// States, in order: reading (until the first JSON value is whole, the client closes its half, or there is too much);
/// replying (rarely more than one write); leaving (our half is closed, the rest of what it sends is thrown away).
/// </remarks>
internal sealed class ControlClient(OwnedFd socket, ControlOptions options, long now) : IDisposable
{
    private const int DiscardsPerTurn = 16;

    // Of what a client still writes when it is being seen off: more than that is no clumsiness.
    private const int MaxDiscarded = 1 << 20;

    private readonly byte[] _request = new byte[ControlRequest.MaxLength + 1];
    private int _length;
    private byte[]? _reply;
    private int _sent, _discarded;
    private bool _isAtEnd;

    private enum Turn
    {
        Again,
        Wait,
        Close,
    }

    public SocketFd Socket => socket.AsSocket;

    /// <summary>Monotonic nanoseconds; closed if it has not come further by then.</summary>
    public long Deadline { get; private set; } = now + Nanoseconds(options.Patience);

    /// <summary>It waits to write, not to read.</summary>
    public bool IsReplying => _reply is not null && _sent < _reply.Length;

    /// <summary>Goes on as far as it can without waiting.</summary>
    /// <param name="answer">Makes the reply to one whole request.</param>
    /// <returns>False when it is over.</returns>
    public bool Advance(Func<ReadOnlyMemory<byte>, byte[]> answer, long now)
    {
        Turn turn;
        do turn = _reply is null ? Read(answer, now) : IsReplying ? Write(now) : Discard();
        while (turn == Turn.Again);
        return turn != Turn.Close;
    }

    /// <summary>Answers without having read anything.</summary>
    public bool Refuse(byte[] reply, long now)
    {
        _reply = reply;
        return Advance(_ => reply, now);
    }

    /// <summary>Its time is over: who has begun a request is told that it has no end.</summary>
    public void GiveUp(long now)
    {
        if (_reply is null && _length > 0) _ = Refuse(ControlReply.Error("cannot parse JSON"), now);
    }

    public void Dispose() => socket.Dispose();

    private Turn Read(Func<ReadOnlyMemory<byte>, byte[]> answer, long now)
    {
        SysResult received = Linux.Sockets.Socket.Receive(Socket, _request.AsSpan(_length));
        if (received.Is(Errno.EAGAIN)) return Turn.Wait;
        if (!received.IsOk) return Turn.Close;
        _isAtEnd = received.Raw == 0;
        _length += received.Raw;
        RequestFraming framing = ControlRequest.Frame(_request.AsSpan(0, _length), _isAtEnd, out int length);
        _reply = framing switch
        {
            RequestFraming.Complete => answer(_request.AsMemory(0, length)),
            RequestFraming.Malformed => ControlReply.Error("cannot parse JSON"),
            RequestFraming.TooLarge => ControlReply.Error("too large message"),
            _ => null,
        };
        if (_reply is not null) Deadline = now + Nanoseconds(options.Patience);
        return Turn.Again;
    }

    private Turn Write(long now)
    {
        SysResult sent = Linux.Sockets.Socket.Send(Socket, _reply.AsSpan(_sent));
        if (sent.Is(Errno.EAGAIN)) return Turn.Wait;
        if (!sent.IsOk) return Turn.Close;
        _sent += sent.Raw;
        if (IsReplying) return Turn.Again;
        _ = Linux.Sockets.Socket.Shutdown(Socket, ShutdownHow.SHUT_WR);
        Deadline = now + Nanoseconds(options.Farewell);
        return _isAtEnd ? Turn.Close : Turn.Again;
    }

    private Turn Discard()
    {
        for (int budget = DiscardsPerTurn; budget > 0; budget--)
        {
            SysResult received = Linux.Sockets.Socket.Receive(Socket, _request);
            if (received.Is(Errno.EAGAIN)) return Turn.Wait;
            if (received.Raw <= 0 || (_discarded += received.Raw) > MaxDiscarded) return Turn.Close;
        }
        return Turn.Wait; // level-triggered: it is told again after the others
    }

    private static long Nanoseconds(TimeSpan span) => span.Ticks * 100;
}
