using Slirp.Core;
using Slirp.Core.World;
using Slirp.Testing;

namespace Slirp.Simulation.Tests;

// What guest and host do beside their kernels: programs that read and write in their own time, and what befalls them.
public sealed partial class TcpSimulation
{
    private static readonly TimeSpan LongestIdle = TimeSpan.FromMilliseconds(50);

    private Instant _frozenUntil; // the guest does nothing until then: it was stopped, or has no processor
    private Instant _darkUntil; // nothing passes the link until then

    private void BeginPrograms()
    {
        Repeat(_plan.GuestWrites, n => GuestWrites(n), () => _guest.HasWrittenAll && _guest.IsOpen);
        Repeat(_plan.GuestReads, GuestReads, () => _guest.IsDone || _guest.WasReset);
        if (_plan.Ending != Ending.InOrder) After(TimeSpan.FromMilliseconds(_random.Next(1, 400)), Break);
        if (_plan.Frozen > TimeSpan.Zero) After(TimeSpan.FromMilliseconds(_random.Next(1, 300)), () => _frozenUntil = Now + _plan.Frozen);
        if (_plan.Blackout > TimeSpan.Zero) After(TimeSpan.FromMilliseconds(_random.Next(1, 300)), () => _darkUntil = Now + _plan.Blackout);
    }

    private bool GuestWrites(int octets)
    {
        if (Now >= _frozenUntil) _guest.Write(octets, Now);
        return true;
    }

    private bool GuestReads(int octets)
    {
        if (Now < _frozenUntil || _guest.Unread == 0) return false;
        _guest.Read(octets, Now);
        return true;
    }

    private void Break()
    {
        if (_socket is null || !_guest.IsOpen) After(TimeSpan.FromMilliseconds(50), Break);
        else if (_guest.IsDone || !_socket.IsOpen) return;
        else if (_plan.Ending == Ending.GuestResets) _guest.Reset(Now);
        else _socket.DeliverReset();
    }

    private void OnConnected(FakeSocket socket)
    {
        _socket = socket;
        socket.LimitSend(_plan.HostReads.NextOctets(_random));
        Repeat(_plan.HostReads, n => HostReads(socket, n), () => !socket.IsOpen);
        Repeat(_plan.HostWrites, n => HostWrites(socket, n), () => _hostSaidAll || !socket.IsOpen);
        if (_plan.HostShortages > 0) Repeat(new Pace(3, TimeSpan.FromMilliseconds(100), 0), n => RunShort(socket, n), () => _shortages >= _plan.HostShortages || !socket.IsOpen);
    }

    private bool HostReads(FakeSocket socket, int octets)
    {
        if (socket.SendRoom > _upload.Length) return false;
        socket.MakeRoom(octets);
        return true;
    }

    private bool HostWrites(FakeSocket socket, int octets)
    {
        int length = Math.Min(octets, _download.Length - _delivered);
        socket.Deliver(_download.AsSpan(_delivered, length));
        _delivered += length;
        if (_delivered < _download.Length || _plan.HostClosesLast && !socket.IsSendShutDown) return length > 0;
        _hostSaidAll = true;
        if (_plan.HostEndsLater) After(_plan.HostWrites.NextWait(_random), HostEnds);
        else HostEnds();
        return true;

        void HostEnds()
        {
            _hostClosed = true;
            socket.DeliverEndOfFile();
        }
    }

    /// <summary>The kernel has no memory for some calls, and does not say when it has again.</summary>
    private bool RunShort(FakeSocket socket, int calls)
    {
        _shortages++;
        socket.FailStream(HostError.NoBuffers, calls);
        return true;
    }

    private void After(TimeSpan wait, Action action) => _events.Enqueue(action, ((Now + wait).Nanoseconds, _order++));

    /// <summary>A program that finds nothing to do looks ever more rarely.</summary>
    private void Repeat(Pace pace, Func<int, bool> tryWork, Func<bool> isDone)
    {
        int idle = 0;
        Again();

        void Again()
        {
            if (isDone()) return;
            TimeSpan wait = pace.NextWait(_random);
            if (wait > pace.Wait) Met |= Happenings.ProgramStalled;
            if (idle > 0) wait = TimeSpan.FromTicks(Math.Max(wait.Ticks, Math.Min(wait.Ticks << idle, LongestIdle.Ticks)));
            // Never at once, so that time passes.
            After(wait + TimeSpan.FromMicroseconds(200), () =>
            {
                idle = tryWork(pace.NextOctets(_random)) ? 0 : Math.Min(idle + 1, 4);
                Again();
            });
        }
    }
}
