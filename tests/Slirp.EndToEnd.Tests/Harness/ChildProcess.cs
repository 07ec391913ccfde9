using System.Collections;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// A child that gets exactly the descriptors it is given, under the numbers it is given them: what
/// <see cref="System.Diagnostics.Process"/> cannot do, and what ready-fd, exit-fd and tapfd are about.
/// </summary>
/// <remarks>Its signals are at their defaults and unblocked, whatever the test host did with its own. Disposing it
/// kills it; nothing it leaves behind is searched for by name.</remarks>
internal sealed class ChildProcess : IAsyncDisposable
{
    private const int FirstFreeDescriptor = 500; // sources are moved above every number a child may be given

    private readonly PipePair _stdin = new();
    private readonly FileStream _stdinStream;
    private readonly Task<string> _stdout;
    private readonly Task<string> _stderr;
    private readonly Task<int> _exit;
    private readonly LineWatch _stdoutLines = new();
    private readonly LineWatch _stderrLines = new();

    static ChildProcess()
    {
        // Each child's two outputs hold a thread of the pool while it lives; more are made slowly when the pool runs dry.
        ThreadPool.SetMinThreads(64, 64);
        // For the sockets that tests hold, and for what children inherit, in whatever order the tests run.
        Machine.RaiseOpenFiles(20_000);
    }

