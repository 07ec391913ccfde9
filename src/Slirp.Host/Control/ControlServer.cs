using System.Text.Json;
using Slirp.Core.Network;
using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Linux.Events;
using Slirp.Linux.Sockets;

namespace Slirp.Host.Control;

/// <summary>The control socket: a UNIX stream socket on which each connection carries one JSON request and its reply.</summary>
/// <remarks>
/// <para><b>Model.</b> One thread of its own with an epoll of its own, so that nothing here delays a frame. Clients are
/// served as their octets come, all at once; what a request asks of the worker goes there as a message.</para>
/// <para><b>Who may.</b> The socket file can be written by its owner only, and the kernel's word for who connected is
/// checked as well (<see cref="PeerCheck"/>). The path is a file's, never an abstract name, which is why nobody in the
/// guest's network namespace can reach it.</para>
/// <para><b>Limits.</b> <see cref="ControlOptions"/>: clients at once, the time a client may take from connecting to its
/// request, whatever it trickles meanwhile. <see cref="ControlRequest"/>: length and depth.</para>
/// <para><b>Kernel assumptions.</b> Readiness is asked level-triggered: nothing here is frequent.</para>
/// </remarks>
public sealed class ControlServer : IDisposable
{
    private const ulong WakeupTag = 0, ListenerTag = 1; // clients are numbered from 2 on
    private const int Backlog = 128;
    private const long AcceptPause = 100_000_000; // ns, when there is no descriptor left

    private readonly string _name;
    private readonly OwnedFd _directory; // the path is removed at the end, when it may be out of this process's sight
    private readonly FileIdentity? _file;
    private readonly OwnedFd _listener;
    private readonly ControlCommands _commands;
    private readonly ControlOptions _options;
    private readonly PeerCheck _peers = new();
    private readonly Epoll _epoll = new();
    private readonly Wakeup _wakeup = new();
    private readonly Dictionary<ulong, ControlClient> _clients = [];
    private readonly List<ulong> _late = [];
    private ulong _lastTag = ListenerTag;
    private long _acceptAgainAt = long.MaxValue;
    private Thread? _thread;
    private volatile bool _isStopping;

    private ControlServer(string path, OwnedFd directory, OwnedFd listener, ControlCommands commands, ControlOptions options)
    {
        (_name, _directory, _listener, _commands, _options) = (Path.GetFileName(path), directory, listener, commands, options);
        _file = Find();
        _ = _epoll.Add(_wakeup.Fd, EpollEvents.EPOLLIN, WakeupTag).OrThrow("epoll_ctl", "the control server's wake-up");
        _ = _epoll.Add(_listener.AsSocket, EpollEvents.EPOLLIN, ListenerTag).OrThrow("epoll_ctl", path);
    }

