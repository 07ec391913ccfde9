using System.Globalization;
using Slirp.Linux;
using Slirp.Linux.Sockets;

namespace Slirp.Host;

/// <summary>The service manager that started this process, as far as it asked to be told of its life: sd_notify(3) and
/// sd_watchdog_enabled(3), by their protocol.</summary>
/// <remarks>
/// <para>NOTIFY_SOCKET names a datagram socket, by its path or, after '@', by its abstract name. It is opened once, early:
/// later this process may not open files. What cannot be sent then is not sent again.</para>
/// <para>A manager's variables come down to every process below its service. The service is the one that SYSTEMD_EXEC_PID
/// names where it is set: a container runtime that a unit started must not be called ready because its network is.
/// The variables stay as they are, for a command that is run.</para>
/// </remarks>
public sealed class ServiceManager : IDisposable
{
    private const int ReadyPatienceMilliseconds = 1000;

    private readonly OwnedFd _socket;

    private ServiceManager(OwnedFd socket, TimeSpan? watchdogInterval) =>
        (_socket, WatchdogInterval) = (socket, watchdogInterval);

    /// <summary>How often it wants to hear that we are alive: half of the time after which it takes us for dead.</summary>
    public TimeSpan? WatchdogInterval { get; }

    /// <param name="variable">The environment.</param>
    /// <param name="pid">Of this process.</param>
    /// <param name="warn">Told what is wrong with a manager that cannot be reached.</param>
    /// <returns>Null if nobody asked.</returns>
    public static ServiceManager? FromEnvironment(Func<string, string?> variable, int pid, Action<string> warn)
    {
        if (variable("NOTIFY_SOCKET") is not { Length: > 0 } name || !IsOurs(variable("SYSTEMD_EXEC_PID"), pid)) return null;
        try
        {
            OwnedFd socket = name[0] == '@'
                ? UnixSocket.ConnectAbstract(name[1..], SocketType.SOCK_DGRAM)
                : UnixSocket.Connect(name, SocketType.SOCK_DGRAM);
            return new ServiceManager(socket, IsOurs(variable("WATCHDOG_PID"), pid) ? HalfOf(variable("WATCHDOG_USEC")) : null);
        }
        catch (LinuxException e)
        {
            warn($"NOTIFY_SOCKET: {e.Message}");
            return null;
        }
    }

    /// <summary>It must hear this, or takes the start for failed: its queue may be full for a moment.</summary>
    public void Ready()
    {
        _ = Descriptor.Poll(_socket.AsSocket, PollEvents.POLLOUT, ReadyPatienceMilliseconds, out _);
        Tell("READY=1"u8);
    }

    public void Stopping() => Tell("STOPPING=1"u8);

    public void Alive() => Tell("WATCHDOG=1"u8);

    public void Dispose() => _socket.Dispose();

    private void Tell(ReadOnlySpan<byte> assignment) => _ = Socket.Send(_socket.AsSocket, assignment, MessageFlags.MSG_NOSIGNAL);

    private static bool IsOurs(string? named, int pid) =>
        string.IsNullOrEmpty(named) || named == pid.ToString(CultureInfo.InvariantCulture);

    private static TimeSpan? HalfOf(string? microseconds) =>
        long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value is > 1 and < long.MaxValue / 10
            ? TimeSpan.FromTicks(value * 10 / 2)
            : null;
}
