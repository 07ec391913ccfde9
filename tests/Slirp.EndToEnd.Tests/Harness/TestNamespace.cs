using System.Collections.Concurrent;
using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>
/// A network namespace (and, for a plain user, a user namespace) of its own, held by a process that ends when it is
/// disposed or when the test host dies: its standard input is our pipe.
/// </summary>
internal sealed class TestNamespace : IAsyncDisposable, ISocketPlace
{
    private readonly ChildProcess _holder;
    private readonly SafeFileHandle _netNamespace;
    private readonly BlockingCollection<Action> _calls = [];
    private readonly Thread _inside;

    private TestNamespace(ChildProcess holder)
    {
        _holder = holder;
        int descriptor = Native.open(NetPath, Native.OpenCloseOnExec);
        if (descriptor < 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"open {NetPath}");
        _netNamespace = new SafeFileHandle(descriptor, ownsHandle: true);
        var entered = new TaskCompletionSource();
        _inside = new Thread(() => LiveInside(entered)) { Name = $"in namespace of {Pid}" };
        _inside.Start();
        entered.Task.GetAwaiter().GetResult();
    }

    /// <summary>The process to name as slirpnet's target.</summary>
    public int Pid => _holder.Pid;

    public string NetPath => $"/proc/{Pid}/ns/net";

    public string UserPath => $"/proc/{Pid}/ns/user";

    /// <param name="asUser">Made by the unprivileged user, with a user namespace; else by root, without.</param>
    public static async Task<TestNamespace> CreateAsync(bool asUser)
    {
        string[] become = asUser ? [.. Machine.AsUser, "unshare", "-Urn"] : ["unshare", "-n"];
        ChildProcess holder = ChildProcess.Start([.. become, "sh", "-c", "echo up; exec cat"], givesStdin: true);
        try
        {
            await holder.StdoutLineAsync("up");
            return new TestNamespace(holder);
        }
        catch
        {
            await holder.DisposeAsync();
            throw;
        }
    }

    /// <summary>argv as run inside. Root of the machine holds every right over the network namespace of anybody.</summary>
    public string[] Inside(params string[] argv) => ["nsenter", "-t", $"{Pid}", "-n", .. argv];

    public Task<Outcome> RunAsync(params string[] argv) => ChildProcess.RunAsync(Inside(argv));

    public ChildProcess Start(params string[] argv) => ChildProcess.Start(Inside(argv));

    public Socket CreateSocket(AddressFamily family, SocketType type, ProtocolType protocol) =>
        OnThreadInside(() => new Socket(family, type, protocol));

    /// <summary>
    /// Calls on a thread that has entered the namespace. A socket belongs for life to the namespace it was made in, so
    /// the test host uses it like any other.
    /// </summary>
    public T OnThreadInside<T>(Func<T> make)
    {
        var made = new TaskCompletionSource<T>();
        _calls.Add(() =>
        {
            try
            {
                made.SetResult(make());
            }
            catch (Exception exception)
            {
                made.SetException(exception);
            }
        });
        return made.Task.GetAwaiter().GetResult();
    }

    /// <summary>Ends the process that slirpnet was pointed at.</summary>
    public void End() => _holder.Signal(UnixSignal.Kill);

    public async ValueTask DisposeAsync()
    {
        _calls.CompleteAdding();
        _inside.Join();
        _calls.Dispose();
        _netNamespace.Dispose();
        await _holder.DisposeAsync();
    }

    private void LiveInside(TaskCompletionSource entered)
    {
        if (Native.setns((int)_netNamespace.DangerousGetHandle(), Native.CloneNewNet) != 0)
        {
            entered.SetException(new Win32Exception(Marshal.GetLastPInvokeError(), $"setns {NetPath}"));
            return;
        }

        entered.SetResult();
        foreach (Action call in _calls.GetConsumingEnumerable()) call();
    }
}