    /// <summary>Binds the socket: from now on clients may connect; they are answered after <see cref="Start"/>. What
    /// stood at the path is removed first.</summary>
    /// <exception cref="LinuxException">The path cannot be bound.</exception>
    public static ControlServer Open(
        string path, IForwards forwards, NetworkPlan plan, Action<Utf8JsonWriter> writeStatus, ControlOptions? options = null)
    {
        _ = UnixSocket.Unlink(path);
        OwnedFd listener;
        try
        {
            listener = UnixSocket.Listen(path, Backlog);
        }
        catch (LinuxException e)
        {
            throw new LinuxException($"api_bindlisten: {e.Step}", path, e.Errno, e.Remedy); // as slirp4netns calls it
        }
        try
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite); // whatever the umask made of it
            string directory = DirectoryOf(path);
            OwnedFd opened = Descriptor.OpenFile(directory, OpenFlags.O_PATH | ArchitectureOpenFlags.O_DIRECTORY).OwnedOrThrow("open", directory);
            return new ControlServer(path, opened, listener, new ControlCommands(forwards, plan, writeStatus), options ?? new ControlOptions());
        }
        catch
        {
            _ = UnixSocket.Unlink(path); // a socket that nobody will ever answer on
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Where the socket's path is removed from at the end.</summary>
    public static string DirectoryOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";

    public void Start()
    {
        var thread = new Thread(Run) { Name = "control" };
        thread.Start(); // where no more can be started there is none to wait for at the end
        _thread = thread;
    }

    /// <summary>Ends the thread, closes every connection and removes the socket's path, unless another has taken it since.</summary>
    public void Dispose()
    {
        _isStopping = true;
        _wakeup.Signal();
        _thread?.Join();
        foreach (ControlClient client in _clients.Values) client.Dispose();
        _clients.Clear();
        if (Find() == _file) _ = Descriptor.Unlink(_directory.AsRaw, _name); // while the listener is open nobody else is that file
        _directory.Dispose();
        _listener.Dispose();
        _epoll.Dispose();
        _wakeup.Dispose();
    }

    /// <summary>What stands at the path now; null if nothing does, or this kernel does not say.</summary>
    private FileIdentity? Find() => Descriptor.Identify(_directory.AsRaw, _name, out FileIdentity file).IsOk ? file : null;

    private void Run()
    {
        Span<EpollEvent> events = stackalloc EpollEvent[64];
        while (!_isStopping)
        {
            int count = _epoll.WaitNanoseconds(events, TimeToNextDeadline()).Raw;
            for (int i = 0; i < count; i++) OnEvent(events[i].Data);
            CloseLate();
        }
    }

    private void OnEvent(ulong tag)
    {
        if (tag == ListenerTag) Accept();
        else if (_clients.TryGetValue(tag, out ControlClient? client)) Advance(tag, client);
    }

    private void Accept()
    {
        while (true)
        {
            SysResult accepted = Socket.Accept(_listener.AsSocket, out _);
            if (accepted.IsOk)
            {
                Welcome(new OwnedFd(accepted.Raw));
                continue;
            }
            if (accepted.Is(Errno.ECONNABORTED)) continue;
            if (!accepted.Is(Errno.EAGAIN)) PauseAccepting(); // no descriptor, no memory
            return;
        }
    }

    private void Welcome(OwnedFd socket)
    {
        long now = MonotonicClock.Nanoseconds;
        if (!_peers.MayCommand(socket.AsSocket))
        {
            socket.Dispose();
            return;
        }
        var client = new ControlClient(socket, _options, now);
        ulong tag = ++_lastTag;
        bool isFull = _clients.Count >= _options.MaxClients;
        if (isFull || !_epoll.Add(client.Socket, EpollEvents.EPOLLIN, tag).IsOk)
        {
            _ = client.Refuse(ControlReply.Error("too many clients"), now);
            client.Dispose();
            return;
        }
        _clients.Add(tag, client);
        Advance(tag, client);
    }

    private void Advance(ulong tag, ControlClient client)
    {
        bool wasReplying = client.IsReplying;
        if (!client.Advance(Answer, MonotonicClock.Nanoseconds))
        {
            _clients.Remove(tag);
            client.Dispose();
            return;
        }
        if (client.IsReplying == wasReplying) return;
        _ = _epoll.Modify(client.Socket, client.IsReplying ? EpollEvents.EPOLLOUT : EpollEvents.EPOLLIN, tag);
    }

    /// <summary>An exception is a bug of ours that a request has found: its client is told, and the network goes on.</summary>
    private byte[] Answer(ReadOnlyMemory<byte> request)
    {
        try
        {
            return _commands.Answer(request);
        }
        catch (Exception e)
        {
            _options.Warn($"internal fault in a request to the control socket: {e}");
            return ControlReply.Error("internal fault", e.Message);
        }
    }

    private void PauseAccepting()
    {
        _acceptAgainAt = MonotonicClock.Nanoseconds + AcceptPause;
        _ = _epoll.Modify(_listener.AsSocket, EpollEvents.None, ListenerTag);
    }

    private void CloseLate()
    {
        long now = MonotonicClock.Nanoseconds;
        if (now >= _acceptAgainAt)
        {
            _acceptAgainAt = long.MaxValue;
            _ = _epoll.Modify(_listener.AsSocket, EpollEvents.EPOLLIN, ListenerTag);
        }
        foreach ((ulong tag, ControlClient client) in _clients)
            if (now >= client.Deadline) _late.Add(tag);
        foreach (ulong tag in _late)
        {
            _clients.Remove(tag, out ControlClient? client);
            client!.GiveUp(now);
            client.Dispose();
        }
        _late.Clear();
    }

    /// <returns>Nanoseconds, or -1 if nothing is waited for.</returns>
    private long TimeToNextDeadline()
    {
        long next = _acceptAgainAt;
        foreach (ControlClient client in _clients.Values) next = Math.Min(next, client.Deadline);
        return next == long.MaxValue ? -1 : Math.Max(0, next - MonotonicClock.Nanoseconds);
    }
}
