using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>The program under test with its ready and exit descriptors, as a container runtime holds it.</summary>
internal sealed class SlirpProcess : IAsyncDisposable
{
    public const int ReadyNumber = 3;
    public const int ExitNumber = 4;
    public const int TapNumber = 5;

    private readonly PipePair _ready = new();
    private readonly PipePair _exit = new();
    private readonly ChildProcess _child;

    private SlirpProcess(string[] argv, SafeFileHandle? tap)
    {
        var descriptors = new Dictionary<int, SafeFileHandle>
        {
            [ReadyNumber] = _ready.Write,
            [ExitNumber] = _exit.Read,
        };
        if (tap is not null) descriptors[TapNumber] = tap;
        _child = ChildProcess.Start(argv, descriptors);
        _ready.Write.Dispose();
        _exit.Read.Dispose();
    }

    public int Pid => _child.Pid;

    public bool HasExited => _child.HasExited;

    public string StderrSoFar => _child.StderrSoFar;

    public string StdoutSoFar => _child.StdoutSoFar;

    /// <param name="argv">The whole command line; it may use descriptors 3 (ready), 4 (exit) and 5 (TAP).</param>
    /// <param name="tap">What becomes descriptor 5.</param>
    public static SlirpProcess Start(string[] argv, SafeFileHandle? tap = null) => new(argv, tap);

    /// <summary>Waits for the ready octet. The end of the descriptor without it is a failure that quotes slirpnet.</summary>
    public async Task ReadyAsync()
    {
        if (await ReadReadyAsync() != "1") throw new EndToEndException($"never ready: {await _child.WaitAsync()}");
    }

    /// <summary>All that came through the ready descriptor until its end.</summary>
    public async Task<string> ReadReadyAsync()
    {
        await using var stream = new FileStream(_ready.Read, FileAccess.Read, bufferSize: 1, isAsync: false);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync().WithinAsync($"the end of the ready descriptor of: {_child.Words}");
    }

    public Task<Outcome> WaitAsync() => _child.WaitAsync();

    public Task<string> StderrLineAsync(string containing) => _child.StderrLineAsync(containing);

    public void Signal(UnixSignal signal) => _child.Signal(signal);

    /// <summary>What a container runtime does when the container has ended.</summary>
    public void CloseExitDescriptor() => _exit.Write.Dispose();

    public async ValueTask DisposeAsync()
    {
        _exit.Dispose();
        await _child.DisposeAsync();
        _ready.Dispose();
    }
}
