using System.Text;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Collects a stream of text and wakes who waits for a line with certain words in it. Thread-safe.</summary>
internal sealed class LineWatch
{
    private readonly object _lock = new();
    private readonly StringBuilder _text = new();
    private readonly List<(string Words, TaskCompletionSource<string> Found)> _waiting = [];
    private bool _ended;

    public string Text
    {
        get
        {
            lock (_lock) return _text.ToString();
        }
    }

    public void Add(string text)
    {
        lock (_lock)
        {
            _text.Append(text);
            WakeAll();
        }
    }

    public void End()
    {
        lock (_lock)
        {
            _ended = true;
            WakeAll();
            foreach ((string words, TaskCompletionSource<string> found) in _waiting)
                found.TrySetException(new EndToEndException($"the output ended without \"{words}\":\n{_text}"));
        }
    }

    /// <summary>The first complete line, said already or yet to come, that has these words in it.</summary>
    public Task<string> FirstAsync(string words)
    {
        lock (_lock)
        {
            var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Add((words, found));
            WakeAll();
            if (_ended) found.TrySetException(new EndToEndException($"the output ended without \"{words}\":\n{_text}"));
            return found.Task;
        }
    }

    private void WakeAll()
    {
        string[] lines = _text.ToString().Split('\n');
        int complete = _ended ? lines.Length : lines.Length - 1;
        for (int index = 0; index < complete; index++)
            foreach ((string words, TaskCompletionSource<string> found) in _waiting)
                if (lines[index].Contains(words, StringComparison.Ordinal))
                    found.TrySetResult(lines[index]);
        _waiting.RemoveAll(waiter => waiter.Found.Task.IsCompleted);
    }
}
