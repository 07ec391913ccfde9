using System.Net.Sockets;
using System.Security.Cryptography;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What one end of a connection does in the end.</summary>
internal enum Ending
{
    /// <summary>It sends, ends its half, and reads on.</summary>
    WhenSent,

    /// <summary>It says nothing before it has read all: a server that answers.</summary>
    Answers,

    /// <summary>It sends at once, and ends its half only when it has read all.</summary>
    AfterThePeer,

    /// <summary>It resets the connection in the middle.</summary>
    Resets,
}

/// <summary>What one end has done and seen.</summary>
/// <param name="Sent">What it had to send, all of it.</param>
/// <param name="Got">SHA-256 of what it received.</param>
/// <param name="Length">How much that is.</param>
/// <param name="SawReset">The kernel told it of a reset.</param>
internal sealed record PaceResult(byte[] Sent, string Got, int Length, bool SawReset)
{
    public string HashOfFirst(int length) => Convert.ToHexString(SHA256.HashData(Sent.AsSpan(0, length)));
}

/// <summary>How one end of a connection behaves, drawn once: how much it sends in which pieces, through which buffers, where
/// it pauses, and how it ends.</summary>
internal sealed class Pace
{
    public const int LongestTransfer = 3_000_000;

    private readonly int _length, _largestSend, _largestReceive, _sendBuffer, _receiveBufferLog2, _pauses, _seed;
    private readonly bool _sendsFirst, _hasNoDelay;

    public Pace(Random random)
    {
        _length = random.Next(100) switch { < 20 => random.Next(100), < 60 => random.Next(5000), < 95 => random.Next(100_000), _ => random.Next(LongestTransfer) };
        (_largestSend, _largestReceive) = (Some(random, _length), Some(random, _length));
        (_sendBuffer, _receiveBufferLog2) = (1 << random.Next(12, 21), random.Next(12, 21));
        _pauses = random.Next(3) == 0 ? random.Next(6) : 0;
        _sendsFirst = random.Next(4) == 0;
        _hasNoDelay = random.Next(2) == 0;
        _seed = random.Next();
    }

    public int Length => _length;

    /// <param name="socket">Connected; closed here only by a reset.</param>
    /// <param name="ending">Not <see cref="Ending.Answers"/> or <see cref="Ending.AfterThePeer"/> at both ends.</param>
    /// <param name="peerLength">How much the other end has to send; a reset comes somewhere in it.</param>
    public async Task<PaceResult> ExchangeAsync(Socket socket, Ending ending, int peerLength)
    {
        // Much through a small window is a matter of the kernels' timers, and seconds: only little goes through the smallest.
        int receiveBuffer = 1 << Math.Max(_receiveBufferLog2, peerLength switch { < 5000 => 12, < 100_000 => 15, _ => 17 });
        (socket.SendBufferSize, socket.ReceiveBufferSize, socket.NoDelay) = (_sendBuffer, receiveBuffer, _hasNoDelay);
        var receiver = new Receiver(this, new Random(_seed + 1), ending == Ending.Resets ? new Random(_seed + 2).Next(1, peerLength + 1) : int.MaxValue);
        byte[] octets = Payload.Octets(_seed, _length);
        if (ending == Ending.Answers) await receiver.RunAsync(socket);
        Task<bool> sending = SendAsync(socket, octets);
        // One that reads only after it has sent all of little: what it sends fits the buffers on the way.
        if (_sendsFirst && _length < 2000) await sending;
        if (ending == Ending.WhenSent) sending = EndAsync(socket, sending);
        if (ending != Ending.Answers) await receiver.RunAsync(socket);
        if (ending == Ending.Resets)
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close(0); // else .NET shuts it down first where something is under way, and that is no reset
        }

        bool sentAll = await sending;
        if (ending is Ending.Answers or Ending.AfterThePeer && sentAll) await EndAsync(socket, sending);
        return new PaceResult(octets, receiver.Hash(), receiver.Total, ending != Ending.Resets && (receiver.SawReset || !sentAll));
    }

    /// <returns>False if the connection was reset meanwhile.</returns>
    private async Task<bool> SendAsync(Socket socket, byte[] octets)
    {
        var pieces = new Random(_seed);
        HashSet<int> pauses = Pauses(pieces);
        try
        {
            for (int sent = 0; sent < _length;)
            {
                if (pauses.RemoveWhere(at => at <= sent) > 0) await Task.Delay(pieces.Next(20));
                int count = Math.Min(_length - sent, pieces.Next(1, _largestSend + 1));
                sent += await socket.SendAsync(octets.AsMemory(sent, count)).WithinAsync($"a send after {sent} of {_length} octets");
            }

            return true;
        }
        catch (Exception exception) when (IsReset(exception))
        {
            return false;
        }
    }

    private static async Task<bool> EndAsync(Socket socket, Task<bool> sending)
    {
        if (!await sending) return false;
        try
        {
            socket.Shutdown(SocketShutdown.Send);
            return true;
        }
        catch (Exception exception) when (IsReset(exception))
        {
            return false;
        }
    }

    /// <summary>Whichever call is the first to hear of a reset has its name; after it there is no connection, and of our own
    /// reset no socket.</summary>
    private static bool IsReset(Exception exception) =>
        exception is ObjectDisposedException
        || exception is SocketException
        {
            SocketErrorCode: SocketError.ConnectionReset or SocketError.Shutdown or SocketError.NotConnected or SocketError.OperationAborted
        };

    private HashSet<int> Pauses(Random pieces)
    {
        var at = new HashSet<int>();
        for (int i = 0; i < _pauses; i++) at.Add(pieces.Next(Math.Max(1, _length)));
        return at;
    }

    private static int Some(Random random, int length) => length switch
    {
        < 1000 => random.Next(1, 1000),
        < 100_000 => random.Next(3) == 0 ? random.Next(100, 2000) : random.Next(2000, 70_000),
        _ => random.Next(2000, 200_000),
    };

    private sealed class Receiver(Pace pace, Random pieces, int enough)
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public int Total { get; private set; }

        public bool SawReset { get; private set; }

        public string Hash()
        {
            using (_hash) return Convert.ToHexString(_hash.GetHashAndReset());
        }

        /// <summary>To the end, to a reset, or until it is enough.</summary>
        public async Task RunAsync(Socket socket)
        {
            var buffer = new byte[pace._largestReceive];
            HashSet<int> pauses = pace.Pauses(pieces);
            try
            {
                while (Total < enough)
                {
                    if (pauses.RemoveWhere(at => at <= Total) > 0) await Task.Delay(pieces.Next(20));
                    Memory<byte> part = buffer.AsMemory(0, pieces.Next(1, buffer.Length + 1));
                    int count = await socket.ReceiveAsync(part).WithinAsync($"a receive after {Total} octets");
                    if (count == 0) return;
                    _hash.AppendData(part.Span[..count]);
                    Total += count;
                }
            }
            catch (Exception exception) when (IsReset(exception))
            {
                SawReset = true;
            }
        }
    }
}
