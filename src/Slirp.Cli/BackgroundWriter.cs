using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Slirp.Cli;

/// <summary>Writes lines on a thread of its own, so that nobody who has something to say waits for whoever reads it: a
/// terminal that was stopped (Ctrl-S), a pipe that is full.</summary>
/// <remarks>Limits: <see cref="MaxWaiting"/> lines wait; what is said beyond is left out, and how many lines that were is
/// told once there is room.</remarks>
/// <param name="write">Writes one line; may take as long as it likes.</param>
internal sealed class BackgroundWriter(Action<string> write)
{
    public const int MaxWaiting = 256;

    private readonly Queue<string> _waiting = new(); // and the lock of all that follows
    private Thread? _thread;
    private long _leftOut;
    private bool _isEnding;

    public void Start()
    {
        _thread = new Thread(Run) { Name = "log", IsBackground = true };
        _thread.Start();
    }

    /// <summary>May be called from any thread, and returns at once.</summary>
    public void Write(string line)
    {
        lock (_waiting)
        {
            if (_isEnding || _waiting.Count == MaxWaiting)
            {
                _leftOut++;
                return;
            }
            _waiting.Enqueue(line);
            Monitor.Pulse(_waiting);
        }
    }

    /// <summary>Takes no more, and waits for what was said before to be written.</summary>
    /// <returns>False if nobody reads it: the thread is left where it is.</returns>
    public bool TryFinish(TimeSpan patience)
    {
        lock (_waiting)
        {
            _isEnding = true;
            Monitor.Pulse(_waiting);
        }
        return _thread?.Join(patience) != false;
    }

    private void Run()
    {
        while (TryTake(out string? line)) write(line);
    }

    private bool TryTake([NotNullWhen(true)] out string? line)
    {
        lock (_waiting)
        {
            while (_waiting.Count == 0 && _leftOut == 0 && !_isEnding) Monitor.Wait(_waiting);
            if (_waiting.TryDequeue(out line)) return true;
            if (_leftOut == 0) return false;
            line = string.Create(CultureInfo.InvariantCulture, $"{_leftOut} lines were left out: nobody read those before them");
            _leftOut = 0;
            return true;
        }
    }
}