    private ChildProcess(string[] argv, IReadOnlyDictionary<int, SafeFileHandle> descriptors, bool givesStdin)
    {
        Words = string.Join(' ', argv);
        using PipePair stdout = new(), stderr = new();
        var given = new Dictionary<int, SafeFileHandle>(descriptors)
        {
            [0] = _stdin.Read,
            [1] = stdout.Write,
            [2] = stderr.Write,
        };
        Pid = Spawn(argv, given);
        _stdin.Read.Dispose();
        _stdinStream = new FileStream(_stdin.Write, FileAccess.Write, bufferSize: 0);
        if (!givesStdin) CloseStdin();
        _stdout = ReadAsync(Detach(stdout.Read), _stdoutLines);
        _stderr = ReadAsync(Detach(stderr.Read), _stderrLines);
        _exit = Task.Factory.StartNew(Reap, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public int Pid { get; }

    /// <summary>The command line, for messages.</summary>
    public string Words { get; }

    /// <summary>What it has said so far on its standard error.</summary>
    public string StderrSoFar => _stderrLines.Text;

    /// <summary>What it has said so far on its standard output.</summary>
    public string StdoutSoFar => _stdoutLines.Text;

    public bool HasExited => _exit.IsCompleted;

    public static ChildProcess Start(string[] argv, IReadOnlyDictionary<int, SafeFileHandle>? descriptors = null,
        bool givesStdin = false) =>
        new(argv, descriptors ?? new Dictionary<int, SafeFileHandle>(), givesStdin);

    /// <summary>Runs to the end and gives what came of it.</summary>
    public static async Task<Outcome> RunAsync(params string[] argv)
    {
        await using ChildProcess child = Start(argv);
        return await child.WaitAsync();
    }

    /// <summary>Exit status as a shell gives it (128 + signal when killed) and all it said.</summary>
    public async Task<Outcome> WaitAsync()
    {
        int status = await _exit.WithinAsync($"the end of: {Words}");
        return new Outcome(Words, status, await _stdout.WithinAsync($"the end of the output of: {Words}"),
            await _stderr.WithinAsync($"the end of the errors of: {Words}"));
    }

    public Task<string> StdoutLineAsync(string containing) =>
        _stdoutLines.FirstAsync(containing).WithinAsync($"\"{containing}\" from: {Words}");

    public Task<string> StderrLineAsync(string containing) =>
        _stderrLines.FirstAsync(containing).WithinAsync($"\"{containing}\" on the error output of: {Words}");

    public void WriteStdin(string text) => _stdinStream.Write(Encoding.UTF8.GetBytes(text));

    public void CloseStdin() => _stdinStream.Dispose();

    public void Signal(UnixSignal signal)
    {
        // A reaped pid may be somebody else's by now; an unreaped one is ours, dead or alive.
        if (!_exit.IsCompleted) _ = Native.kill(Pid, (int)signal);
    }

    /// <summary>To all of the process group that it leads (its command begins with setsid).</summary>
    public void SignalGroup(UnixSignal signal)
    {
        if (!_exit.IsCompleted) _ = Native.kill(-Pid, (int)signal);
    }

    public async ValueTask DisposeAsync()
    {
        Signal(UnixSignal.Kill);
        await _exit;
        CloseStdin();
        _stdin.Dispose();
    }

    private static int Spawn(string[] argv, Dictionary<int, SafeFileHandle> descriptors)
    {
        IntPtr actions = Marshal.AllocHGlobal(Native.OpaqueSize);
        IntPtr attributes = Marshal.AllocHGlobal(Native.OpaqueSize);
        IntPtr signals = Marshal.AllocHGlobal(Native.OpaqueSize);
        var moved = new List<int>();
        _ = Native.posix_spawn_file_actions_init(actions);
        _ = Native.posix_spawnattr_init(attributes);
        try
        {
            foreach ((int number, SafeFileHandle handle) in descriptors)
            {
                int source = Native.fcntl((int)handle.DangerousGetHandle(), Native.DuplicateCloseOnExec, FirstFreeDescriptor);
                moved.Add(source);
                _ = Native.posix_spawn_file_actions_adddup2(actions, source, number);
            }

            // Nothing else, not even what whoever started the test host has left open in it.
            int largest = descriptors.Keys.Max();
            for (int number = 3; number < largest; number++)
                if (!descriptors.ContainsKey(number)) _ = Native.posix_spawn_file_actions_addclose(actions, number);
            _ = Native.posix_spawn_file_actions_addclosefrom_np(actions, largest + 1);

            _ = Native.sigfillset(signals);
            _ = Native.posix_spawnattr_setsigdefault(attributes, signals);
            _ = Native.sigemptyset(signals);
            _ = Native.posix_spawnattr_setsigmask(attributes, signals);
            _ = Native.posix_spawnattr_setflags(attributes,
                (short)(Native.SpawnSetSignalDefaults | Native.SpawnSetSignalMask));
            int error = Native.posix_spawnp(out int pid, argv[0], actions, attributes, [.. argv, null], InheritedEnvironment());
            if (error != 0) throw new Win32Exception(error, $"spawning {string.Join(' ', argv)}");
            return pid;
        }
        finally
        {
            foreach (int descriptor in moved) _ = Native.close(descriptor);
            _ = Native.posix_spawn_file_actions_destroy(actions);
            Marshal.FreeHGlobal(actions);
            Marshal.FreeHGlobal(attributes);
            Marshal.FreeHGlobal(signals);
        }
    }

    private static string?[] InheritedEnvironment()
    {
        var variables = new Dictionary<string, string>();
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables()) variables[$"{entry.Key}"] = $"{entry.Value}";
        // What tests rely on: the administrator's tools, messages in English, a shell, no service manager that listens.
        variables["PATH"] = variables.GetValueOrDefault("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin";
        variables["LC_ALL"] = "C.UTF-8";
        variables["SHELL"] = "/bin/sh";
        foreach (string name in (string[])["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "BASH_ENV"]) variables.Remove(name);
        return [.. variables.Select(variable => $"{variable.Key}={variable.Value}"), null];
    }

    private static SafeFileHandle Detach(SafeFileHandle handle)
    {
        var other = new SafeFileHandle(handle.DangerousGetHandle(), ownsHandle: true);
        handle.SetHandleAsInvalid();
        return other;
    }

    private static async Task<string> ReadAsync(SafeFileHandle handle, LineWatch lines)
    {
        await using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 1, isAsync: false);
        var buffer = new byte[4096];
        Decoder decoder = Encoding.UTF8.GetDecoder();
        var characters = new char[4096];
        while (true)
        {
            int count = await stream.ReadAsync(buffer);
            if (count == 0) break;
            lines.Add(new string(characters, 0, decoder.GetChars(buffer, 0, count, characters, 0)));
        }

        lines.End();
        return lines.Text;
    }

    private int Reap()
    {
        int status;
        while (Native.waitpid(Pid, out status, 0) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            if (errno != Native.Interrupted) throw new Win32Exception(errno, $"waitpid {Pid}: {Words}");
        }

        int signal = status & 0x7f;
        return signal != 0 ? 128 + signal : (status >> 8) & 0xff;
    }
}
